package frame

// Gather puts more behind part, the bytes of a frame that came before, and
// says how many of more it took: all, or what the frame still needs where c
// knows that. part may be written to and is not to be used any more.
//
// The memory has room for twice what has come at most, so that a header alone
// reserves nothing, and for no more than the frame. So a frame is copied less
// than twice on the whole, however it comes.
func Gather(part, more []byte, c *Cursor) (grown []byte, taken int) {
	need := int(c.Need)
	if need > 0 {
		more = more[:max(min(len(more), need-len(part)), 0)]
	}
	size := len(part) + len(more)
	if size > cap(part) {
		room := 2 * size
		if need > 0 {
			room = min(room, need)
		}
		part = append(make([]byte, 0, room), part...)
	}
	return append(part, more...), len(more)
}
