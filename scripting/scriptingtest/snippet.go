package scriptingtest

import (
	"errors"
	"strings"
	"testing"

	"swoon/scripting"
)

// Eval runs code as a script's top level, where nothing can wait, and returns
// what it printed without the last newline: cheap enough for tables of cases.
// An error of the code fails the test.
func Eval(t testing.TB, modules []scripting.Module, code string) string {
	t.Helper()
	out, err := eval(t, modules, code)
	if err != nil {
		t.Fatalf("%v\n%s", err, code)
	}
	return out
}

// EvalError is Eval for code that must fail; it returns the message of the
// error, such as "app.lua:1: bad argument ...".
func EvalError(t testing.TB, modules []scripting.Module, code string) string {
	t.Helper()
	out, err := eval(t, modules, code)
	if err == nil {
		t.Fatalf("no error, and it printed %q\n%s", out, code)
	}
	var load *scripting.LoadError
	if errors.As(err, &load) && load.Err != nil {
		return load.Err.Message
	}
	return err.Error()
}

// eval puts the callback that a server must have behind code, so that line 1 of
// code is line 1 of the script.
func eval(t testing.TB, modules []scripting.Module, code string) (string, error) {
	t.Helper()
	s, err := Load(t, modules, code+"\nfunction onReceive() end\n")
	return strings.TrimSuffix(s.Out.String(), "\n"), err
}
