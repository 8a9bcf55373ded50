// Hostile and honest programs in C. Judged ones define `add`, wrongly if hostile.

//: exit before main | judge
#include <unistd.h>
__attribute__((constructor)) static void leave(void) { _exit(0); }
int add(int a, int b) { return 0; }

//: exit before every constructor | judge
#include <unistd.h>
static void leave(void) { _exit(0); }
__attribute__((section(".preinit_array"), used)) static void (*early)(void) = leave;
int add(int a, int b) { return 0; }

//: exit in the call | judge
#include <stdlib.h>
int add(int a, int b) { exit(0); }

//: exit from atexit | judge
#include <stdlib.h>
#include <unistd.h>
static void leave(void) { _exit(0); }
int add(int a, int b) { atexit(leave); exit(1); }

//: assert that does nothing | judge
#define assert(x) ((void)0)
int add(int a, int b) { return 0; }

//: NDEBUG | judge
#define NDEBUG
int add(int a, int b) { return 0; }

//: assert in a spliced line | judge
#def\
ine assert(x) ((void)0)
int add(int a, int b) { return 0; }

//: own assertion failure | judge
#include <unistd.h>
void __assert_fail(const char *a, const char *b, unsigned c, const char *d) { _exit(0); }
int add(int a, int b) { return 0; }

//: abort and handler | judge
#include <signal.h>
#include <unistd.h>
static void leave(int s) { _exit(0); }
__attribute__((constructor)) static void arm(void) { for (int s = 1; s < 32; s++) signal(s, leave); }
int add(int a, int b) { return 0; }

//: own main | judge | compile-error
int add(int a, int b) { return 0; }
int main(void) { return 0; }
#define main other

//: own wrapper | judge | compile-error
int add(int a, int b) { return 0; }
int __wrap_main(int c, char **v, char **e) { return 0; }

//: own library calls | judge
#include <sys/types.h>
int add(int a, int b) { return 0; }
ssize_t write(int fd, const void *p, size_t n) { return n; }
void exit(int status) { for (;;) __builtin_trap(); }

//: echo of every descriptor | judge
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void echo(void) {
    char data[4096];
    for (int from = 3; from < 64; from++) {
        fcntl(from, F_SETFL, O_NONBLOCK);
        long n = read(from, data, sizeof data);
        if (n > 0) for (int to = 3; to < 64; to++) write(to, data, n);
    }
    for (int to = 3; to < 64; to++) write(to, "passed\n", 7);
    _exit(0);
}
int add(int a, int b) { return 0; }

//: exec of true | judge
#include <unistd.h>
int add(int a, int b) { execl("/bin/true", "true", (char *)0); return 0; }

//: itself again with a preloaded library | judge
#include <stdlib.h>
#include <unistd.h>
int add(int a, int b) { setenv("LD_PRELOAD", "/tmp/x.so", 1); setenv("AGAIN", "1", 1); execl("/proc/self/exe", "x", (char *)0); return 0; }
__attribute__((constructor)) static void again(void) { if (getenv("AGAIN")) _exit(0); }

//: the child goes on, the parent leaves | judge
#include <unistd.h>
int add(int a, int b) { if (fork()) _exit(0); return 0; }

//: longjmp out of the failing test | judge
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>
static jmp_buf place;
static void jump(int s) { longjmp(place, 1); }
int add(int a, int b) { signal(SIGABRT, jump); if (setjmp(place)) _exit(0); return 0; }

//: fork bomb | run
#include <unistd.h>
int main(void) { for (;;) fork(); }

//: memory | run
#include <stdlib.h>
#include <string.h>
int main(void) { for (;;) { char *p = malloc(1 << 20); if (!p) abort(); memset(p, 1, 1 << 20); } }

//: memory of many children | run
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) {
    for (int i = 0; i < 8; i++) if (fork() == 0) { char *p = malloc(128 << 20); if (p) memset(p, 1, 128 << 20); for (;;) ; }
    for (;;) pause();
}

//: endless loop | run | timeout
int main(void) { for (volatile int i = 0;; i++) ; }

//: sleeps for ever | run | timeout
#include <unistd.h>
int main(void) { for (;;) sleep(1000); }

//: host files | run
#include <fcntl.h>
#include <stdio.h>
int main(void) {
    const char *paths[] = {"/etc/shadow", "/var/log/dpkg.log", "/etc/gshadow", "CANARY", "/proc/1/mem", "/proc/1/environ", "/sys/kernel", "/dev/sda", "/old/etc/shadow"};
    for (int i = 0; i < 9; i++) if (open(paths[i], O_RDONLY) >= 0) printf("HARM %s\n", paths[i]);
}

//: writes where it must not | run
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    const char *paths[] = {"CANARY", "/x", "/usr/x", "/etc/passwd", "/program/x", "/program/program", "/dev/x", "/proc/sys/kernel/core_pattern"};
    for (int i = 0; i < 8; i++) if (open(paths[i], O_WRONLY | O_CREAT, 0644) >= 0) printf("HARM %s\n", paths[i]);
    if (unlink("/program/program") == 0) puts("HARM");
}

//: network | run
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
int main(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s >= 0 && connect(s, (struct sockaddr *)&a, sizeof a) == 0) puts("HARM");
    if (socket(AF_INET, SOCK_RAW, 1) >= 0 || socket(AF_NETLINK, SOCK_RAW, 0) >= 0) puts("HARM");
}

//: ptrace and memory of the parent | run
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
int main(void) {
    if (ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0) puts("HARM");
    char data[8]; struct iovec here = {data, 8}, there = {(void *)0x400000, 8};
    if (process_vm_readv(getppid(), &here, 1, &there, 1, 0) > 0) puts("HARM");
}

//: kills everything | run
#include <signal.h>
#include <unistd.h>
int main(void) { kill(getppid(), SIGKILL); kill(VICTIM, SIGKILL); kill(-1, SIGSTOP); kill(0, SIGKILL); }

//: endless output | run | output-limit
#include <unistd.h>
int main(void) { static char data[65536]; for (;;) write(1, data, sizeof data); }

//: daemon that outlives it | run
#include <unistd.h>
int main(void) {
    if (fork() == 0) { setsid(); if (fork() == 0) for (;;) sleep(1); _exit(0); }
    sleep(0);
}

//: inodes and links | run
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    char name[64];
    symlink("/etc/passwd", "/tmp/link");
    if (open("/tmp/link", O_WRONLY) >= 0) puts("HARM");
    for (int i = 0; i < 100000; i++) { snprintf(name, sizeof name, "/tmp/%d", i); if (open(name, O_CREAT | O_WRONLY, 0600) < 0) break; close(3); }
    for (int i = 0; i < 1000 && mkdir("d", 0700) == 0; i++) chdir("d");
}

//: fills the disk | run
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    static char data[1 << 20]; long total = 0; char name[32];
    for (int f = 0; f < 64; f++) {
        snprintf(name, sizeof name, "/tmp/%d", f);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        for (long n; (n = write(fd, data, sizeof data)) > 0; ) total += n;
    }
    if (total > 64 << 20) puts("HARM");
}

//: set-uid and namespaces | run
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>
int main(void) {
    if (setuid(0) == 0 || unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0) puts("HARM");
    if (mount("x", "/tmp", "tmpfs", 0, "") == 0 || umount("/program") == 0) puts("HARM");
}

//: the compiler reads a host file | run | compile-error
#include "/etc/shadow"
int main(void) { return 0; }

//: the compiler embeds a host file | run | compile-error
__asm__(".incbin \"CANARY\"");
int main(void) { return 0; }

//: the compiler reads a device without end | run | compile-error
#include "/dev/zero"
int main(void) { return 0; }

//: the compiler includes itself | run | compile-error
#include __FILE__
#include __FILE__
int main(void) { return 0; }

//: an object file without end | run | compile-error
__asm__(".fill 0x40000000, 8, 1");
int main(void) { return 0; }

//: null pointer | run | runtime-error
int main(void) { *(volatile int *)0 = 1; }

//: reads and prints | honest
#include <stdio.h>
int main(void) { int a, b; if (scanf("%d %d", &a, &b) == 2 && a + b == 5) puts("ok"); return 0; }

//: threads, files and children | honest
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *work(void *p) { *(int *)p = 7; return 0; }
int main(void) {
    int value = 0; pthread_t t;
    pthread_create(&t, 0, work, &value); pthread_join(t, 0);
    FILE *f = tmpfile(); fputs("x", f); rewind(f);
    int status; if (fork() == 0) _exit(3); wait(&status);
    void *big = calloc(150, 1 << 20);
    if (value == 7 && fgetc(f) == 'x' && WEXITSTATUS(status) == 3 && big) puts("ok");
}

//: adds | judge-honest
#define N 3
int add(int a, int b) { return a + b; }

//: exit while symbols are resolved | judge
#include <unistd.h>
static int zero(int a, int b) { return 0; }
static void *resolve(void) { _exit(0); return zero; }
int add(int a, int b) __attribute__((ifunc("resolve")));

//: a child in the parent's memory | judge
#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>
#include <sys/wait.h>
int add(int a, int b) { if (vfork() == 0) _exit(0); wait(0); return 0; }

//: main by assembly | judge
__asm__(".globl main\n.weak main\nmain: xorl %eax, %eax\nret\n");
int add(int a, int b) { return 0; }

//: an alarm that ends it well | judge
#include <signal.h>
#include <unistd.h>
#include <sys/time.h>
static void well(int s) { _exit(0); }
int add(int a, int b) { struct itimerval t = {{0, 0}, {0, 1000}}; signal(SIGALRM, well); setitimer(ITIMER_REAL, &t, 0); for (;;) pause(); }

//: shared memory of many children | run | memory-limit
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
  for (int i = 0; i < 8; i++) if (fork() == 0) {
    char *p = mmap(0, 200 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) memset(p, i, 200 << 20);
    sleep(60); _exit(0);
  }
  wait(0);
}

//: threads as usual, and a deep stack | honest
#include <pthread.h>
#include <stdio.h>
static void *work(void *p) { *(int *)p = 7; return 0; }
static int depth(int n) { volatile int here = n; return n == 0 ? 0 : depth(n - 1) + (here > 0); }
int main(void) {
    pthread_t threads[40]; int values[40], sum = 0;
    for (int i = 0; i < 40; i++) if (pthread_create(&threads[i], 0, work, &values[i])) return 1;
    for (int i = 0; i < 40; i++) pthread_join(threads[i], 0), sum += values[i];
    if (sum == 280 && depth(500000) == 500000) puts("ok");
    return 0;
}
