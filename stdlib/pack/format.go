package pack

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// class is how a letter's bytes are made.
type class uint8

const (
	noClass class = iota
	text          // a A Z: the count is a length in bytes
	nibbles       // h H: the count is a length in half bytes
	integer
	float
	move // x X @: no value
)

// letter is one letter of a format.
type letter struct {
	class  class
	size   int // of one value, in bytes
	big    bool
	signed bool
}

// Integers and floats of "machine order" are little endian, as on every
// machine that Swoon runs on; sizes are those of PHP on 64-bit systems.
var letters = [256]letter{
	'a': {class: text}, 'A': {class: text}, 'Z': {class: text},
	'h': {class: nibbles}, 'H': {class: nibbles, big: true},
	'c': {integer, 1, false, true}, 'C': {integer, 1, false, false},
	's': {integer, 2, false, true}, 'S': {integer, 2, false, false},
	'n': {integer, 2, true, false}, 'v': {integer, 2, false, false},
	'i': {integer, 4, false, true}, 'I': {integer, 4, false, false},
	'l': {integer, 4, false, true}, 'L': {integer, 4, false, false},
	'N': {integer, 4, true, false}, 'V': {integer, 4, false, false},
	'q': {integer, 8, false, true}, 'Q': {integer, 8, false, false},
	'J': {integer, 8, true, false}, 'P': {integer, 8, false, false},
	'f': {class: float, size: 4}, 'g': {class: float, size: 4}, 'G': {class: float, size: 4, big: true},
	'd': {class: float, size: 8}, 'e': {class: float, size: 8}, 'E': {class: float, size: 8, big: true},
	'x': {class: move}, 'X': {class: move}, '@': {class: move},
}

// item is one letter of a format with its count.
type item struct {
	letter
	c     byte
	at    int // place in the format, from 1
	count int
	given bool // a count stands there
	star  bool
	name  string
}

// reader reads a format from left to right.
type reader struct {
	L    *lua.LState
	what string // the function, for messages
	s    string
	i    int
}

// fail raises an error that names the letter and its place.
func (r *reader) fail(it *item, msg string, args ...any) {
	vm.Raise(r.L, "%s: %s", r.what, it.says(msg, args...))
}

// says is a message about it.
func (it *item) says(msg string, args ...any) string {
	return fmt.Sprintf("letter '%c' at position %d: %s", it.c, it.at, fmt.Sprintf(msg, args...))
}

// next reads a letter and its count; named says that a name may follow, which
// ends at a slash. ok is false at the end.
func (r *reader) next(it *item, named bool) (ok bool) {
	for r.i < len(r.s) && (r.s[r.i] == ' ' || r.s[r.i] == '\t' || r.s[r.i] == '\n' || r.s[r.i] == '\r') {
		r.i++
	}
	if r.i >= len(r.s) {
		return false
	}
	c := r.s[r.i]
	*it = item{letter: letters[c], c: c, at: r.i + 1, count: 1}
	if it.class == noClass {
		hint := ""
		if c == '/' && !named {
			hint = " (the slash belongs to the formats of unpack)"
		}
		vm.Raise(r.L, "%s: position %d: there is no letter %s%s", r.what, it.at, strconv.QuoteRuneToASCII(rune(c)), hint)
	}
	r.i++
	if r.i < len(r.s) && r.s[r.i] == '*' {
		it.star, it.given = true, true
		r.i++
		if it.class == move {
			r.fail(it, "'*' says nothing here, give a number")
		}
	} else {
		from := r.i
		n := 0
		for r.i < len(r.s) && r.s[r.i]-'0' <= 9 {
			if n = n*10 + int(r.s[r.i]-'0'); n > math.MaxInt32 {
				r.fail(it, "the count is too large")
			}
			r.i++
		}
		if r.i > from {
			it.count, it.given = n, true
		}
	}
	if named {
		rest := r.s[r.i:]
		if end := strings.IndexByte(rest, '/'); end >= 0 {
			it.name = strings.TrimSpace(rest[:end])
			r.i += end + 1
		} else {
			it.name = strings.TrimSpace(rest)
			r.i = len(r.s)
		}
	}
	return true
}
