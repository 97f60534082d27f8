package main

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"swoon-bench/client"
)

// The yardstick has to be right, too: under short messages, under connections
// that come and go, and when a peer sends faster than it reads.
func TestEcho(t *testing.T) {
	e, err := listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(e.listener)
	if err != nil {
		t.Fatal(err)
	}
	go e.serve() // ends with the test's process
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*unix.SockaddrInet4).Port))
	for _, l := range []client.Load{
		{Conns: 100, Size: 64, Depth: 1},
		{Conns: 8, Size: 1000, Depth: 16},
		{Conns: 3, Size: 1 << 20, Depth: 2},
		{Conns: 16, Size: 64, Depth: 1, Churn: true},
	} {
		l.Addr, l.Warm, l.Time, l.Core = at, 20*time.Millisecond, 200*time.Millisecond, -1
		if _, err := l.Run(t.Context()); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}
