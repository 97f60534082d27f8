package vm

import (
	"context"
	"errors"
	"syscall"

	lua "github.com/yuin/gopher-lua"
)

// openIo offers files, whose work is done off the loop, and the script's
// standard output, which goes to the host line by line. There is no input.
func (v *VM) openIo() {
	m := v.L.CreateTable(0, 16)
	v.fileMeta = m
	m.RawSetString("__index", m)
	for name, fn := range map[string]lua.LGFunction{
		"read": v.fileRead, "write": v.fileWrite, "lines": v.fileLines, "seek": v.fileSeek,
		"close": v.fileClose, "flush": v.fileFlush, "setvbuf": v.fileSetvbuf, "__tostring": v.fileString,
	} {
		m.RawSetString(name, v.Function(fn))
	}
	t := v.register("io", map[string]lua.LGFunction{
		"open": v.ioOpen, "lines": v.ioLines, "type": ioType,
		"write": func(L *lua.LState) int { return v.writeOut(L, 1) },
		"flush": func(L *lua.LState) int { v.FlushOutput(); L.Push(lua.LTrue); return 1 },
		"close": func(L *lua.LState) int {
			if L.Get(1) == lua.LNil {
				Raise(L, "cannot close standard file")
			}
			return v.fileClose(L)
		},
		"output": func(L *lua.LState) int {
			if L.Get(1) != lua.LNil {
				Raise(L, "io.output cannot be changed in Swoon: it would change for every client of this worker; use file:write")
			}
			L.Push(v.stdout)
			return 1
		},
	})
	const input = "a server has no standard input; open a file with io.open"
	for name, hint := range map[string]string{
		"read": input, "input": input,
		"popen":   "a child process would stall every client of this worker; use require 'process'",
		"tmpfile": "use require 'fs'",
	} {
		t.RawSetString(name, v.Function(unavailable("io."+name, hint)))
	}
	v.stdout = v.userdata(&console{})
	t.RawSetString("stdout", v.stdout)
	t.RawSetString("stderr", v.stdout)
	t.RawSetString("stdin", v.userdata(&console{input: true}))
}

// console stands for stdout, stderr and, refusing everything, stdin.
type console struct{ input bool }

func (v *VM) userdata(x any) *lua.LUserData {
	return &lua.LUserData{Value: x, Env: v.L.G.Global, Metatable: v.fileMeta}
}

// self is argument 1 as an open file; c is set instead for the console.
func self(L *lua.LState) (x *file, c *console) {
	ud, ok := L.Get(1).(*lua.LUserData)
	if ok {
		switch f := ud.Value.(type) {
		case *console:
			return nil, f
		case *file:
			if f.isClosed() {
				Raise(L, "attempt to use a closed file")
			}
			return f, nil
		}
	}
	typeError(L, 1, "FILE*")
	return nil, nil
}

// onFile does f's work off the loop while the fiber waits.
func (v *VM) onFile(L *lua.LState, what string, x *file, f func() error) error {
	var err error
	wait := v.block(L, what+" "+x.path, func(context.Context) {
		x.mu.Lock()
		defer x.mu.Unlock()
		err = f()
	})
	if wait != nil {
		Raise(L, "%s", wait.Error())
	}
	return err
}

// failure is nil, message, number: what io functions answer.
func failure(L *lua.LState, path string, err error) int {
	msg := reason(err)
	if path != "" {
		msg = path + ": " + msg
	}
	n := 0
	var no syscall.Errno
	if errors.As(err, &no) {
		n = int(no)
	} else if errors.Is(err, errBadMode) {
		n = int(syscall.EBADF)
	}
	L.Push(lua.LNil)
	L.Push(lua.LString(msg))
	L.Push(lua.LNumber(n))
	return 3
}

func (v *VM) open(L *lua.LState, path, mode string) (x *file, err error) {
	wait := v.block(L, "io.open "+path, func(context.Context) { x, err = openFile(path, mode, v.opt.MaxString) })
	if wait != nil {
		Raise(L, "%s", wait.Error())
	}
	return x, err
}

func (v *VM) ioOpen(L *lua.LState) int {
	path, mode := checkString(L, 1), "r"
	if L.Get(2) != lua.LNil {
		mode = checkString(L, 2)
	}
	x, err := v.open(L, path, mode)
	if err != nil {
		return failure(L, path, err)
	}
	L.Push(v.userdata(x))
	return 1
}

func ioType(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 1, "value expected")
	}
	what := lua.LValue(lua.LNil)
	if ud, ok := L.Get(1).(*lua.LUserData); ok {
		switch f := ud.Value.(type) {
		case *console:
			what = lua.LString("file")
		case *file:
			what = lua.LString("file")
			if f.isClosed() {
				what = lua.LString("closed file")
			}
		}
	}
	L.Push(what)
	return 1
}
