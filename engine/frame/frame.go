// Package frame holds the framers: pure functions that find where one message
// ends in a stream of bytes. They own no memory and make no system call.
// What they remember of a frame that is not whole yet lies in a Cursor, which
// is the caller's, so "fed byte by byte" equals "fed at once".
//
// config.go makes a framer from a port's settings; raw.go, eof.go, length.go,
// text.go and func.go are the framers; gather.go keeps the bytes of a frame
// that did not come in one read.
package frame

// A Framer finds the first frame in b.
//
//	n > 0, err == nil   b[:n] is one whole frame
//	n == 0, err == nil  more bytes are needed
//	err != nil          b begins with no frame, now or later: an *Error; n is 0
//
// b begins where the frame begins. When more bytes are needed the next call
// gets the same bytes again with more behind them, and the same Cursor.
//
// A Framer never keeps or changes b, and never changes itself: all sessions of
// a port share one. Any goroutine.
type Framer interface {
	Next(b []byte, c *Cursor) (n int, err error)
}

// Cursor is what a framer remembers of a frame that is not whole yet, so that
// bytes are not looked at twice. The zero Cursor stands at a frame's beginning;
// the caller zeroes it after each frame.
type Cursor struct {
	Seen int32 // bytes that have been searched
	Need int32 // length of the whole frame; 0 while it is not known
}
