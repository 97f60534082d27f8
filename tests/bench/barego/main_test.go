package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func start(t *testing.T, frames bool) string {
	t.Helper()
	e, err := listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	e.frames = frames
	name, err := unix.Getsockname(e.listener)
	if err != nil {
		t.Fatal(err)
	}
	go e.serve() // ends with the test's process
	return fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
}

// round sends data in pieces, and wants it back.
func round(t *testing.T, addr string, data []byte, piece int) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	go func() {
		for b := data; len(b) > 0; b = b[min(piece, len(b)):] {
			c.Write(b[:min(piece, len(b))])
		}
	}()
	got := make([]byte, len(data))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes in pieces of %d: %d came back, the same: %t, %v", len(data), piece, n, bytes.Equal(got, data), err)
	}
}

// The yardstick has to be right, too: under short messages, under connections
// that come and go, and when a peer sends faster than it reads.
func TestEcho(t *testing.T) {
	var data []byte
	for i := range 3000 {
		data = binary.BigEndian.AppendUint32(data, uint32(i%700))
		for j := range i % 700 {
			data = append(data, byte(i+j))
		}
	}
	for _, frames := range []bool{false, true} {
		addr := start(t, frames)
		var all sync.WaitGroup
		for _, piece := range []int{1000, 64 << 10, len(data)} {
			for range 5 {
				all.Go(func() { round(t, addr, data, piece) })
			}
		}
		for range 50 {
			all.Go(func() { round(t, addr, data[:4+4+1+4+2], 3) })
		}
		all.Wait()
	}
}
