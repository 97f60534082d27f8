package ready

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type told struct{ read, write bool }

func next(t *testing.T, c chan told) told {
	t.Helper()
	select {
	case got := <-c:
		return got
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was told")
	}
	return told{}
}

func TestWatch(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c := make(chan told, 10)
	tell := func(read, write bool) { c <- told{read, write} }
	in, err := New(int(r.Fd()), tell) // Fd makes it a blocking one: that does not matter
	if err != nil {
		t.Fatal(err)
	}
	defer in.Stop()
	out, err := New(int(w.Fd()), tell)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Stop()
	if err := out.Arm(false, true); err != nil {
		t.Fatal(err)
	}
	if got := next(t, c); got != (told{false, true}) {
		t.Errorf("told %v", got)
	}
	in.Arm(true, false)
	w.Write([]byte("ab"))
	for range 3 { // as long as it is not read
		if got := next(t, c); got != (told{true, false}) {
			t.Errorf("told %v", got)
		}
		in.Arm(true, false)
	}
	next(t, c)
	select {
	case got := <-c:
		t.Errorf("told %v, and nobody had asked", got)
	default:
	}
	r.Read(make([]byte, 10))
	in.Arm(true, false)
	w.Close()
	if got := next(t, c); !got.read {
		t.Errorf("told %v of the end", got)
	}
	in.Stop()
	in.Stop()
	if in.Arm(true, false) == nil {
		t.Error("a watch that was stopped was armed")
	}
}

func TestWatchRefuses(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := New(int(f.Fd()), nil); err != syscall.EPERM {
		t.Errorf("a file: %v", err)
	}
	if _, err := New(-1, nil); err != syscall.EBADF {
		t.Errorf("no descriptor: %v", err)
	}
}
