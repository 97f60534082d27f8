package scriptingtest

import (
	"testing"

	"swoon/scripting"
	"swoon/stdlib/co"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	if got := Run(t, nil, `print("a", 1) print("b")`); got != "a\t1\nb" {
		t.Errorf("printed %q", got)
	}
	if got, want := Fail(t, nil, "\nerror('no')"), "app.lua:2: no"; got != want {
		t.Errorf("failed with %q, want %q", got, want)
	}
}

func TestLive(t *testing.T) {
	got := Live(t, []scripting.Module{co.Module}, `local co = require "co"
		co.sleep(0.01)
		print("end")`)
	if got != "end" {
		t.Errorf("printed %q", got)
	}
}
