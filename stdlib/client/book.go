package client

import (
	"sync"

	"swoon/scripting"
	"swoon/stdlib/internal/socket"
)

// book is what the clients of one VM have open: it is closed with the VM.
type book struct {
	in *scripting.Instance

	mu      sync.Mutex // sockets end on any goroutine
	sockets map[*socket.Socket]bool

	links   map[*link]bool // the baton holder's
	retired bool
}

type bookKey struct{}

func bookOf(in *scripting.Instance) *book {
	return scripting.Own(in, bookKey{}, func() *book {
		b := &book{in: in, sockets: map[*socket.Socket]bool{}, links: map[*link]bool{}}
		in.Keep(b)
		return b
	})
}

// add notes a socket until it is closed or forgotten.
func (b *book) add(s *socket.Socket) {
	b.mu.Lock()
	b.sockets[s] = true
	b.mu.Unlock()
	s.OnClose(func() { b.forget(s) })
}

// forget notes that a socket is not this VM's any more. Any goroutine.
func (b *book) forget(s *socket.Socket) {
	b.mu.Lock()
	delete(b.sockets, s)
	b.mu.Unlock()
}

// Retire ends the clients with callbacks, when those under way have returned.
// The others go on: their fibers do.
func (b *book) Retire(why string) {
	b.retired = true
	for l := range b.links {
		l.end(why, nil, false)
	}
}

// Close closes what is left.
func (b *book) Close() {
	for l := range b.links {
		l.kill()
	}
	b.mu.Lock()
	left := make([]*socket.Socket, 0, len(b.sockets))
	for s := range b.sockets {
		left = append(left, s)
	}
	b.mu.Unlock()
	for _, s := range left {
		if s.Close(false) {
			b.in.ClientCounts().Lost.Add(1)
		}
	}
}
