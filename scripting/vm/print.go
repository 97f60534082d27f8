package vm

import (
	"bytes"
	"os"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxLine is how much of an unfinished line io.write keeps before it is
// printed as a line of its own.
const maxLine = 1 << 20

func (v *VM) openPrint() {
	v.SetGlobal("print", v.Function(func(L *lua.LState) int {
		var b strings.Builder
		for i := 1; i <= L.GetTop(); i++ {
			if i > 1 {
				b.WriteByte('\t')
			}
			b.WriteString(v.tostring(L, L.Get(i)))
		}
		v.printLine(b.String())
		return 0
	}))
}

// tostring is what the global of that name answers for lv.
func (v *VM) tostring(L *lua.LState, lv lua.LValue) string {
	switch x := lv.(type) {
	case lua.LString:
		return string(x)
	case lua.LNumber:
		return numberText(x)
	}
	switch x := L.ToStringMeta(lv).(type) {
	case lua.LString:
		return string(x)
	case lua.LNumber:
		return numberText(x)
	}
	Raise(L, "'tostring' must return a string")
	return ""
}

// printLine finishes the line that io.write may have begun.
func (v *VM) printLine(s string) {
	if len(v.out) > 0 {
		s = string(v.out) + s
		v.out = v.out[:0]
	}
	if v.host != nil {
		v.host.Print(s)
		return
	}
	_, _ = os.Stdout.WriteString(s + "\n") // no host: a test or a tool
}

// write is io.write: whole lines go out, the rest waits for its newline.
func (v *VM) write(s string) {
	for {
		i := strings.IndexByte(s, '\n')
		if i < 0 {
			break
		}
		v.printLine(s[:i])
		s = s[i+1:]
	}
	v.out = append(v.out, s...)
	if len(v.out) > maxLine {
		v.FlushOutput()
	}
}

// FlushOutput prints what io.write has buffered of an unfinished line.
func (v *VM) FlushOutput() {
	if len(v.out) == 0 {
		return
	}
	s := string(bytes.Clone(v.out))
	v.out = v.out[:0]
	v.printLine(s)
}

// unavailable makes the function that stands for one a server must not have.
func unavailable(name, hint string) lua.LGFunction {
	return func(L *lua.LState) int {
		Raise(L, "%s is not available in Swoon: %s", name, hint)
		return 0
	}
}
