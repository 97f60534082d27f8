package frame

import "fmt"

// Kind says what is wrong with a stream.
type Kind uint8

// The kinds.
const (
	TooLarge  Kind = iota + 1 // a frame over package_max_length
	Malformed                 // bytes that begin no frame
)

func (k Kind) String() string {
	switch k {
	case TooLarge:
		return "too large"
	case Malformed:
		return "malformed"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Error says why a stream holds no next frame. It depends on the stream alone,
// not on the pieces in which it came.
type Error struct {
	Kind Kind
	Text string // what and which, with the settings' names
	Err  error  // what package_length_func failed with, or nil
}

func (e *Error) Error() string { return e.Text }

// Unwrap is the error of package_length_func.
func (e *Error) Unwrap() error { return e.Err }

func tooLarge(format string, args ...any) *Error {
	return &Error{Kind: TooLarge, Text: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) *Error {
	return &Error{Kind: Malformed, Text: fmt.Sprintf(format, args...)}
}
