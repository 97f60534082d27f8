package engine

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// file writes text into a file of its own, on a disk.
func file(t testing.TB, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// forgotten makes the kernel drop a file from its page cache.
func forgotten(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Sync()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

// Files and strings leave in the order in which they were sent, also to a
// reader that is slow, with files that are larger than the outbox.
func TestFilesKeepTheirOrder(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 256 << 10
		large, small := stream(1, 3<<20), stream(2, 5000)
		onDisk, little := file(t, large), file(t, small)
		forgotten(t, onDisk)
		var want []byte
		type step struct {
			data         string
			path         string
			offset, size int64
		}
		steps := []step{
			{data: "head"}, {path: onDisk}, {data: strings.Repeat("x", 70<<10)}, {data: "y"},
			{path: little}, {path: little, offset: 4000}, {path: little, offset: 8, size: 16}, {data: "tail"},
			{path: onDisk, offset: 1 << 20, size: 1}, {data: strings.Repeat("z", 200<<10)}, {path: onDisk, offset: 3<<20 - 1},
		}
		for _, s := range steps {
			text := []byte(s.data)
			if s.path == onDisk {
				text = large
			} else if s.path != "" {
				text = small
			}
			text = text[s.offset:]
			if s.size > 0 {
				text = text[:s.size]
			}
			want = append(want, text...)
		}
		failed := make(chan error, 1)
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			for _, step := range steps {
				err := error(nil)
				if step.path != "" {
					err = f.Sendfile(s, step.path, step.offset, step.size)
				} else {
					err = f.Send(s, step.data)
				}
				if err != nil {
					failed <- err
					return
				}
			}
			s.Close(ServerClosed, false)
			failed <- nil
		}})
		for _, slow := range []bool{false, true} {
			c := dial(t, addr)
			if slow {
				c.(*net.TCPConn).SetReadBuffer(16 << 10)
			}
			c.Write([]byte("go"))
			var got bytes.Buffer
			if slow {
				b := make([]byte, 30_000)
				for {
					n, err := c.Read(b)
					got.Write(b[:n])
					if err != nil {
						break
					}
				}
			} else if _, err := got.ReadFrom(c); err != nil {
				t.Error(err)
			}
			if err := from(t, failed); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("slow %v: got %d bytes, want %d, or others", slow, got.Len(), len(want))
			}
			c.Close()
		}
		balanced(t, e)
	})
}

func TestFilesThatCannotBeSent(t *testing.T) {
	path, dir := file(t, []byte("0123456789")), t.TempDir()
	pipe, secret := filepath.Join(dir, "pipe"), filepath.Join(dir, "none")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	modes(t, func(t *testing.T, o Options) {
		faults := make(chan error, 16)
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			for _, c := range []struct {
				path           string
				offset, length int64
			}{
				{secret, 0, 0}, {dir, 0, 0}, {pipe, 0, 0}, {"/dev/null", 0, 0}, {path + "/x", 0, 0}, {"a\x00b", 0, 0},
				{path, 10, 0}, {path, 0, 11}, {path, 5, 6}, {path, -1, 0}, {path, 0, -1}, {path, 1<<63 - 1, 1<<63 - 1},
			} {
				faults <- f.Sendfile(s, c.path, c.offset, c.length)
			}
			f.Send(s, "still here")
		}})
		c := dial(t, addr)
		c.Write([]byte("go"))
		if _, err := io.ReadFull(c, make([]byte, len("still here"))); err != nil {
			t.Error(err)
		}
		for i, want := range []*Errno{ErrNoFile, ErrNotRegular, ErrNotRegular, ErrNotRegular, ErrNoFile, ErrFile,
			ErrFileRange, ErrFileRange, ErrFileRange, ErrFileRange, ErrFileRange, ErrFileRange} {
			if err := <-faults; !errors.Is(err, want) {
				t.Errorf("%d: %v, want %v", i, err, want)
			}
		}
		c.Close()
		balanced(t, e)
	})
}

// A file that becomes shorter while it is sent ends the session with a reset
// and a reason: the client must not take what follows for the rest of it.
func TestFileThatShrinks(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		path := file(t, make([]byte, 64<<20))
		queued, reason := make(chan error, 1), make(chan Reason, 1)
		e, addr := serve(t, o, &funcs{
			receive: func(f *Fiber, s *Session, data string) {
				err := f.Sendfile(s, path, 0, 0)
				if err == nil {
					err = f.Send(s, "this must not arrive")
				}
				queued <- err
			},
			close: func(f *Fiber, s *Session, r Reason) { reason <- r },
		})
		c := dial(t, addr)
		c.Write([]byte("go"))
		if err := from(t, queued); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 1000); err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, c)
		if err == nil || n >= 64<<20 {
			t.Errorf("%d bytes came, and then %v", n, err)
		}
		if r := from(t, reason); r != SendfileFailed {
			t.Errorf("closed with %s", r)
		}
		c.Close()
		balanced(t, e)
	})
}

// What waits in an outbox is let go when the session ends, descriptors too,
// also while a helper reads.
func TestFilesAreLetGo(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		path := file(t, make([]byte, 16<<20))
		forgotten(t, path)
		queued := make(chan error, 1)
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			var err error
			for i := 0; i < 5 && err == nil; i++ {
				err = f.Sendfile(s, path, 0, 0)
				if data == "self" && err == nil {
					err = s.Close(ServerClosed, true)
					break
				}
				if err == nil {
					err = f.Send(s, "behind")
				}
			}
			queued <- err
		}})
		idle := descriptors(t)
		for _, how := range []string{"self", "peer", "self", "peer"} {
			c := dial(t, addr)
			c.Write([]byte(how))
			if how == "peer" {
				eventually(t, "a file is queued", func() bool {
					list := e.Sessions(0, 1)
					return len(list) == 1 && list[0].Info().SendQueued > 0
				})
				c.(*net.TCPConn).SetLinger(0)
			} else if err := from(t, queued); err != nil {
				t.Error(err)
			}
			c.Close()
			if how == "peer" {
				from(t, queued)
			}
			balanced(t, e)
			eventually(t, "every descriptor is closed", func() bool { return descriptors(t) == idle })
		}
	})
}

func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Files count in the watermarks, and a second one waits while the outbox is
// over its size.
func TestFilesAndWatermarks(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 1 << 20
		path := file(t, make([]byte, 48<<20))
		step := make(chan string, 10)
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			if err := f.Sendfile(s, path, 0, 0); err != nil {
				t.Error(err)
			}
			step <- "first"
			if err := f.Send(s, strings.Repeat("x", 1<<20)); err != nil {
				t.Error(err) // a file costs no memory
			}
			step <- "text"
			if err := f.Sendfile(s, path, 0, 100); err != nil {
				t.Error(err)
			}
			step <- "second"
		}})
		c := dial(t, addr)
		c.Write([]byte("go"))
		for _, want := range []string{"first", "text"} {
			if got := from(t, step); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		s := e.Sessions(0, 1)[0]
		eventually(t, "the second file waits", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			u := s.out.rare
			return len(u.senders) == 1 && u.senders[0].w.Open() && u.senders[0].need == needFile
		})
		if n, err := io.CopyN(io.Discard, c, 48<<20+1<<20+100); err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		from(t, step)
		c.Close()
		balanced(t, e)
	})
}

// A fiber that is cancelled while its file is opened leaves nothing behind.
func TestSendfileCancelled(t *testing.T) {
	path := file(t, []byte("text"))
	o := Options{Workers: 1}
	e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
		f.Cancel(ErrCancelled)
		if err := f.Sendfile(s, path, 0, 0); err != ErrCancelled {
			t.Errorf("%v", err)
		}
		f.Send(s, "done")
	}})
	idle := descriptors(t)
	c := dial(t, addr)
	c.Write([]byte("go"))
	io.ReadFull(c, make([]byte, 4))
	c.Close()
	balanced(t, e)
	eventually(t, "every descriptor is closed", func() bool { return descriptors(t) == idle })
}

// A send that waits tells when the kernel has taken everything.
func TestSendAndWait(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 64 << 20
		const size = 32 << 20
		step := make(chan error, 1)
		var queued int
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			err := f.SendAndWait(s, strings.Repeat("x", size))
			queued = s.Info().SendQueued
			step <- err
		}})
		c := dial(t, addr)
		c.(*net.TCPConn).SetReadBuffer(64 << 10) // or the kernel might take it all
		c.Write([]byte("go"))
		eventually(t, "it waits", func() bool { return e.Stats(nil).Fibers == 1 })
		if n, err := io.CopyN(io.Discard, c, size); err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if err := from(t, step); err != nil || queued != 0 {
			t.Errorf("%v, %d bytes unsent", err, queued)
		}
		c.Write([]byte("go"))
		eventually(t, "it waits", func() bool { return e.Stats(nil).Fibers == 1 })
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		if err := from(t, step); err != ErrClosed {
			t.Errorf("the peer went away: %v", err)
		}
		balanced(t, e)
	})
}

// Time-outs of sends: the wait ends, and whoever stood behind goes on.
func TestSendTimeout(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 64 << 10
		o.SendTimeout = 50 * time.Millisecond
		results := make(chan error, 4)
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			fill(s)
			for range 2 {
				results <- f.Send(s, strings.Repeat("x", 1<<10))
			}
			results <- f.SendAndWait(s, strings.Repeat("x", 64<<10))
		}})
		c := dial(t, addr)
		c.Write([]byte("go"))
		for range 3 {
			if err := from(t, results); err != ErrTimeout {
				t.Errorf("%v", err)
			}
		}
		s := e.Sessions(0, 1)[0]
		s.mu.Lock()
		if n := len(s.out.rare.senders) + len(s.out.rare.takers); n != 0 {
			t.Errorf("%d waits are left behind", n)
		}
		s.mu.Unlock()
		c.Close()
		balanced(t, e)
	})
}

// With send_yield a callback waits for another session too, and two that wait
// for each other both come back.
func TestSendYield(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 64 << 10
		o.SendYield, o.SendTimeout = true, 100*time.Millisecond
		results, ready := make(chan error, 2), make(chan *Session, 2)
		e, addr := serve(t, o, &funcs{
			connect: func(f *Fiber, s *Session) { fill(s); ready <- s },
			receive: func(f *Fiber, s *Session, data string) {
				other, err := f.loop.eng.Session(3 - s.ID())
				if err == nil {
					err = f.Send(other, strings.Repeat("x", 32<<10))
				}
				results <- err
			},
		})
		a, b := dial(t, addr), dial(t, addr)
		from(t, ready)
		from(t, ready)
		a.Write([]byte("a"))
		b.Write([]byte("b"))
		for range 2 {
			if err := from(t, results); err != ErrTimeout {
				t.Errorf("the send returned %v", err)
			}
		}
		// Patience enough: it goes on when the peer reads.
		m := *e.Limits()
		m.SendTimeout = 20 * time.Second
		e.SetLimits(m)
		a.Write([]byte("a"))
		eventually(t, "it waits", func() bool { return e.Stats(nil).Fibers == 1 })
		go io.Copy(io.Discard, a)
		go io.Copy(io.Discard, b)
		if err := from(t, results); err != nil {
			t.Errorf("the send returned %v", err)
		}
	})
}
