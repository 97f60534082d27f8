package frame

import "bytes"

// eofSplit is open_eof_split: one packet at a time, its eof included.
type eofSplit struct {
	eof []byte
	max int
}

func (f *eofSplit) Next(b []byte, c *Cursor) (int, error) {
	// An eof may have begun in the last bytes of what was searched.
	from := max(int(c.Seen)-len(f.eof)+1, 0)
	if i := bytes.Index(b[from:min(len(b), f.max)], f.eof); i >= 0 {
		return from + i + len(f.eof), nil
	}
	if len(b) >= f.max {
		return 0, noEOF(f.eof, f.max)
	}
	c.Seen = int32(len(b))
	return 0, nil
}

// eofCheck is open_eof_check: all there is, when it ends with the eof. Where
// a read ends decides which packets come glued together.
type eofCheck struct {
	eof []byte
	max int
}

func (f *eofCheck) Next(b []byte, _ *Cursor) (int, error) {
	if len(b) > f.max || len(b) == f.max && !bytes.HasSuffix(b, f.eof) {
		// No more may be kept, nor given away at once: whole packets, as many
		// as the limit allows.
		i := bytes.LastIndex(b[:f.max], f.eof)
		if i < 0 {
			return 0, noEOF(f.eof, f.max)
		}
		return i + len(f.eof), nil
	}
	if bytes.HasSuffix(b, f.eof) {
		return len(b), nil
	}
	return 0, nil
}

func noEOF(eof []byte, limit int) *Error {
	return tooLarge("no package_eof %q in %d bytes, package_max_length is %d", eof, limit, limit)
}
