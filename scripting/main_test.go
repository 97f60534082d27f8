package scripting

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	lua "github.com/yuin/gopher-lua"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load runs the top level of a script as New does before anything listens.
func load(t testing.TB, script string, flags ...[2]string) (*Host, *bytes.Buffer, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.lua")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	out := new(bytes.Buffer)
	h, err := New(Options{Script: path, Out: out, Flags: flags})
	if h != nil {
		t.Cleanup(func() { h.gen.Load().control.vm.Close() })
	}
	return h, out, err
}

const receives = "function onReceive() end\n"

// newVM is the VM of a script that declares as little as it can.
func newVM(t testing.TB) *Instance {
	t.Helper()
	h, _, err := load(t, receives)
	if err != nil {
		t.Fatal(err)
	}
	in := h.gen.Load().control
	in.stage = live
	return in
}

// run runs Lua code in the VM and returns its results as text, tab between
// them; an error is its message behind "error: ".
func run(t testing.TB, in *Instance, code string) string {
	t.Helper()
	out, err := eval(t, in, code)
	if err != "" {
		return "error: " + err
	}
	var text []string
	for _, v := range out {
		text = append(text, v.String())
	}
	return strings.Join(text, "\t")
}

func eval(t testing.TB, in *Instance, code string) ([]lua.LValue, string) {
	t.Helper()
	load := in.vm.GetGlobal("loadstring").(*lua.LFunction)
	got, err := in.vm.Call(load, lua.MultRet, lua.LString(code), lua.LString("=test"))
	if err != nil {
		t.Fatal(err.Full())
	}
	fn, ok := got[0].(*lua.LFunction)
	if !ok {
		t.Fatalf("%s\n%s", got[1], code)
	}
	out, err := in.vm.Call(fn, lua.MultRet)
	if err != nil {
		return nil, err.Message
	}
	return out, ""
}
