package crypto

import (
	"encoding/base64"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var (
	std = base64.StdEncoding
	url = base64.RawURLEncoding
)

// malformed is the failure of a decoder.
func malformed(in *scripting.Instance, L *lua.LState, err string) int {
	return in.Fail(L, &scripting.Errno{Name: "malformed", Code: 74, Text: err})
}

// encodeWith makes a function of an encoder; size is how long its result is.
func encodeWith(name string, size func(n int) int, encode func([]byte) string) func(*scripting.Instance, *lua.LState) int {
	return func(_ *scripting.Instance, L *lua.LState) int {
		s := L.CheckString(1)
		if n := size(len(s)); n > vm.DefaultMaxString {
			vm.Raise(L, "crypto.%s: resulting string too large (%d bytes, limit %d)", name, n, vm.DefaultMaxString)
		}
		L.Push(lua.LString(encode([]byte(s))))
		return 1
	}
}

func decodeWith(decode func(string) ([]byte, error)) func(*scripting.Instance, *lua.LState) int {
	return func(in *scripting.Instance, L *lua.LState) int {
		b, err := decode(L.CheckString(1))
		if err != nil {
			return malformed(in, L, err.Error())
		}
		L.Push(lua.LString(b))
		return 1
	}
}
