package client

import (
	"syscall"
	"testing"
)

// shrink lets a listener's queue hold a single client.
func shrink(t *testing.T, raw syscall.RawConn) {
	t.Helper()
	raw.Control(func(fd uintptr) {
		if err := syscall.Listen(int(fd), 0); err != nil {
			t.Error(err)
		}
	})
}
