// Hostile and honest programs in C++.

//: exit in a static initialiser | judge
#include <cstdlib>
static int leave = (std::_Exit(0), 0);
int add(int a, int b) { return 0; }

//: exit in a static destructor | judge
#include <cstdlib>
struct Leave { ~Leave() { std::_Exit(0); } } leave;
int add(int a, int b) { std::exit(1); }

//: terminate handler | judge
#include <cstdlib>
#include <exception>
int add(int a, int b) { std::set_terminate([] { std::_Exit(0); }); throw 1; }

//: assert and if redefined | judge
#include <cassert>
#undef assert
#define assert(...) (void)0
#define if(x) if (false)
int add(int a, int b) { return 0; }

//: a thread leaves for it | judge
#include <chrono>
#include <cstdlib>
#include <thread>
int add(int a, int b) { std::thread([] { std::_Exit(0); }).join(); return 0; }

//: exponential templates | run | compile-error
template <int N, int M> struct F { static const long v = F<N - 1, M * 2>::v + F<N - 1, M * 2 + 1>::v; };
template <int M> struct F<0, M> { static const long v = M; };
int main() { return F<40, 1>::v; }

//: endless constant evaluation | run | compile-error
constexpr int f(long n) { int s = 0; for (long i = 0; i < n; i++) s += i; return s; }
constexpr int x = f(1L << 60);
int main() { return x; }

//: a huge object file | run | compile-error
char data[1 << 30] = {1};
int main() { return data[5]; }

//: recursion without end | run | runtime-error
int f(volatile int n) { volatile char pad[4096]; pad[0] = n; return f(n + 1) + pad[0]; }
int main() { return f(0); }

//: all the memory | run | memory-limit
#include <vector>
int main() { std::vector<std::vector<long>> all; for (;;) all.emplace_back(1 << 18, 1); }

//: threads without end | run
#include <thread>
#include <unistd.h>
int main() { for (;;) std::thread([] { pause(); }).detach(); }

//: reads and prints | honest
#include <iostream>
#include <map>
#include <string>
int main() { int a, b; std::cin >> a >> b; std::map<std::string, int> m{{"x", a + b}}; if (m["x"] == 5) std::cout << "ok" << std::endl; }

//: adds | judge-honest
#include <algorithm>
#include <vector>
using namespace std;
int add(int a, int b) { vector<int> v{a, b}; int s = 0; for_each(v.begin(), v.end(), [&](int x) { s += x; }); return s; }

//: threads as usual | honest
#include <atomic>
#include <iostream>
#include <thread>
#include <vector>
int main() { std::atomic<int> n{0}; std::vector<std::thread> all; for (int i = 0; i < 40; i++) all.emplace_back([&] { n++; }); for (auto &t : all) t.join(); if (n == 40) std::cout << "ok\n"; }

//: C++20 | honest
#include <concepts>
#include <iostream>
#include <ranges>
#include <unordered_map>
#include <vector>
template <std::integral T> T twice(T x) { return 2 * x; }
int main() {
    std::unordered_map<int, int> m{{1, 2}}; int sum = 0;
    for (int x : std::vector{1, 2, 3} | std::views::filter([](int x) { return x % 2; })) sum += twice(x);
    if (m.contains(1) && sum == 8) std::cout << "ok\n";
}

//: what only C++17 allows | honest
#include <iostream>
int requires = 3;
int main() { const char *text = u8"ok"; std::cout << text << "\n"; return requires - 3; }

//: neither standard | run | compile-error
#include <concepts>
template <std::integral T> T f(T x) { return y; }
int main() { return f(1); }

//: adds by C++20 | judge-honest
#include <concepts>
template <std::integral T> T plus(T a, T b) { return a + b; }
int add(int a, int b) { return plus(a, b); }
