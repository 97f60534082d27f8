package vm

import (
	"strings"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// The pattern matcher of PUC Lua 5.1 (lstrlib.c). It recurses once per pattern
// item at most, never per byte of the subject, and counts its steps, so that a
// pattern that runs away can be stopped like any other loop.

const (
	maxPattern  = 64 << 10 // longer patterns are refused: recursion is bounded by this
	maxCaptures = 32
	checkEvery  = 4096 // steps between two looks at the interrupt word

	capUnfinished = -1
	capPosition   = -2
)

type matcher struct {
	L       *lua.LState
	src     string
	pat     string
	level   int
	steps   int
	capture [maxCaptures]struct{ start, len int }
}

func (m *matcher) init(L *lua.LState, src, pat string) {
	if len(pat) > maxPattern {
		Raise(L, "pattern too long (%d bytes, limit %d)", len(pat), maxPattern)
	}
	m.L, m.src, m.pat, m.level = L, src, pat, 0
}

func (m *matcher) step() {
	if m.steps++; m.steps%checkEvery == 0 {
		inside.Check(m.L)
	}
}

func (m *matcher) fail(msg string) { Raise(m.L, "%s", msg) }

// classEnd is the index behind the single-character class at p.
func (m *matcher) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p >= len(m.pat) {
			m.fail("malformed pattern (ends with '%')")
		}
		return p + 1
	case '[':
		if p < len(m.pat) && m.pat[p] == '^' {
			p++
		}
		for {
			if p >= len(m.pat) {
				m.fail("malformed pattern (missing ']')")
			}
			c := m.pat[p]
			p++
			if c == '%' && p < len(m.pat) {
				p++
			}
			if p < len(m.pat) && m.pat[p] == ']' {
				return p + 1
			}
		}
	}
	return p
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// inClass reports whether c belongs to the class of letter cl, as in %a.
func inClass(c, cl byte) bool {
	var is bool
	switch cl | 0x20 {
	case 'a':
		is = isAlpha(c)
	case 'c':
		is = c < 0x20 || c == 0x7f
	case 'd':
		is = isDigit(c)
	case 'l':
		is = c >= 'a' && c <= 'z'
	case 'p':
		is = c > ' ' && c < 0x7f && !isAlpha(c) && !isDigit(c)
	case 's':
		is = isSpace(c)
	case 'u':
		is = c >= 'A' && c <= 'Z'
	case 'w':
		is = isAlpha(c) || isDigit(c)
	case 'x':
		is = isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f'
	case 'z':
		is = c == 0
	default:
		return cl == c
	}
	if !isAlpha(cl) {
		return cl == c
	}
	return is == (cl&0x20 != 0)
}

// inSet reports whether c is in the set pat[p:ep], brackets included.
func (m *matcher) inSet(c byte, p, ep int) bool {
	last := ep - 1
	want := true
	p++
	if p < last && m.pat[p] == '^' {
		want = false
		p++
	}
	for ; p < last; p++ {
		switch {
		case m.pat[p] == '%' && p+1 < last:
			p++
			if inClass(c, m.pat[p]) {
				return want
			}
		case p+2 < last && m.pat[p+1] == '-':
			if m.pat[p] <= c && c <= m.pat[p+2] {
				return want
			}
			p += 2
		case m.pat[p] == c:
			return want
		}
	}
	return !want
}

func (m *matcher) single(s, p, ep int) bool {
	if s >= len(m.src) {
		return false
	}
	c := m.src[s]
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return inClass(c, m.pat[p+1])
	case '[':
		return m.inSet(c, p, ep)
	}
	return m.pat[p] == c
}

// match tries the pattern from p at s and returns the end of the match or -1.
func (m *matcher) match(s, p int) int {
	for {
		m.step()
		if p >= len(m.pat) {
			return s
		}
		switch m.pat[p] {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.open(s, p+2, capPosition)
			}
			return m.open(s, p+1, capUnfinished)
		case ')':
			return m.close(s, p+1)
		case '%':
			if p+1 < len(m.pat) {
				switch c := m.pat[p+1]; {
				case c == 'b':
					if s = m.balance(s, p+2); s < 0 {
						return -1
					}
					p += 4
					continue
				case c == 'f':
					p += 2
					if p >= len(m.pat) || m.pat[p] != '[' {
						m.fail("missing '[' after '%f' in pattern")
					}
					ep := m.classEnd(p)
					var before, at byte
					if s > 0 {
						before = m.src[s-1]
					}
					if s < len(m.src) {
						at = m.src[s]
					}
					if m.inSet(before, p, ep) || !m.inSet(at, p, ep) {
						return -1
					}
					p = ep
					continue
				case isDigit(c):
					if s = m.again(s, c); s < 0 {
						return -1
					}
					p += 2
					continue
				}
			}
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		}
		ep := m.classEnd(p)
		var suffix byte
		if ep < len(m.pat) {
			suffix = m.pat[ep]
		}
		switch suffix {
		case '?':
			if m.single(s, p, ep) {
				if r := m.match(s+1, ep+1); r >= 0 {
					return r
				}
			}
			p = ep + 1
			continue
		case '*':
			return m.most(s, p, ep)
		case '+':
			if !m.single(s, p, ep) {
				return -1
			}
			return m.most(s+1, p, ep)
		case '-':
			return m.least(s, p, ep)
		}
		if !m.single(s, p, ep) {
			return -1
		}
		s++
		p = ep
	}
}

func (m *matcher) most(s, p, ep int) int {
	i := 0
	for m.single(s+i, p, ep) {
		i++
		m.step()
	}
	if ep+1 >= len(m.pat) {
		return s + i // nothing follows: the longest run is the match
	}
	for ; i >= 0; i-- {
		if r := m.match(s+i, ep+1); r >= 0 {
			return r
		}
	}
	return -1
}

func (m *matcher) least(s, p, ep int) int {
	for {
		if r := m.match(s, ep+1); r >= 0 {
			return r
		}
		if !m.single(s, p, ep) {
			return -1
		}
		s++
	}
}

func (m *matcher) open(s, p, kind int) int {
	if m.level >= maxCaptures {
		m.fail("too many captures")
	}
	m.capture[m.level].start, m.capture[m.level].len = s, kind
	m.level++
	r := m.match(s, p)
	if r < 0 {
		m.level--
	}
	return r
}

func (m *matcher) close(s, p int) int {
	l := m.level - 1
	for ; l >= 0 && m.capture[l].len != capUnfinished; l-- {
	}
	if l < 0 {
		m.fail("invalid pattern capture")
	}
	m.capture[l].len = s - m.capture[l].start
	r := m.match(s, p)
	if r < 0 {
		m.capture[l].len = capUnfinished
	}
	return r
}

func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		m.fail("unbalanced pattern")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	open, shut := m.pat[p], m.pat[p+1]
	depth := 1
	for s++; s < len(m.src); s++ {
		m.step()
		switch m.src[s] {
		case shut:
			if depth--; depth == 0 {
				return s + 1
			}
		case open:
			depth++
		}
	}
	return -1
}

// again matches what the numbered capture holds.
func (m *matcher) again(s int, digit byte) int {
	l := int(digit) - '1'
	if l < 0 || l >= m.level || m.capture[l].len == capUnfinished {
		m.fail("invalid capture index")
	}
	c := m.capture[l]
	if c.len < 0 || !strings.HasPrefix(m.src[s:], m.src[c.start:c.start+c.len]) {
		return -1
	}
	return s + c.len
}

// captured is capture i of a match of src[s:e]; the whole match stands for the
// first when there is none.
func (m *matcher) captured(i, s, e int) lua.LValue {
	if i >= m.level {
		if i != 0 {
			m.fail("invalid capture index")
		}
		return lua.LString(m.src[s:e])
	}
	c := m.capture[i]
	switch c.len {
	case capPosition:
		return lua.LNumber(c.start + 1)
	case capUnfinished:
		m.fail("unfinished capture")
	}
	return lua.LString(m.src[c.start : c.start+c.len])
}

func (m *matcher) capturedText(i, s, e int) string {
	switch x := m.captured(i, s, e).(type) {
	case lua.LString:
		return string(x)
	case lua.LNumber:
		return numberText(x)
	}
	return ""
}

// pushCaptures pushes the captures, or the whole match if whole is set and
// there are none.
func (m *matcher) pushCaptures(s, e int, whole bool) int {
	n := m.level
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		m.L.Push(m.captured(i, s, e))
	}
	return n
}
