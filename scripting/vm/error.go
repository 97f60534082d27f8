package vm

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Kind says how a call failed.
type Kind uint8

// The ways a call fails.
const (
	KindRun    Kind = iota // an error raised by Lua or a library function
	KindSyntax             // the text does not compile
	KindPanic              // a Go panic in a library function or the machine
	KindKilled             // stopped from outside
)

var kindNames = [...]string{"run", "syntax", "panic", "killed"}

func (k Kind) String() string { return kindNames[k] }

// Error is a failure of Lua code, complete enough to be logged, shown to a
// script's onError, or raised again.
type Error struct {
	Value       lua.LValue // what error() was given; nil for syntax errors
	Message     string     // Value as text, with its position
	Traceback   string     // as debug.traceback writes it, without the message
	File        string     // where it was raised, as the chunk is named
	Line        int        // 0 when unknown
	Column      int        // counted from 1, syntax errors only, else 0
	Func        string     // the function it was raised in, if it has a name
	Source      string     // the source line, if known
	Kind        Kind
	Uncatchable bool   // passes through pcall
	GoStack     string // panics only
}

// Error is the message alone; see Full.
func (e *Error) Error() string { return e.Message }

// Full is everything there is to read about the error: the message, the source
// line with a caret where the column is known, the traceback, and the Go stack
// of a panic. It is the only place that formats errors for people.
func (e *Error) Full() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Source != "" {
		text := strings.TrimRight(e.Source, " \t\r")
		lead := fmt.Sprintf("\n  %d | ", e.Line)
		b.WriteString(lead)
		b.WriteString(text)
		if e.Column > 0 {
			b.WriteByte('\n')
			b.WriteString(strings.Repeat(" ", len(lead)-1))
			for i := 0; i < e.Column-1 && i < len(text); i++ {
				if text[i] == '\t' {
					b.WriteByte('\t') // so that the caret stands under its column
				} else {
					b.WriteByte(' ')
				}
			}
			b.WriteByte('^')
		}
	}
	if e.Traceback != "" {
		b.WriteByte('\n')
		b.WriteString(e.Traceback)
	}
	if e.GoStack != "" {
		b.WriteString("\ngo stack:\n")
		b.WriteString(strings.TrimRight(e.GoStack, "\n"))
	}
	return b.String()
}

// describe makes the Error of a value raised on L whose frames are alive.
func (v *VM) describe(L *lua.LState, lv lua.LValue) *Error {
	if e := fatal(lv); e != nil {
		return e
	}
	e := &Error{Value: lv, Message: v.text(L, lv)}
	e.locate(L, 0)
	e.Traceback = traceback(L, 0)
	return e
}

// text is the error value as a person reads it.
func (v *VM) text(L *lua.LState, lv lua.LValue) string {
	switch x := lv.(type) {
	case lua.LString:
		return string(x)
	case lua.LNumber:
		return numberText(x)
	}
	if fn, ok := L.GetMetaField(lv, "__tostring").(*lua.LFunction); ok {
		if t := v.tryGuard(L); t != nil {
			t.L.Push(fn)
			t.L.Push(lv)
			if _, ok := t.run(1); ok {
				s, isText := t.L.Get(1).(lua.LString)
				v.endGuard(t)
				if isText {
					return string(s)
				}
			} else {
				v.endGuard(t)
			}
		}
	}
	return fmt.Sprintf("(error object is a %s value)", lv.Type())
}

// locate fills in where L stands: the innermost Lua function at or above level.
func (e *Error) locate(L *lua.LState, level int) {
	for c := start(L); c.ok(); c.next() {
		if level--; level >= 0 || c.tail() || c.f.Fn.IsG {
			continue
		}
		e.File, e.Line, e.Func = c.f.Fn.Proto.SourceName, c.f.Line(), c.name()
		if v := Of(L); v != nil && v.loader != nil {
			e.Source = v.loader.sourceLine(e.File, e.Line)
		}
		return
	}
}

// sourceLineOf cuts line n, counted from 1, out of src.
func sourceLineOf(src string, n int) string {
	for ; n > 1; n-- {
		i := strings.IndexByte(src, '\n')
		if i < 0 {
			return ""
		}
		src = src[i+1:]
	}
	if i := strings.IndexByte(src, '\n'); i >= 0 {
		src = src[:i]
	}
	if len(src) > 400 {
		src = src[:400] // a minified file is one endless line
	}
	return strings.TrimRight(src, "\r")
}
