// Hostile and honest programs in Go. Judged ones are followed by tests in a file of their own.

//: exit in init | judge
package main
import "os"
func init() { os.Exit(0) }
func add(a, b int) int { return 0 }

//: exit in the call | judge
package main
import "syscall"
func add(a, b int) int { syscall.Exit(0); return 0 }

//: end of the goroutine | judge
package main
import "runtime"
func add(a, b int) int { runtime.Goexit(); return 0 }

//: true that is false | judge | compile-error
package main
const true = false
func add(a, b int) int { return 0 }

//: a type that prints what it likes | judge | compile-error
package main
type int int64
func (int) String() string { return "" }
func add(a, b int) int { return 0 }

//: own main | judge | compile-error
package main
func main() {}
func add(a, b int) int { return 0 }

//: echo of every descriptor | judge
package main
import ("os"; "syscall")
func init() {
	data := make([]byte, 64)
	for from := 3; from < 32; from++ {
		syscall.SetNonblock(from, true)
		if n, _ := syscall.Read(from, data); n > 0 { for to := 3; to < 32; to++ { syscall.Write(to, data[:n]) } }
		syscall.Write(from, []byte("passed\n"))
	}
	os.Exit(0)
}
func add(a, b int) int { return 0 }

//: exec of true | judge
package main
import "syscall"
func add(a, b int) int { syscall.Exec("/bin/true", []string{"true"}, nil); return 0 }

//: the compiler embeds a host file | run | compile-error
package main
import _ "embed"
//go:embed /etc/shadow
var text string
func main() { print(text) }

//: cgo | run | compile-error
package main
// #include "/etc/shadow"
import "C"
func main() {}

//: host files and network | run
package main
import ("fmt"; "net"; "os")
func main() {
	for _, path := range []string{"/etc/shadow", "CANARY", "/proc/1/environ"} { if _, err := os.ReadFile(path); err == nil { fmt.Println("HARM", path) } }
	if os.WriteFile("CANARY", nil, 0600) == nil { fmt.Println("HARM") }
	if _, err := net.Dial("tcp", "127.0.0.1:PORT"); err == nil { fmt.Println("HARM") }
}

//: memory | run | memory-limit
package main
func main() { var all [][]byte; for { b := make([]byte, 1<<20); for i := range b { b[i] = 1 }; all = append(all, b) } }

//: goroutines without end | run
package main
func main() { for { go func() { select {} }() } }

//: endless loop | run | timeout
package main
func main() { for { } }

//: kills everything | run
package main
import ("os"; "syscall")
func main() { syscall.Kill(os.Getppid(), 9); syscall.Kill(VICTIM, 9); syscall.Kill(-1, 9) }

//: an array without end | run | compile-error
package main
var data = [1 << 40]byte{1: 1}
func main() { println(data[1]) }

//: reads and prints | honest
package main
import ("fmt"; "sync")
func main() {
	var a, b int
	fmt.Scan(&a, &b)
	var wait sync.WaitGroup
	wait.Add(1)
	go func() { defer wait.Done(); if a+b == 5 { fmt.Println("ok") } }()
	wait.Wait()
}

//: adds | judge-honest
package main
import "math"
func add(a, b int) int { return int(math.Round(float64(a + b))) }

//: a main for the tests | judge
package main
import ("os"; "testing")
func TestMain(m *testing.M) { os.Exit(0) }
func add(a, b int) int { return 0 }

//: recovers and leaves | judge
package main
import "os"
func add(a, b int) int { defer func() { recover(); os.Exit(0) }(); panic(a) }

//: a signal that ends it well | judge
package main
import ("os"; "os/signal"; "syscall")
func init() { c := make(chan os.Signal, 1); signal.Notify(c, syscall.SIGTERM); go func() { <-c; os.Exit(0) }() }
func add(a, b int) int { syscall.Kill(os.Getpid(), syscall.SIGTERM); select {} }
