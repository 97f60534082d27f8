package engine

import (
	"io"
	"testing"
	"time"

	"swoon/engine/frame"
)

// A framer that asks a script is called while a read is cut, and when a
// callback that waits leaves the rest of it behind. Neither can it wait, nor
// does the callback lose anything.
func TestInline(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		type asking struct {
			who     *Session
			wait    error
			start   error
			data    any
			current *Session
		}
		asked := make(chan asking, 100)
		o.Ports[0].FramerOf = func(s *Session) frame.Framer {
			return frame.Func(func(b []byte) (int, error) {
				l := s.Reactor()
				stay := l.Inline(s)
				defer stay.End()
				f := l.Current()
				a := asking{who: s, data: f.Data, current: f.Session()}
				_, a.wait = f.Begin("in a framer")
				a.start = f.Go(RootGo, func(*Fiber) { t.Error("a fiber has begun in a framer") })
				f.Data = "the framer's"
				if len(b) > 1 || b[0] == '!' {
					asked <- a
				}
				if b[0] == '!' {
					panic("in a framer")
				}
				return 1, nil
			}, 1<<20)
		}
		h := &funcs{
			receive: func(f *Fiber, s *Session, data string) {
				f.Data = data
				id := f.ID()
				sleep(f, time.Millisecond)
				if f.Data != data || f.Session() != s || f.ID() != id || f.Root() != RootSession {
					t.Errorf("%q: the fiber has %v, session %v, id %d, root %v", data, f.Data, f.Session(), f.ID(), f.Root())
				}
				f.Send(s, data)
			},
		}
		e, addr := serve(t, o, h)
		c := dial(t, addr)
		want := "abcdefgh"
		c.Write([]byte(want))
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
		for range len(want) - 1 {
			a := from(t, asked)
			if a.wait != ErrCannotWait || a.start != ErrCannotWait || a.data != nil || a.current != a.who {
				t.Errorf("%+v", a)
			}
		}
		c.Write([]byte("!"))
		from(t, asked)
		eventually(t, "the panic is reported", func() bool { return h.panicked.Swap(nil) != nil })
		c.Close()
		// The loop goes on, and callbacks wait as ever.
		c = dial(t, addr)
		c.Write([]byte("z"))
		if _, err := io.ReadFull(c, got[:1]); err != nil {
			t.Fatal(err)
		}
		c.Close()
		balanced(t, e)
	})
}
