package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
	"unsafe"

	"swoon/engine/frame"
)

// Framing: from what was read to messages. Everything in this file is run by
// the baton holder of the session's reactor.

// partial is the beginning of a frame whose end has not come yet.
type partial struct {
	bytes  []byte // memory of its own, and of nobody else
	cursor frame.Cursor
}

// SetFraming gives the port another Framer and FramerOf, for sessions that begin
// from now on. Not at the same time as Set.
func (p *Port) SetFraming(f frame.Framer, of func(*Session) frame.Framer) {
	o := *p.opts.Load()
	o.Framer, o.FramerOf = f, of
	o.setDefaults()
	p.opts.Store(&o)
}

// nextFrame takes the next whole frame of the read, or ends the read.
func (l *Loop) nextFrame() (string, bool) {
	r := &l.read
	s := r.s
	if len(r.rest) == 0 {
		l.read = reading{}
		return "", false
	}
	if s.partial != nil {
		return l.completeFrame()
	}
	n, err := (*s.framer).Next(r.rest, &r.cur)
	switch {
	case err == nil && n == 0:
		s.partial = &partial{bytes.Clone(r.rest), r.cur}
	case err == nil && 0 < n && n <= len(r.rest):
		data := string(r.rest[:n])
		r.rest, r.cur = r.rest[n:], frame.Cursor{}
		return data, true
	default:
		l.noFrame(s, cause(*s.framer, n, len(r.rest), err))
	}
	l.read = reading{}
	return "", false
}

// completeFrame is nextFrame where the frame has begun in a read before.
func (l *Loop) completeFrame() (string, bool) {
	r := &l.read
	s := r.s
	p := s.partial
	var taken int
	p.bytes, taken = frame.Gather(p.bytes, r.rest, &p.cursor)
	r.rest = r.rest[taken:]
	n, err := (*s.framer).Next(p.bytes, &p.cursor)
	switch whole := n == len(p.bytes); {
	case err == nil && n == 0 && len(r.rest) == 0:
		l.read = reading{}
		return "", false
	case err == nil && whole && cap(p.bytes)-n <= n/8:
		// Nobody writes to these bytes any more: they are the string.
		s.partial = nil
		return unsafe.String(unsafe.SliceData(p.bytes), n), true
	case err == nil && (whole || 0 < n && n < len(p.bytes) && len(r.rest) == 0):
		s.partial = nil
		if !whole {
			r.rest = p.bytes[n:]
		}
		return string(p.bytes[:n]), true
	}
	l.noFrame(s, cause(*s.framer, n, len(p.bytes), err))
	l.read = reading{}
	return "", false
}

// cause is what ends a session whose framer found no frame: err, or else that
// the framer broke its contract with n of size bytes.
func cause(f frame.Framer, n, size int, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%T found a frame of %d bytes in %d", f, n, size)
}

// stash moves the rest of the read into the session's inbox.
func (l *Loop) stash() {
	s := l.read.s
	for {
		data, ok := l.nextFrame()
		if !ok {
			break
		}
		l.push(s, event{kind: evData, data: data})
	}
	l.checkBacklog(s)
}

// forget drops the beginning of a frame that will not be whole.
func (l *Loop) forget(s *Session) {
	if s.partial != nil {
		l.count.discarded += uint64(len(s.partial.bytes))
		s.partial = nil
	}
}

// noFrame ends the session of the read, which sent what is no frame: the
// messages before are handled and answered, the rest is dropped.
func (l *Loop) noFrame(s *Session, err error) {
	l.count.discarded += uint64(len(l.read.rest))
	l.forget(s)
	level, text, reason := slog.LevelWarn, "malformed frame", FrameMalformed
	var e *frame.Error
	switch {
	case !errors.As(err, &e):
		level, text, reason = slog.LevelError, "internal error in a framer", InternalError
	case e.Kind == frame.TooLarge:
		text, reason = "frame too large", FrameTooLarge
	}
	if hidden, ok := l.eng.frameLog.allow(); ok {
		attrs := []any{"fd", s.id, "reason", reason, "error", err}
		if hidden > 0 {
			attrs = append(attrs, "not_shown", hidden)
		}
		l.eng.log.Log(context.Background(), level, text, attrs...)
	}
	l.endInput(s, reason)
}

// flood lets ten lines of a log through, and of a flood of them one a second.
type flood struct {
	mu     sync.Mutex
	left   int
	filled int64 // when left was counted last
	hidden int
}

const floodShow = 10

// allow also tells how many lines were not let through before this one.
func (f *flood) allow() (hidden int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := nanotime()
	if f.filled == 0 {
		f.left, f.filled = floodShow, now
	}
	if n := (now - f.filled) / int64(time.Second); n > 0 {
		f.left = int(min(int64(f.left)+n, floodShow))
		f.filled += n * int64(time.Second)
	}
	if f.left == 0 {
		f.hidden++
		return 0, false
	}
	f.left--
	hidden, f.hidden = f.hidden, 0
	return hidden, true
}
