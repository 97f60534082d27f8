package vm

import (
	"strconv"
	"strings"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// cursor walks the calls of a chain from the innermost outwards, across the
// guards that pcall runs on, so that the script sees one stack. Calls replaced
// by tail calls appear as levels of their own, as in PUC Lua.
type cursor struct {
	L     *lua.LState
	f     *inside.Frame
	tails int // tail-call levels still to come after f
	inTC  bool
}

// start stands on level 0: the running function.
func start(L *lua.LState) cursor {
	c := cursor{L: L, f: inside.Current(L)}
	c.enter()
	return c
}

func (c *cursor) enter() {
	c.inTC, c.tails = false, 0
	for c.f != nil && c.f.Parent == nil && kindOf(c.L) == guard && c.L.Parent != nil {
		// The bottom of a guard stands for the pcall that waits on the outer
		// thread: show that one, it knows its name.
		c.L = c.L.Parent
		c.f = inside.Current(c.L)
	}
	if c.f != nil && !c.f.Fn.IsG {
		c.tails = c.f.TailCall
		if c.f.Parent == nil && kindOf(c.L) >= coroutine && c.tails > 0 {
			c.tails-- // the step from the coroutine's starter to its body
		}
	}
}

func (c *cursor) ok() bool   { return c.f != nil }
func (c *cursor) tail() bool { return c.inTC }

func (c *cursor) next() {
	if c.tails > 0 {
		c.tails--
		c.inTC = true
		return
	}
	c.f = c.f.Parent
	c.enter()
}

// skip advances n levels, quickly over long runs of tail calls.
func (c *cursor) skip(n int) {
	for n > 0 && c.ok() {
		if c.tails > 0 {
			k := min(n, c.tails)
			c.tails -= k
			c.inTC = true
			n -= k
			continue
		}
		c.next()
		n--
	}
}

// call is the name the caller used and what kind of name that was, in the words
// of debug.getinfo: global, local, method, field, upvalue.
func (c *cursor) call() (name, what string) {
	f := c.f
	if c.inTC || !f.Fn.IsG && f.TailCall > 0 || f.Parent == nil {
		return "", ""
	}
	p := f.Parent
	switch p.Op() {
	case inside.OpTForLoop:
		return "(for generator)", "local"
	case inside.OpCall, inside.OpTailCall:
		what, name = calleeName(p)
		return name, what
	}
	return "", ""
}

func (c *cursor) name() string { n, _ := c.call(); return n }
func (c *cursor) method() bool { _, w := c.call(); return w == "method" }

// text is the level as a traceback shows it.
func (c *cursor) text() string {
	if c.inTC {
		return "(tail call): ?"
	}
	fn := c.f.Fn
	place := "[C]:"
	if !fn.IsG {
		place = fn.Proto.SourceName + ":"
		if n := c.f.Line(); n > 0 {
			place += strconv.Itoa(n) + ":"
		}
	}
	switch name := c.name(); {
	case name != "":
		return place + " in function '" + name + "'"
	case fn.IsG:
		return place + " ?"
	case fn.Proto.LineDefined == 0:
		return place + " in main chunk"
	}
	return place + " in function <" + fn.Proto.SourceName + ":" + strconv.Itoa(fn.Proto.LineDefined) + ">"
}

// A traceback shows the levels below firstLevels and the last ones of a stack.
const (
	firstLevels = 12
	lastLevels  = 10
)

// traceback is the stack of L from the given level outwards, in the words of
// PUC Lua 5.1. A chain that the host began ends in the line that stands for it.
func traceback(L *lua.LState, level int) string {
	total := 0
	bottom := L
	for c := start(L); c.ok(); c.next() {
		bottom = c.L
		total += 1 + c.tails
		c.tails = 0
	}
	if kindOf(bottom) == runner && total > 0 {
		total++
	}
	c := start(L)
	at := 0
	return elided(level, total, func(i int) string {
		c.skip(i - at)
		at = i
		if !c.ok() {
			return "[C]: ?"
		}
		return c.text()
	})
}

// elided writes levels from..total-1, leaving out the middle of a long stack.
func elided(from, total int, text func(i int) string) string {
	var b strings.Builder
	b.WriteString("stack traceback:")
	for i := from; i < total; i++ {
		if i == max(from, firstLevels) && total > i+1+lastLevels {
			b.WriteString("\n\t...")
			i = total - lastLevels
		}
		b.WriteString("\n\t")
		b.WriteString(text(i))
	}
	return b.String()
}

func elide(lines []string, from int) string {
	return elided(from, len(lines), func(i int) string { return lines[i] })
}

// where is the position prefix of a message: file, line and a blank for the
// Lua function at that level, nothing for any other.
func where(L *lua.LState, level int) string {
	c := start(L)
	c.skip(level)
	if !c.ok() || c.inTC || c.f.Fn.IsG {
		return ""
	}
	n := c.f.Line()
	if n <= 0 {
		return ""
	}
	return c.f.Fn.Proto.SourceName + ":" + strconv.Itoa(n) + ": "
}

// Traceback is the text of debug.traceback for L: msg, if any, and the calls
// from the given level outwards.
func (v *VM) Traceback(L *lua.LState, msg string, level int) string {
	t := traceback(L, level)
	if msg != "" {
		return msg + "\n" + t
	}
	return t
}

// FullTraceback is the whole way from the host to L: where debug.traceback ends
// at the start of a coroutine, it goes on with whoever resumed it.
func (v *VM) FullTraceback(L *lua.LState) string { return fullTrace(L) }

func fullTrace(L *lua.LState) string {
	t := traceback(L, 0)
	for {
		for kindOf(L) == guard && L.Parent != nil {
			L = L.Parent
		}
		if kindOf(L) < coroutine || L.Parent == nil {
			return t
		}
		L = L.Parent
		t += "\nresumed by" + strings.TrimPrefix(traceback(L, 0), "stack traceback")
	}
}
