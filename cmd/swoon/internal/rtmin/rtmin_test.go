package rtmin

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Signals that come one by one each arrive, on whatever thread, while the
// collector, goroutines and other processes are at work; nothing of what runs is
// harmed.
func TestNotify(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("not on this processor")
	}
	c := make(chan os.Signal, 1)
	if err := Notify(c); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan int)
	for range 4 {
		go func() {
			sum := 0
			for i := 0; ; i++ {
				select {
				case <-stop:
					stopped <- sum
					return
				default:
					b := make([]byte, i%5000+1)
					b[i%len(b)] = 1
					for _, x := range b {
						sum += int(x)
					}
					sum--
				}
			}
		}()
	}
	for i := range 300 {
		if i%50 == 0 {
			runtime.GC()
			if err := exec.Command("true").Run(); err != nil {
				t.Error(err)
			}
		}
		if err := syscall.Kill(os.Getpid(), Signal); err != nil {
			t.Fatal(err)
		}
		select {
		case s := <-c:
			if s != Signal {
				t.Fatalf("%v has come", s)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("signal %d has not come", i)
		}
	}
	close(stop)
	for range 4 {
		if sum := <-stopped; sum != 0 {
			t.Errorf("a goroutine has counted %d", sum)
		}
	}
}
