package frame

// LengthFunc is package_length_func. It gets the beginning of a frame, at most
// LengthWindow bytes of it, and tells the length of the whole frame: 0 when it
// needs more bytes for that, negative when they begin no frame. It must not
// keep b, and its answer must depend on b alone.
type LengthFunc func(b []byte) (total int, err error)

// LengthWindow is how many bytes a LengthFunc sees. If it tells no length then,
// there is none.
const LengthWindow = 8 << 10

// firstWindow is how many it sees at first. Most lengths stand at the beginning,
// and with small packets many others lie behind.
const firstWindow = 256

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
	if c.Need == 0 {
		if len(b) > firstWindow && c.Seen < firstWindow {
			if err := f.ask(b[:firstWindow], c); err != nil {
				return 0, err
			}
		}
		if c.Need == 0 {
			if err := f.ask(b, c); err != nil {
				return 0, err
			}
		}
	}
	if total := int(c.Need); 0 < total && total <= len(b) {
		return total, nil
	}
	return 0, nil
}

// ask notes in c what the function says of b.
func (f *byFunc) ask(b []byte, c *Cursor) error {
	window := min(len(b), LengthWindow, f.max)
	if window == int(c.Seen) {
		return nil // it has seen these
	}
	total, err := f.length(b[:window:window])
	switch {
	case err != nil:
		return &Error{Kind: Malformed, Text: "package_length_func failed: " + err.Error(), Err: err}
	case total < 0:
		return malformed("package_length_func says %d", total)
	case total > f.max:
		return tooLarge("package_length_func says %d bytes, package_max_length is %d", total, f.max)
	case total == 0 && window == f.max:
		return tooLarge("package_length_func tells no length in %d bytes, package_max_length is %d", window, f.max)
	case total == 0 && window == LengthWindow:
		return malformed("package_length_func tells no length in %d bytes", window)
	}
	c.Seen, c.Need = int32(window), int32(total)
	return nil
}
