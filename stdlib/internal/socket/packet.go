package socket

import (
	"context"
	"net/netip"
	"syscall"
	"time"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// Packet is the next packet, with who sent it. Baton holder.
func (s *Socket) Packet(in *scripting.Instance, L *lua.LState, what string, timeout time.Duration) (data, host string, port int, err error) {
	err = s.more(in, L, what, deadlineOf(timeout), func(b []byte, from syscall.Sockaddr, _ bool) {
		data = string(b)
		host, port = peer(from)
	})
	if host == "" && err == nil {
		host, port = s.Remote()
	}
	return data, host, port, err
}

// TryPacket is Packet without a wait: ok is false when there is none.
func (s *Socket) TryPacket() (data, host string, port int, ok bool, err error) {
	use := func(b []byte, from syscall.Sockaddr, _ bool) {
		data, ok = string(b), true
		host, port = peer(from)
	}
	if b, from, had, terr := s.take(); had {
		use(b, from, true)
	} else if err = terr; err == nil {
		_, err = s.try(use)
	}
	if host == "" && ok {
		host, port = s.Remote()
	}
	return data, host, port, ok, err
}

// SendTo sends a packet to an address without waiting. Baton holder.
func (s *Socket) SendTo(ip netip.Addr, port int, path, data string) error {
	s.mu.Lock()
	closed, why := s.closed, s.reason()
	s.mu.Unlock()
	if closed {
		return why
	}
	var err error
	cerr := s.raw.Control(func(fd uintptr) {
		for {
			err = syscall.Sendto(int(fd), bytesOf(data), syscall.MSG_DONTWAIT, sockaddr(s.Kind, ip, port, path))
			if err != syscall.EINTR {
				return
			}
		}
	})
	if cerr != nil {
		return cerr
	}
	return err
}

// Lookup is the address of host; the fiber waits where it is a name.
func Lookup(in *scripting.Instance, L *lua.LState, what string, timeout time.Duration, k Kind, host string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip, nil
	}
	v, err := Run(in, L, what, timeout, func(ctx context.Context) (netip.Addr, error) { return Resolve(ctx, k, host) }, nil)
	return v, err
}

// Run runs work elsewhere while the fiber waits. When nobody wants its result
// any more, because the fiber was cancelled or the time-out has passed, ctx
// ends and spare is given what comes nevertheless. Baton holder.
func Run[T any](in *scripting.Instance, L *lua.LState, what string, timeout time.Duration, work func(ctx context.Context) (T, error), spare func(T)) (T, error) {
	type result struct {
		v   T
		err error
	}
	ctx, cancel := context.WithCancel(context.Background())
	if timeout > 0 {
		cancel()
		ctx, cancel = context.WithTimeout(context.Background(), timeout)
	}
	defer cancel() // also when a cancel raises
	v, err := in.Wait(L, what, timeout, func(w scripting.Waiter) bool {
		go func() {
			v, err := work(ctx)
			if !w.Wake(result{v, err}) && err == nil && spare != nil {
				spare(v)
			}
		}()
		return true
	})
	r, _ := v.(result)
	if err != nil {
		return r.v, err
	}
	return r.v, r.err
}
