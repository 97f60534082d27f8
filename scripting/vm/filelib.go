package vm

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	lua "github.com/yuin/gopher-lua"
)

// noInput raises the error of every attempt to read the console.
func noInput(L *lua.LState) {
	Raise(L, "io.stdin is not available in Swoon: a server has no standard input; open a file with io.open")
}

// item is one result of a read.
type item struct {
	text   string
	number float64
	isNum  bool
	ok     bool
}

func (v *VM) fileRead(L *lua.LState) int {
	x, c := self(L)
	if c != nil {
		noInput(L)
	}
	top := max(L.GetTop(), 2)
	if top == 2 && wantsLine(L, 2) {
		if s, ok := x.readyLine(); ok {
			L.Push(lua.LString(s)) // it was in memory: no reason to wait
			return 1
		}
	}
	var plan []func() (item, error)
	for i := 2; i <= top; i++ {
		plan = append(plan, v.reader(L, x, i))
	}
	var got []item
	err := v.onFile(L, "file:read", x, func() error {
		if err := x.toRead(); err != nil {
			return err
		}
		for _, read := range plan {
			it, err := read()
			if err != nil {
				return err
			}
			if got = append(got, it); !it.ok {
				break
			}
		}
		return nil
	})
	if errors.Is(err, errTooMuch) {
		Raise(L, "string too large (limit %d bytes): read the file in pieces", v.opt.MaxString)
	}
	if err != nil {
		return failure(L, "", err)
	}
	for _, it := range got {
		switch {
		case !it.ok:
			L.Push(lua.LNil)
		case it.isNum:
			L.Push(lua.LNumber(it.number))
		default:
			L.Push(lua.LString(it.text))
		}
	}
	return len(got)
}

func wantsLine(L *lua.LState, i int) bool {
	switch L.Get(i) {
	case lua.LNil, lua.LString("*l"), lua.LString("l"):
		return true
	}
	return false
}

// reader translates one format of read.
func (v *VM) reader(L *lua.LState, x *file, i int) func() (item, error) {
	text := func(s string, ok bool, err error) (item, error) { return item{text: s, ok: ok}, err }
	if wantsLine(L, i) {
		return func() (item, error) { return text(x.readLine()) }
	}
	if n, ok := L.Get(i).(lua.LNumber); ok {
		return func() (item, error) { return text(x.readSome(int64(max(0, toInt(float64(n)))))) }
	}
	s, _ := L.Get(i).(lua.LString)
	switch s {
	case "*a", "a":
		return func() (item, error) {
			s, _, err := x.readSome(1 << 62)
			return item{text: s, ok: true}, err
		}
	case "*n", "n":
		return func() (item, error) {
			f, ok, err := x.readNumber()
			return item{number: f, isNum: true, ok: ok}, err
		}
	}
	argError(L, i, "invalid option")
	return nil
}

func (v *VM) fileWrite(L *lua.LState) int {
	if ud, ok := L.Get(1).(*lua.LUserData); ok {
		if c, ok := ud.Value.(*console); ok {
			if c.input {
				noInput(L)
			}
			return v.writeOut(L, 2)
		}
	}
	x, _ := self(L)
	var all string
	for i := 2; i <= L.GetTop(); i++ {
		all += checkString(L, i)
	}
	err, done := x.writeBuffered(all)
	if !done {
		err = v.onFile(L, "file:write", x, func() error { return x.write(all) })
	}
	if err != nil {
		return failure(L, "", err)
	}
	L.Push(lua.LTrue)
	return 1
}

func (v *VM) writeOut(L *lua.LState, first int) int {
	for i := first; i <= L.GetTop(); i++ {
		v.write(checkString(L, i))
	}
	L.Push(lua.LTrue)
	return 1
}

func (v *VM) fileLines(L *lua.LState) int {
	x, c := self(L)
	if c != nil {
		noInput(L)
	}
	L.Push(v.lines(L.Get(1), x, false))
	return 1
}

func (v *VM) ioLines(L *lua.LState) int {
	if L.Get(1) == lua.LNil {
		noInput(L)
	}
	path := checkString(L, 1)
	x, err := v.open(L, path, "r")
	if err != nil {
		argError(L, 1, path+": "+reason(err))
	}
	L.Push(v.lines(v.userdata(x), x, true))
	return 1
}

// lines makes the iterator; one that io.lines opened closes its file at the end.
func (v *VM) lines(ud lua.LValue, x *file, own bool) *lua.LFunction {
	return v.Function(func(L *lua.LState) int {
		L.SetTop(0)
		L.Push(ud)
		if own && x.isClosed() {
			Raise(L, "file is already closed")
		}
		n := v.fileRead(L)
		if L.Get(-n) != lua.LNil {
			return n
		}
		if n > 1 {
			Raise(L, "%s", L.Get(-n+1).String())
		}
		if own {
			_ = v.onFile(L, "file:close", x, x.close)
		}
		L.Push(lua.LNil)
		return 1
	})
}

func (v *VM) fileSeek(L *lua.LState) int {
	x, c := self(L)
	if c != nil {
		return failure(L, "", syscall.ESPIPE)
	}
	whence := io.SeekCurrent
	i := 2
	if s, ok := L.Get(2).(lua.LString); ok {
		i = 3
		switch s {
		case "set":
			whence = io.SeekStart
		case "cur":
		case "end":
			whence = io.SeekEnd
		default:
			argError(L, 2, fmt.Sprintf("invalid option '%s'", string(s)))
		}
	}
	offset := int64(optInt(L, i, 0))
	var pos int64
	if err := v.onFile(L, "file:seek", x, func() (err error) {
		pos, err = x.seek(whence, offset)
		return err
	}); err != nil {
		return failure(L, "", err)
	}
	L.Push(lua.LNumber(pos))
	return 1
}

func (v *VM) fileClose(L *lua.LState) int {
	x, c := self(L)
	if c != nil {
		Raise(L, "cannot close standard file")
	}
	return v.finish(L, x, "file:close", x.close)
}

func (v *VM) fileFlush(L *lua.LState) int {
	x, c := self(L)
	if c != nil {
		v.FlushOutput()
		L.Push(lua.LTrue)
		return 1
	}
	return v.finish(L, x, "file:flush", x.flush)
}

func (v *VM) finish(L *lua.LState, x *file, what string, f func() error) int {
	if err := v.onFile(L, what, x, f); err != nil {
		return failure(L, "", err)
	}
	L.Push(lua.LTrue)
	return 1
}

func (v *VM) fileSetvbuf(L *lua.LState) int {
	x, _ := self(L)
	mode := checkString(L, 2)
	if mode != "no" && mode != "full" && mode != "line" {
		argError(L, 2, "invalid option '"+mode+"'")
	}
	if x != nil {
		return v.finish(L, x, "file:setvbuf", func() error {
			x.raw, x.line = mode == "no", mode == "line"
			return x.flush()
		})
	}
	L.Push(lua.LTrue)
	return 1
}

func (v *VM) fileString(L *lua.LState) int {
	ud, ok := L.Get(1).(*lua.LUserData)
	if !ok {
		typeError(L, 1, "FILE*")
	}
	s := fmt.Sprintf("file (%p)", ud)
	if x, ok := ud.Value.(*file); ok && x.isClosed() {
		s = "file (closed)"
	}
	L.Push(lua.LString(s))
	return 1
}
