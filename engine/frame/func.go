package frame

// LengthFunc is package_length_func. It gets the beginning of a frame, at most
// LengthWindow bytes of it, and tells the length of the whole frame: 0 when it
// needs more bytes for that, negative when they begin no frame. It must not
// keep b, and its answer must depend on b alone.
type LengthFunc func(b []byte) (total int, err error)

// LengthWindow is how many bytes a LengthFunc sees. If it tells no length then,
// there is none.
const LengthWindow = 8 << 10

// byFunc is open_length_check with a function.
type byFunc struct {
	length LengthFunc
	max    int
}

// Func is the framer of a length function: what New makes of one.
// maxLength is package_max_length.
func Func(length LengthFunc, maxLength int) Framer {
	return &byFunc{length: length, max: maxLength}
}

func (f *byFunc) Next(b []byte, c *Cursor) (int, error) {
	total := int(c.Need)
	if total == 0 {
		window := min(len(b), LengthWindow, f.max)
		if window == int(c.Seen) {
			return 0, nil // it has seen these
		}
		var err error
		total, err = f.length(b[:window:window])
		switch {
		case err != nil:
			return 0, &Error{Kind: Malformed, Text: "package_length_func failed: " + err.Error(), Err: err}
		case total < 0:
			return 0, malformed("package_length_func says %d", total)
		case total > f.max:
			return 0, tooLarge("package_length_func says %d bytes, package_max_length is %d", total, f.max)
		case total == 0 && window == f.max:
			return 0, tooLarge("package_length_func tells no length in %d bytes, package_max_length is %d", window, f.max)
		case total == 0 && window == LengthWindow:
			return 0, malformed("package_length_func tells no length in %d bytes", window)
		case total == 0:
			c.Seen = int32(window)
			return 0, nil
		}
		c.Need = int32(total)
	}
	if len(b) < total {
		return 0, nil
	}
	return total, nil
}
