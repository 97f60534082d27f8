// Command barego is the least a Go program can do to echo: one goroutine, one
// level-triggered epoll, raw system calls, no buffers of its own but for a
// peer that does not read. Nothing that hosts scripts can be cheaper, so it is
// the yardstick.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"swoon-bench/sock"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9600", "IPv4 address and port to listen on")
	frames := flag.Bool("frames", false, "messages have their length in front, four bytes of it")
	flag.Parse()
	if err := run(*addr, *frames); err != nil {
		fmt.Fprintln(os.Stderr, "barego:", err)
		os.Exit(1)
	}
}

func run(addr string, frames bool) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	e, err := listen(ap)
	if err != nil {
		return fmt.Errorf("listen %s: %w", addr, err)
	}
	e.frames = frames
	return e.serve()
}

// echo is the server. One goroutine owns all of it.
type echo struct {
	poll     *sock.Poller
	listener int
	buf      []byte
	rest     map[int][]byte // by descriptor: what a slow peer has yet to take

	frames bool
	begun  map[int][]byte // by descriptor: the beginning of a message
	out    []byte
}

func listen(addr netip.AddrPort) (*echo, error) {
	if !addr.Addr().Is4() {
		return nil, fmt.Errorf("not an IPv4 address")
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return nil, err
	}
	if err := unix.Listen(fd, 4096); err != nil {
		return nil, err
	}
	poll, err := sock.NewPoller(512)
	if err != nil {
		return nil, err
	}
	return &echo{poll: poll, listener: fd, buf: make([]byte, 64<<10), rest: map[int][]byte{}, begun: map[int][]byte{}}, poll.Add(fd, unix.EPOLLIN)
}

func (e *echo) serve() error {
	for {
		events, err := e.poll.Wait(-1)
		if err != nil {
			return err
		}
		for _, ev := range events {
			fd := int(ev.Fd)
			switch {
			case fd == e.listener:
				if err := e.accept(); err != nil {
					return err
				}
			case ev.Events&unix.EPOLLOUT != 0:
				e.writable(fd)
			default:
				e.readable(fd)
			}
		}
	}
}

func (e *echo) accept() error {
	for {
		fd, _, err := unix.Accept4(e.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EAGAIN:
			return nil
		case unix.ECONNABORTED, unix.EINTR:
			continue
		default:
			return fmt.Errorf("accept: %w", err)
		}
		if unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) != nil || e.poll.Add(fd, unix.EPOLLIN) != nil {
			unix.Close(fd)
		}
	}
}

func (e *echo) readable(fd int) {
	for {
		n, errno := sock.Recv(fd, e.buf)
		if sock.TryLater(errno) {
			return
		}
		if errno != 0 || n == 0 {
			e.close(fd)
			return
		}
		out := e.buf[:n]
		if e.frames {
			out = e.cut(fd, out)
		}
		if len(out) > 0 && !e.write(fd, out) {
			e.close(fd)
			return
		}
		// A read that left room in the buffer has emptied the socket. One that
		// did not goes on, unless the peer must be waited for.
		if n < len(e.buf) || len(e.rest) > 0 && e.rest[fd] != nil {
			return
		}
	}
}

// cut copies what is whole of in, message by message, and keeps the rest.
func (e *echo) cut(fd int, in []byte) []byte {
	if begun := e.begun[fd]; len(begun) > 0 {
		in = append(begun, in...)
		delete(e.begun, fd)
	}
	e.out = e.out[:0]
	for len(in) >= 4 {
		end := 4 + int(binary.BigEndian.Uint32(in))
		if end > len(in) {
			break
		}
		e.out = append(e.out, in[:end]...)
		in = in[end:]
	}
	if len(in) > 0 {
		e.begun[fd] = append([]byte(nil), in...)
	}
	return e.out
}

// write sends b. What the peer does not take is kept, and until it is gone
// nothing more is read from that peer. It reports false when the peer is lost.
func (e *echo) write(fd int, b []byte) bool {
	n, errno := sock.Send(fd, b)
	if errno != 0 && !sock.TryLater(errno) {
		return false
	}
	if n == len(b) {
		return true
	}
	e.rest[fd] = append([]byte(nil), b[n:]...)
	return e.poll.Change(fd, unix.EPOLLOUT) == nil
}

func (e *echo) writable(fd int) {
	n, errno := sock.Send(fd, e.rest[fd])
	if errno != 0 && !sock.TryLater(errno) {
		e.close(fd)
		return
	}
	if e.rest[fd] = e.rest[fd][n:]; len(e.rest[fd]) > 0 {
		return
	}
	delete(e.rest, fd)
	if e.poll.Change(fd, unix.EPOLLIN) != nil {
		e.close(fd)
	}
}

func (e *echo) close(fd int) {
	delete(e.rest, fd)
	delete(e.begun, fd)
	unix.Close(fd)
}
