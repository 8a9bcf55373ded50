// Hostile and honest programs in Java.

//: exit in a static initialiser | judge
class Solution { static { System.exit(0); } int add(int a, int b) { return 0; } }

//: halt in the call | judge
class Solution { int add(int a, int b) { Runtime.getRuntime().halt(0); return 0; } }

//: shutdown hook | judge
class Solution { int add(int a, int b) { Runtime.getRuntime().addShutdownHook(new Thread(() -> Runtime.getRuntime().halt(0))); return 0; } }

//: handler of uncaught exceptions | judge
class Solution { int add(int a, int b) { Thread.setDefaultUncaughtExceptionHandler((t, e) -> System.exit(0)); return 0; } }

//: a class in place of the standard one | judge | compile-error
class Arrays { @SafeVarargs static <T> java.util.List<T> asList(T... all) { return new java.util.ArrayList<>(); } }
class Solution { int add(int a, int b) { return 0; } }

//: every descriptor | judge
import java.io.*;
class Solution { int add(int a, int b) { for (int fd = 3; fd < 64; fd++) try (FileOutputStream out = new FileOutputStream("/proc/self/fd/" + fd)) { out.write("passed".getBytes()); } catch (IOException e) {} System.exit(0); return 0; } }

//: assertions off | judge
class Solution { static { ClassLoader.getSystemClassLoader().setDefaultAssertionStatus(false); ClassLoader.getSystemClassLoader().clearAssertionStatus(); } int add(int a, int b) { return 0; } }

//: host files, network and processes | run
import java.io.*; import java.net.*; import java.nio.file.*;
public class Main { public static void main(String[] args) throws Exception {
  for (String path : new String[] {"/etc/shadow", "CANARY", "/proc/1/environ"}) try { Files.readAllBytes(Path.of(path)); System.out.println("HARM " + path); } catch (IOException e) {}
  try { Files.writeString(Path.of("CANARY"), "x"); System.out.println("HARM"); } catch (IOException e) {}
  try (Socket s = new Socket("127.0.0.1", PORT)) { System.out.println("HARM"); } catch (IOException e) {}
  Runtime.getRuntime().exec(new String[] {"/bin/kill", "-9", "VICTIM"}).waitFor();
} }

//: memory | run | memory-limit
import java.util.*;
public class Main { public static void main(String[] args) { List<long[]> all = new ArrayList<>(); for (;;) all.add(new long[1 << 18]); } }

//: threads without end | run
public class Main { public static void main(String[] args) { for (;;) new Thread(() -> { try { Thread.sleep(1_000_000); } catch (InterruptedException e) {} }).start(); } }

//: endless loop | run | timeout
public class Main { public static void main(String[] args) { for (long i = 0;; i++) if (i == -1) System.out.println(); } }

//: endless output | run | output-limit
public class Main { public static void main(String[] args) { for (;;) System.out.println("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"); } }

//: reads and prints | honest
import java.util.*;
public class Main { public static void main(String[] args) { Scanner in = new Scanner(System.in); if (in.nextInt() + in.nextInt() == 5) System.out.println("ok"); } }

//: adds | judge-honest
import java.util.*;
class Solution { int add(int a, int b) { return Arrays.asList(a, b).stream().mapToInt(x -> x).sum(); } }

//: a package of many parts | honest
package a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a1.b1.c1.d1.e1.f1.g1.h1.i1.j1.k1.l1.m1.n1.o1.p1.q1.r1.s1.t1.u1.v1.w1.x1.y1.z1.a2.b2.c2.d2.e2.f2.g2.h2.i2.j2.k2.l2.m2.n2.o2.p2.q2.r2.s2.t2.u2.v2.w2.x2.y2.z2;
public class Main { public static void main(String[] args) { System.out.println("ok"); } }

//: a brace in an escape | judge
class Solution { int add(int a, int b) { return 0; } \u007d
class Other { static { System.exit(0); }

//: a thread that leaves first | judge
class Solution {
  static { Thread t = new Thread(() -> { try { Thread.sleep(5); } catch (InterruptedException e) {} Runtime.getRuntime().halt(0); }); t.start(); }
  int add(int a, int b) { for (;;) Thread.onSpinWait(); }
}

//: the public class is started | honest
public class Program { public static void main(String[] args) { System.out.println("ok"); } }
class Helper { public static void main(String[] args) { System.out.println("helper"); } }

//: a name longer than a file's may be | run | compile-error
public class AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA { public static void main(String[] args) { } }

//: a package longer than a file's name may be | run | compile-error
package AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA;
public class Main { public static void main(String[] args) { } }
