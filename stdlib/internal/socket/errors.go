package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"swoon/scripting"
)

// Failures that scripts meet. Numbers are those of Linux, or Swoole's.
var (
	ErrNotConnected = &scripting.Errno{Name: "not_connected", Code: 5001, Text: "the client is not connected"}
	ErrConnected    = &scripting.Errno{Name: "already_connected", Code: 106, Text: "the client is connected: close() first"}
	ErrConnecting   = &scripting.Errno{Name: "connecting", Code: 114, Text: "the client is connecting"}
	ErrClosed       = &scripting.Errno{Name: "client_closed", Code: 125, Text: "the client was closed meanwhile"}
	ErrPeerClosed   = &scripting.Errno{Name: "server_closed", Code: 0, Text: "the peer has closed the connection"}
	ErrBusy         = &scripting.Errno{Name: "busy", Code: 10002, Text: "another fiber is already receiving from this client"}
	ErrFull         = &scripting.Errno{Name: "outbox_full", Code: 1009, Text: "the client has too many unsent bytes (socket_buffer_size)"}
	ErrTooLarge     = &scripting.Errno{Name: "data_length_too_large", Code: 1203, Text: "the data is larger than socket_buffer_size"}
	ErrShutDown     = &scripting.Errno{Name: "broken_pipe", Code: 32, Text: "the client was shut down for writing"}
	ErrNotStream    = &scripting.Errno{Name: "wrong_type", Code: 95, Text: "a socket for packets cannot do this"}
	ErrNotPackets   = &scripting.Errno{Name: "wrong_type", Code: 95, Text: "a stream cannot do this"}
	ErrEmpty        = &scripting.Errno{Name: "empty_data", Code: 550, Text: "there is nothing to send"}
	ErrTorn         = &scripting.Errno{Name: "timeout", Code: 110, Text: "timed out in the middle of the data: the client is closed, as its peer would take what comes next for the rest"}
)

// names are the system's failures by number.
var names = map[syscall.Errno]string{
	syscall.ECONNREFUSED: "connection_refused", syscall.ECONNRESET: "reset", syscall.EPIPE: "broken_pipe", syscall.ETIMEDOUT: "timeout",
	syscall.EHOSTUNREACH: "host_unreachable", syscall.ENETUNREACH: "network_unreachable", syscall.EADDRINUSE: "address_in_use",
	syscall.EADDRNOTAVAIL: "address_not_available", syscall.EACCES: "permission_denied", syscall.EPERM: "permission_denied",
	syscall.ENOENT: "not_found", syscall.EMSGSIZE: "packet_too_large", syscall.EMFILE: "out_of_descriptors", syscall.ENFILE: "out_of_descriptors",
	syscall.ENOBUFS: "send_buffer_full", syscall.EAGAIN: "send_buffer_full", syscall.ECONNABORTED: "reset", syscall.EPROTOTYPE: "wrong_type",
	syscall.EINVAL: "invalid_argument", syscall.EAFNOSUPPORT: "wrong_address_family", syscall.EDESTADDRREQ: "not_connected", syscall.ENOTCONN: "not_connected",
	syscall.EISDIR: "is_a_directory",
}

// Describe makes any error of this package one that scripts can read.
func Describe(err error) *scripting.Errno {
	var e *scripting.Errno
	var dns *net.DNSError
	var no syscall.Errno
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, io.EOF):
		return ErrPeerClosed
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return ErrClosed
	case errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return &scripting.Errno{Name: "timeout", Code: 110, Text: "timed out: " + plain(err)}
	case errors.As(err, &dns):
		return &scripting.Errno{Name: "dns_failed", Code: 704, Text: "the name " + dns.Name + " could not be looked up: " + dns.Err}
	case errors.As(err, &no):
		name := names[no]
		if name == "" {
			name = "error"
		}
		return &scripting.Errno{Name: name, Code: int(no), Text: plain(err)}
	}
	return &scripting.Errno{Name: "error", Code: 5, Text: plain(err)}
}

// plain is the text of an error without what Go's own functions put before it.
func plain(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		text := op.Err.Error()
		var call *os.SyscallError
		if errors.As(op.Err, &call) {
			text = call.Err.Error()
		}
		if op.Addr != nil && op.Op == "dial" {
			text = op.Addr.String() + ": " + text
		}
		return text
	}
	return err.Error()
}
