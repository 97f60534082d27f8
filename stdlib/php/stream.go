package php

import (
	"os"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/internal/stdin"

	lua "github.com/yuin/gopher-lua"
)

// stream is STDIN, STDOUT or STDERR.
type stream struct{ input bool }

// StandardInput reports whether it is STDIN, for swoole.event.
func (s *stream) StandardInput() bool { return s.input }

var streamType = &scripting.Type{
	Name: "stream",
	Doc:  "One of STDIN, STDOUT and STDERR, for fgets and fwrite. What is written to STDERR goes where STDOUT goes.",
}

// input is where fgets reads; a test has another.
var input = stdin.Process

// streamArg is argument 1 of what as a stream to read from or to write to.
func streamArg(L *lua.LState, what string, reads bool) {
	s, ok := scripting.Arg[*stream](L, 1)
	if !ok {
		vm.Raise(L, "bad argument #1 'stream' to 'php.%s' (STDIN, STDOUT or STDERR expected, got %s; files are opened with io.open)", what, kindOf(L, 1))
	}
	if s.input != reads {
		name, does := "STDOUT", "written to"
		if s.input {
			name, does = "STDIN", "read from"
		}
		vm.Raise(L, "bad argument #1 'stream' to 'php.%s' (%s can only be %s)", what, name, does)
	}
}

func write(what string) scripting.Func {
	return row(what, "stream any, data string", "number", "Writes to the script's output as echo does; the result is how many bytes.", func(in *scripting.Instance, L *lua.LState) int {
		streamArg(L, what, false)
		s := text(L, 2)
		in.Write(s)
		L.Push(vm.Int(len(s)))
		return 1
	})
}

var streamFuncs = []scripting.Func{
	write("fwrite"), write("fputs"),
	row("fgets", "stream any, length number?", "string|false", "The next line of STDIN with its newline, or its first length - 1 bytes; false at its end. The callback waits, and others run meanwhile. All workers read the same input: each line goes to one of those who wait.", func(in *scripting.Instance, L *lua.LState) int {
		streamArg(L, "fgets", true)
		in.MustRun(L, "php.fgets")
		most := optional(L, 2, "fgets", "length")
		if most != nil && *most < 2 {
			vm.Raise(L, "bad argument #2 'length' to 'php.fgets' (2 or more expected, got %d)", *most)
		}
		in.FlushOutput()
		line, ok, _ := input.Line(in, L, "php.fgets", 0)
		if !ok {
			L.Push(lua.LFalse)
			return 1
		}
		if most != nil && len(line) >= *most {
			input.Unread(line[*most-1:])
			line = line[:*most-1]
		}
		L.Push(lua.LString(line))
		return 1
	}),
	row("feof", "stream any", "boolean", "Whether fgets has come to the end of STDIN.", func(_ *scripting.Instance, L *lua.LState) int {
		streamArg(L, "feof", true)
		L.Push(lua.LBool(input.AtEnd()))
		return 1
	}),
	row("fflush", "stream any", "boolean", "Shows what has been written of an unfinished line.", func(in *scripting.Instance, L *lua.LState) int {
		streamArg(L, "fflush", false)
		in.FlushOutput()
		L.Push(lua.LTrue)
		return 1
	}),
}

var processFuncs = []scripting.Func{
	pure("getmypid", "", "number", "The process id.", func(*lua.LState) lua.LValue { return vm.Int(os.Getpid()) }),
	pure("gethostname", "", "string|false", "The name of the machine.", func(*lua.LState) lua.LValue {
		name, err := os.Hostname()
		if err != nil {
			return lua.LFalse
		}
		return lua.LString(name)
	}),
	pure("getenv", "name string", "string|false", "A variable of the environment; false if it is not set.", func(L *lua.LState) lua.LValue {
		if s, ok := os.LookupEnv(text(L, 1)); ok {
			return lua.LString(s)
		}
		return lua.LFalse
	}),
	row("call_user_func", "callback function, ... any", "any", "callback(...).", func(_ *scripting.Instance, L *lua.LState) int {
		return callAll(L, rest(L, 2))
	}),
	row("call_user_func_array", "callback function, args any", "any", "The callback with a list of arguments.", func(_ *scripting.Instance, L *lua.LState) int {
		list, _ := vm.Shape(table(L, 2, "call_user_func_array", "args"))
		if len(list) > 8000 {
			vm.Raise(L, "php.call_user_func_array: more than 8000 arguments")
		}
		return callAll(L, append([]lua.LValue(nil), list...))
	}),
	exit("exit"), exit("die"),
}

func callAll(L *lua.LState, args []lua.LValue) int {
	fn := L.CheckFunction(1)
	L.SetTop(0)
	L.Push(fn)
	for _, a := range args {
		L.Push(a)
	}
	L.Call(len(args), lua.MultRet)
	return L.GetTop()
}

// exit shuts the server down as os.exit does.
func exit(name string) scripting.Func {
	return row(name, "status any", "", "Ends the callback and shuts the server down gracefully. A number is the exit code; a string is written first, and the code is 0.", func(in *scripting.Instance, L *lua.LState) int {
		code := 0
		if n, ok := L.Get(1).(lua.LNumber); ok {
			if n != lua.LNumber(int(n)) || n < 0 || n > 254 {
				vm.Raise(L, "bad argument #1 'status' to 'php.%s' (a string, or a number from 0 to 254, expected, got %s)", name, n.String())
			}
			code = int(n)
		} else {
			in.Write(text(L, 1))
		}
		in.FlushOutput()
		L.SetTop(0)
		L.Push(L.G.Global.RawGetString("os").(*lua.LTable).RawGetString("exit"))
		L.Push(vm.Int(code))
		L.Call(1, 0)
		return 0
	})
}
