package engine

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A long answer arrives whole though the server closes behind it and the
// client goes on sending.
func TestLongAnswerThenClose(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		answer := stream(7, 3<<20)
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			if err := f.Send(s, string(answer)); err != nil {
				t.Error(err)
			}
			s.Close(ServerClosed, false)
		}})
		c := dial(t, addr)
		var over atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for !over.Load() {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		})
		got, err := io.ReadAll(c)
		over.Store(true)
		wg.Wait()
		if err != nil || !bytes.Equal(got, answer) {
			t.Errorf("got %d bytes of %d, %v", len(got), len(answer), err)
		}
		c.Close()
		balanced(t, e)
	})
}

// A client that never reads costs its outbox and no more.
func TestReaderThatNeverReads(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 256 << 10
		in := make(chan *Session, 1)
		e, addr := serve(t, o, &funcs{connect: func(f *Fiber, s *Session) { in <- s }})
		c := dial(t, addr)
		s := from(t, in)
		var accepted int64
		full := make(chan error)
		e.Workers()[0].Spawn(RootTimer, func(f *Fiber) {
			for i := 0; ; i++ {
				data := strings.Repeat("x", 1+i*977%9000)
				if err := f.Send(s, data); err != nil {
					full <- err
					return
				}
				accepted += int64(len(data))
				if i%50 == 0 {
					sleep(f, 1)
				}
			}
		})
		if err := from(t, full); err != ErrOutboxFull {
			t.Errorf("the send failed with %v", err)
		}
		s.mu.Lock()
		if n := s.out.bytes; n > o.Ports[0].OutboxBytes || n < o.Ports[0].OutboxBytes-9001 {
			t.Errorf("%d bytes are unsent, want nearly %d", n, o.Ports[0].OutboxBytes)
		}
		if n := len(pieces(&s.out.pile)) * chunkSize; n > o.Ports[0].OutboxBytes+2*chunkSize {
			t.Errorf("%d bytes of memory for %d", n, s.out.bytes)
		}
		s.mu.Unlock()
		if err := s.send(nil, strings.Repeat("x", o.Ports[0].OutboxBytes+1)); err != ErrTooLarge {
			t.Errorf("a send larger than the outbox: %v", err)
		}
		n, err := io.CopyN(io.Discard, c, accepted)
		if err != nil {
			t.Errorf("%d of %d bytes arrived: %v", n, accepted, err)
		}
		c.Close()
		balanced(t, e)
	})
}

// full fills the outbox of s from elsewhere until it takes no more.
func fill(s *Session) {
	for {
		if err := s.send(nil, strings.Repeat("x", 8<<10)); err != nil {
			if s.send(nil, "x") != nil {
				return
			}
		}
	}
}

// A callback that sends to its own session waits for room, and for as long as
// it takes.
func TestSenderWaitsForItsOwnReader(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 64 << 10
		var text []byte
		for i := range 200 {
			text = append(text, stream(i, 60<<10)...)
		}
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			for rest := text; len(rest) > 0; rest = rest[60<<10:] {
				if err := f.Send(s, string(rest[:60<<10])); err != nil {
					t.Error(err)
				}
			}
		}})
		c := dial(t, addr)
		c.Write([]byte("go"))
		eventually(t, "the sender waits", func() bool { return e.Stats(nil).Fibers == 1 })
		got := make([]byte, len(text))
		if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("got %d of %d bytes, %v", n, len(text), err)
		}
		eventually(t, "the sender goes on", func() bool { return e.Stats(nil).Fibers == 0 })
	})
}

// A sender that waits for a client that goes away learns it.
func TestSenderLearnsThatItsReaderIsGone(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 64 << 10
		failed := make(chan error, 1)
		e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
			for {
				if err := f.Send(s, strings.Repeat("x", 60<<10)); err != nil {
					failed <- err
					return
				}
			}
		}})
		c := dial(t, addr)
		c.Write([]byte("go"))
		eventually(t, "the sender waits", func() bool { return e.Stats(nil).Fibers == 1 })
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		if err := from(t, failed); err != ErrClosed && err != ErrClosing {
			t.Errorf("the send failed with %v", err)
		}
		balanced(t, e)
	})
}

// Two callbacks that send to each other's full sessions never wait for each
// other.
func TestCrossedSendersGoOn(t *testing.T) {
	modes(t, func(t *testing.T, o Options) {
		o.Ports[0].OutboxBytes = 64 << 10
		var peers sync.Map
		results := make(chan error, 2)
		var filled sync.WaitGroup
		filled.Add(2)
		h := &funcs{
			connect: func(f *Fiber, s *Session) {
				peers.Store(s.ID(), s)
				fill(s)
				filled.Done()
			},
			receive: func(f *Fiber, s *Session, data string) {
				other, _ := peers.Load(3 - s.ID())
				results <- f.Send(other.(*Session), strings.Repeat("x", 32<<10))
			},
		}
		_, addr := serve(t, o, h)
		a, b := dial(t, addr), dial(t, addr)
		filled.Wait()
		a.Write([]byte("a"))
		b.Write([]byte("b"))
		for range 2 {
			if err := from(t, results); err != ErrOutboxFull {
				t.Errorf("the send returned %v", err)
			}
		}
	})
}

// block writes until the other side reads no more, and returns how much it was.
func block(t *testing.T, c net.Conn) (written int) {
	piece := make([]byte, 32<<10)
	for written < 128<<20 {
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := c.Write(piece)
		written += n
		if err != nil {
			c.SetWriteDeadline(time.Time{})
			return written
		}
	}
	t.Error("reading never stopped")
	return written
}

// A flood into a callback that waits stops at the client, and all of it
// arrives in the end.
func TestFloodIntoAWaitingCallback(t *testing.T) {
	for _, byWorker := range []bool{false, true} {
		modes(t, func(t *testing.T, o Options) {
			if byWorker {
				o.WorkerBytes = 128 << 10
			} else {
				o.InboxBytes = 128 << 10
			}
			var g gate
			var got atomic.Int64
			e, addr := serve(t, o, &funcs{receive: func(f *Fiber, s *Session, data string) {
				g.pass(f)
				got.Add(int64(len(data)))
			}})
			c := dial(t, addr)
			want := block(t, c)
			for range 20 {
				if e.Stats(nil).Paused == 0 { // the server was only late
					want += block(t, c)
				}
			}
			if e.Stats(nil).Paused == 0 {
				t.Error("reading was never switched off")
			}
			s, _ := e.Session(1)
			if n := s.Info().RecvQueued; n > 128<<10+readSize {
				t.Errorf("%d bytes in the inbox", n)
			}
			g.open()
			eventually(t, "all of it arrives", func() bool { return got.Load() == int64(want) })
			c.Write([]byte("x"))
			eventually(t, "reading goes on", func() bool { return got.Load() == int64(want)+1 })
			c.Close()
			balanced(t, e)
		})
	}
}

// All sessions of a worker share its budget; those it stopped are read again,
// however the backlog went away.
func TestWorkerBudget(t *testing.T) {
	for _, way := range []string{"receive", "recv", "close"} {
		t.Run(way, func(t *testing.T) {
			modes(t, func(t *testing.T, o Options) {
				const clients, size = 12, 200 << 10
				o.WorkerBytes, o.InboxBytes = 256<<10, size*2
				var g gate
				var got atomic.Int64
				h := &funcs{receive: func(f *Fiber, s *Session, data string) {
					g.pass(f)
					got.Add(int64(len(data)))
					if way == "recv" {
						for {
							data, err := f.Recv(s, 0)
							if err != nil {
								return
							}
							got.Add(int64(len(data)))
						}
					}
				}}
				e, addr := serve(t, o, h)
				var conns []net.Conn
				for range clients {
					c := dial(t, addr)
					conns = append(conns, c)
					go c.Write(make([]byte, size))
				}
				eventually(t, "the budget is spent, and every session has a share", func() bool {
					for _, s := range e.Sessions(0, 0) {
						if s.in.bytes.Load() == 0 {
							return false
						}
					}
					for _, l := range e.Workers() {
						if l.backlog.Load() <= o.WorkerBytes/2 {
							return false
						}
					}
					return e.sessions.len() == clients && e.Stats(nil).Paused > 0
				})
				for _, l := range e.Workers() {
					if n := l.backlog.Load(); n > o.WorkerBytes+clients*readSize {
						t.Errorf("the backlog is %d bytes", n)
					}
				}
				if way == "close" {
					// The first of each worker takes its backlog away by closing.
					closed := 0
					for _, s := range e.Sessions(0, 0) {
						if s.in.bytes.Load() > 0 && closed < clients/2 {
							s.Close(ServerClosed, true)
							closed++
						}
					}
					g.open()
					eventually(t, "the others arrive", func() bool { return got.Load() >= int64((clients-closed)*size) })
				} else {
					g.open()
					eventually(t, "all of it arrives", func() bool { return got.Load() == clients*size })
				}
				for _, c := range conns {
					c.Close()
				}
				balanced(t, e)
			})
		})
	}
}

func TestOutboxBooks(t *testing.T) {
	var o outbox
	var want []byte
	for i := range 400 {
		data := stream(i, 8*(1+i*37%700))
		o.queue(string(data))
		want = append(want, data...)
		if o.bytes != len(want) {
			t.Fatalf("%d bytes are queued, want %d", o.bytes, len(want))
		}
		if i%3 == 0 {
			continue
		}
		if o.one != "" { // as flush does with a short write
			rest := o.one[8:]
			o.one, o.bytes = "", len(rest) // the rest of what was kept is all there is
			if len(rest) > 0 {
				o.copyIn(rest)
			}
			want = want[8:]
		}
		var have []byte
		for _, b := range pieces(&o.pile) {
			have = append(have, b...)
		}
		if !bytes.Equal(have, want) {
			t.Fatal("the chunks differ from what was queued")
		}
		n := len(want) * (i % 5) / 4
		o.sent(n)
		o.bytes -= n
		want = want[n:]
	}
}

// pieces are the bytes of each chunk.
func pieces(p *pile) (list [][]byte) {
	for c := p.last; c != nil; {
		c = c.next
		list = append(list, c.unsent())
		if c == p.last {
			break
		}
	}
	return list
}
