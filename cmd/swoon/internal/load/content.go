package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// What a message holds follows from its connection and its number alone:
// eight bytes mixed of the two, then a piece of a fixed random pool that the
// same eight bytes choose. So an answer is checked without keeping what was
// sent, and one that is out of place can be named. A text that the user gave
// is the same in every message.

const (
	markLen = 8
	poolLen = 1 << 17
)

// contents makes and checks messages. It never changes: all threads share it.
type contents struct {
	text, answer []byte // whole messages, when every message is the same

	before, behind []byte
	size           int // of the body
	pool           []byte
	letters        []byte // what bodies are made of; nil: of any bytes

	asked, length int // bytes of a message and of its answer on the wire
}

func newContents(l *Load) (*contents, error) {
	if l.Text != nil {
		text, err := l.Framing.message(l.Text)
		if err != nil {
			return nil, fmt.Errorf("text: %w", err)
		}
		if len(text) == 0 {
			return nil, fmt.Errorf("text: it is empty")
		}
		c := &contents{text: text, answer: text}
		if l.Answer != nil {
			if c.answer, err = l.Framing.message(l.Answer); err != nil {
				return nil, fmt.Errorf("expect: %w", err)
			}
			if len(c.answer) == 0 {
				return nil, fmt.Errorf("expect: it is empty, so nothing would tell that the answer has come")
			}
		}
		c.asked, c.length = len(c.text), len(c.answer)
		return c, nil
	}
	c := &contents{size: l.Size}
	var err error
	if c.before, c.behind, err = l.Framing.wrap(l.Size); err != nil {
		return nil, err
	}
	if len(c.behind) > 0 { // no body may have in it what ends a message
		for b := range 256 {
			if byte(b) != c.behind[0] {
				c.letters = append(c.letters, byte(b))
			}
		}
	}
	c.asked = len(c.before) + c.size + len(c.behind)
	c.length = c.asked
	c.pool = make([]byte, poolLen+c.size)
	rand.NewChaCha8([32]byte([]byte("every run sends the same bytes.."))).Read(c.pool)
	c.spell(c.pool)
	_, err = l.Framing.message(c.add(nil, 0, 0)[len(c.before) : len(c.before)+c.size])
	return c, err
}

// spell makes b of letters.
func (c *contents) spell(b []byte) {
	if c.letters == nil {
		return
	}
	for i, v := range b {
		b[i] = c.letters[int(v)%len(c.letters)]
	}
}

// parts returns the two parts of the body of message n of connection id.
func (c *contents) parts(id, n uint64) (mark [markLen]byte, body []byte) {
	x := id<<40 ^ n
	x = (x + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>29) * 0x94d049bb133111eb
	x ^= x >> 32
	binary.LittleEndian.PutUint64(mark[:], x)
	c.spell(mark[:])
	at := x % poolLen
	return mark, c.pool[at : at+uint64(max(c.size-markLen, 0))]
}

// add appends message n of connection id to b.
func (c *contents) add(b []byte, id, n uint64) []byte {
	if c.text != nil {
		return append(b, c.text...)
	}
	mark, body := c.parts(id, n)
	b = append(b, c.before...)
	b = append(b, mark[:min(markLen, c.size)]...)
	b = append(b, body...)
	return append(b, c.behind...)
}

// check compares in with the answer to message n of connection id from its byte
// pos on. It returns how many bytes of in belong to that answer, and the place
// in the answer of the first wrong one, or -1.
func (c *contents) check(in []byte, id, n uint64, pos int) (used, wrong int) {
	if c.text != nil {
		used, right := compare(in, c.answer[pos:])
		if !right {
			return used, pos + used
		}
		return used, -1
	}
	mark, body := c.parts(id, n)
	from := pos
	for _, part := range [...][]byte{c.before, mark[:min(markLen, c.size)], body, c.behind} {
		if from >= len(part) {
			from -= len(part)
			continue
		}
		n, right := compare(in[used:], part[from:])
		used += n
		if !right {
			return used, pos + used
		}
		if used == len(in) {
			break
		}
		from = 0
	}
	return used, -1
}

// compare returns how many bytes in and want begin with alike, as far as both
// go, and whether that is as far as the shorter one goes.
func compare(in, want []byte) (alike int, right bool) {
	n := min(len(in), len(want))
	if bytes.Equal(in[:n], want[:n]) {
		return n, true
	}
	for in[alike] == want[alike] {
		alike++
	}
	return alike, false
}
