package socket

import (
	"bytes"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"swoon/engine/frame"
	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

// Frame is the next message of a stream: a whole frame as f defines it. At the
// end of the stream it fails with io.EOF; what was left of a frame is dropped.
// Bytes that are no frame close the socket. Baton holder.
func (s *Socket) Frame(in *scripting.Instance, L *lua.LState, what string, timeout time.Duration, f frame.Framer) (string, error) {
	deadline := deadlineOf(timeout)
	for {
		data, ok, err := s.Cut(f)
		if ok || err != nil {
			return data, err
		}
		err = s.more(in, L, what, deadline, func(b []byte, _ syscall.Sockaddr, own bool) {
			// More often than not what was read is one frame: it is copied once.
			if len(s.part) == 0 && len(s.rest) == 0 && !own {
				n, ferr := f.Next(b, &s.cursor)
				if ferr == nil && n > 0 && n <= len(b) {
					data, ok = string(b[:n]), true
					b = b[n:]
				}
				s.cursor = frame.Cursor{} // Cut looks at what is left from its beginning
			}
			if len(b) > 0 {
				s.Feed(b, own)
			}
		})
		if ok {
			return data, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// Feed adds input that was read elsewhere. own says that b is given away.
// Baton holder.
func (s *Socket) Feed(b []byte, own bool) {
	switch {
	case len(s.rest) > 0:
		s.rest = append(s.rest, b...)
	case own:
		s.rest = b
	default:
		s.rest = bytes.Clone(b)
	}
}

// Cut takes a frame off the input that is there; ok is false when none is whole.
// Baton holder.
func (s *Socket) Cut(f frame.Framer) (data string, ok bool, err error) {
	for len(s.rest) > 0 {
		var n int
		if len(s.part) == 0 {
			n, err = f.Next(s.rest, &s.cursor)
			if err == nil && n == 0 {
				s.part, s.rest = s.rest, nil
				return "", false, nil
			}
			if err == nil && n <= len(s.rest) {
				data, s.rest, s.cursor = string(s.rest[:n]), s.rest[n:], frame.Cursor{}
				if len(s.rest) == 0 {
					s.rest = nil
				}
				return data, true, nil
			}
			return "", false, s.noFrame(f, n, len(s.rest), err)
		}
		var taken int
		s.part, taken = frame.Gather(s.part, s.rest, &s.cursor)
		if s.rest = s.rest[taken:]; len(s.rest) == 0 {
			s.rest = nil
		}
		n, err = f.Next(s.part, &s.cursor)
		switch whole := n == len(s.part); {
		case err == nil && n == 0 && (taken > 0 || s.rest == nil):
			continue
		case err == nil && whole && cap(s.part)-n <= n/8:
			// Nobody writes to these bytes any more: they are the string.
			data = unsafe.String(unsafe.SliceData(s.part), n)
			s.part, s.cursor = nil, frame.Cursor{}
			return data, true, nil
		case err == nil && 0 < n && n <= len(s.part):
			data = string(s.part[:n])
			if !whole {
				s.rest = append(bytes.Clone(s.part[n:]), s.rest...)
			}
			s.part, s.cursor = nil, frame.Cursor{}
			return data, true, nil
		}
		return "", false, s.noFrame(f, n, len(s.part), err)
	}
	return "", false, nil
}

// noFrame ends a stream that holds no frame: there is no telling where the next
// would begin.
func (s *Socket) noFrame(f frame.Framer, n, size int, err error) error {
	if err == nil {
		err = fmt.Errorf("%T found a frame of %d bytes in %d", f, n, size)
	}
	s.part, s.rest, s.cursor = nil, nil, frame.Cursor{}
	e := &scripting.Errno{Name: "frame_malformed", Code: 1204, Text: err.Error()}
	if fe, ok := err.(*frame.Error); ok && fe.Kind == frame.TooLarge {
		e = &scripting.Errno{Name: "frame_too_large", Code: 1203, Text: err.Error()}
	}
	s.fail(e)
	return e
}

// Reframe has what is not whole yet looked at anew, by another framer.
func (s *Socket) Reframe() {
	if len(s.part) > 0 {
		s.rest = append(s.part, s.rest...)
		s.part, s.cursor = nil, frame.Cursor{}
	}
}

// Bytes takes at most most bytes of a stream that has no framing, and at least
// least of them; it waits until they are there. At the end of the stream it
// returns what there is. keep leaves them where they are. Baton holder.
func (s *Socket) Bytes(in *scripting.Instance, L *lua.LState, what string, timeout time.Duration, least, most int, keep bool) (string, error) {
	deadline := deadlineOf(timeout)
	s.Reframe()
	for more := keep; more && len(s.rest) > 0 && len(s.rest) < most; {
		more, _ = s.Read() // how it ends is told when nothing is left
	}
	for len(s.rest) < least {
		err := s.more(in, L, what, deadline, func(b []byte, _ syscall.Sockaddr, own bool) { s.Feed(b, own) })
		if err != nil && (len(s.rest) == 0 || err == scripting.ErrTimeout && least > 1) {
			return "", err
		}
		if err != nil {
			break
		}
	}
	n := min(len(s.rest), most)
	data := string(s.rest[:n])
	if !keep {
		if s.rest = s.rest[n:]; len(s.rest) == 0 {
			s.rest = nil
		}
	}
	return data, nil
}

// Pending is how many bytes of input have been read and not taken.
func (s *Socket) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rest) + len(s.part) + len(s.in.data)
}
