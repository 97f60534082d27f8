// Package frame holds the framers: pure functions that find where one message
// ends in a stream of bytes. They own no memory, make no system call and keep
// no state between calls, so "fed byte by byte" equals "fed at once".
package frame

// A Framer finds the first frame in b.
//
//	n > 0, err == nil   b[:n] is one whole frame
//	n == 0, err == nil  more bytes are needed
//	err != nil          the stream is malformed; the session is closed
//
// A Framer must not keep b.
type Framer interface {
	Next(b []byte) (n int, err error)
}

// Raw takes whatever one read returned as one frame: a stream without framing.
type Raw struct{}

// Next returns all of b.
func (Raw) Next(b []byte) (int, error) { return len(b), nil }
