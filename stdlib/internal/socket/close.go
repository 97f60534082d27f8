package socket

import (
	"io"
	"net"
	"os"
	"time"
)

// closeTime is how long a connection that is closed may take to bring out what
// was sent and to see the peer's end.
const closeTime = 5 * time.Second

// Close ends the socket for its owner at once: waits on it end with ErrClosed.
// What has been queued still goes out, in the background, and so does what the
// kernel has not sent: a connection with unread input is not reset. now drops
// it all. It reports whether it was this call that closed it. Any goroutine.
func (s *Socket) Close(now bool) bool { return s.end(nil, now) }

// fail closes the socket because of err. Any goroutine.
func (s *Socket) fail(err error) { s.end(err, true) }

func (s *Socket) end(why error, now bool) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.closed, s.why = true, why
	if s.done != nil {
		close(s.done)
	}
	err := s.reason()
	reader, tell := s.in.w, s.in.tell
	s.in.tell = nil
	gone := s.gone
	s.gone = nil
	flush := !now && len(s.out.items) > 0
	if !flush {
		s.out.drop(err)
	}
	helpers := s.in.busy || s.out.busy
	s.mu.Unlock()
	if s.counts != nil {
		s.counts.Open.Add(-1)
	}
	reader.Fail(err)
	if tell != nil {
		tell()
	}
	if gone != nil {
		gone()
	}
	stream := !s.Kind.Packets()
	switch {
	case flush:
		s.behind(s.drain)
	case stream && !now && s.unread():
		s.behind(func() { s.linger(time.Now().Add(closeTime)) })
	case helpers:
		s.behind(s.release) // it waits for those to leave
	default:
		s.release()
	}
	return true
}

// behind runs the rest of a close in the background.
func (s *Socket) behind(fn func()) {
	counts := s.counts
	if counts != nil {
		counts.Closing.Add(1)
	}
	go func() {
		fn()
		if counts != nil {
			counts.Closing.Add(-1)
		}
	}()
}

// unread says whether the kernel has input that nobody will read: closing would
// reset the connection, and what was just sent could be lost.
func (s *Socket) unread() bool {
	var b [1]byte
	n, err := s.peekKernel(b[:])
	return err == nil && n > 0
}

// drain waits for the writer, then for the peer.
func (s *Socket) drain() {
	end := time.Now().Add(closeTime)
	s.conn.SetWriteDeadline(end) // ends the writer's wait, too
	s.mu.Lock()
	done := s.out.done
	s.mu.Unlock()
	if done != nil {
		<-done
	}
	s.linger(end)
}

// linger says that no more comes, and reads to the end what does.
func (s *Socket) linger(end time.Time) {
	defer s.release()
	half, ok := s.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	s.mu.Lock()
	busy := s.in.busy
	s.mu.Unlock()
	s.conn.SetReadDeadline(end)
	if busy {
		s.conn.SetReadDeadline(time.Now()) // the reader must leave first
		s.mu.Lock()
		gone := s.in.gone
		s.mu.Unlock()
		if gone != nil {
			<-gone
		}
		s.conn.SetReadDeadline(end)
	}
	io.Copy(io.Discard, onlyReader{s.conn})
}

// release gives the descriptor back.
func (s *Socket) release() {
	s.conn.Close()
	if s.path != "" {
		os.Remove(s.path)
	}
}

// onlyReader hides what io.Copy would use instead of Read.
type onlyReader struct{ net.Conn }

// Shutdown says that no more is sent, received, or both: how is 0 for reading, 1
// for writing, 2 for both. Baton holder.
func (s *Socket) Shutdown(how int) error {
	half, ok := s.conn.(interface {
		CloseRead() error
		CloseWrite() error
	})
	if !ok {
		return ErrNotStream
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.reason()
	}
	if how != 1 {
		if err := half.CloseRead(); err != nil {
			return err
		}
	}
	if how == 0 {
		return nil
	}
	if len(s.out.items) == 0 { // or the writer does it when all is out
		if err := half.CloseWrite(); err != nil {
			return err
		}
	}
	s.out.half = true
	return nil
}
