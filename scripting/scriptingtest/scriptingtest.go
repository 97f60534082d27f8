// Package scriptingtest runs pieces of Lua in a real VM, for the tests of Lua
// modules.
//
// Run and Fail run the code as a script's top level, where nothing can wait:
// cheap enough for tables of cases and for fuzzing. Live runs it in a worker of
// a server that listens on the loopback, where it may wait as a callback does.
package scriptingtest

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"swoon/scripting"
)

// Name is what messages call the script, with the line behind it.
const Name = "app.lua"

// patience is how long a live script may take on a busy machine.
const patience = 60 * time.Second

// output collects what a script prints. Any goroutine.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// load runs code as the top level of a script. The callback that a server must
// have stands behind it, so that line 1 of code is line 1 of the script.
func load(t testing.TB, modules []scripting.Module, code string) (*scripting.Host, *output, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), Name)
	if err := os.WriteFile(path, []byte(code+"\nfunction onReceive() end\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := new(output)
	h, err := scripting.New(scripting.Options{Script: path, Modules: modules, Out: out, NoReload: true,
		Flags: [][2]string{{"port", "0"}, {"worker_num", "1"}}})
	return h, out, err
}

// Run runs code as a script's top level and returns what it printed, without
// the last newline. An error of the script fails the test.
func Run(t testing.TB, modules []scripting.Module, code string) string {
	t.Helper()
	_, out, err := load(t, modules, code)
	if err != nil {
		t.Fatalf("%v\n%s", err, code)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// Fail runs code as a script's top level and returns the message of the error
// that it must end with, such as "app.lua:1: bad argument ...".
func Fail(t testing.TB, modules []scripting.Module, code string) string {
	t.Helper()
	_, out, err := load(t, modules, code)
	if err == nil {
		t.Fatalf("no error, and it printed %q\n%s", out, code)
	}
	return message(err)
}

// message is the first line of an error, without the traceback behind it.
func message(err error) string {
	var load *scripting.LoadError
	if errors.As(err, &load) && load.Err != nil {
		return load.Err.Message
	}
	return err.Error()
}

// Live runs code in a worker of a server, as onWorkerStart, waits until it has
// returned, stops the server and returns what was printed, without the last
// newline. An error of the script fails the test.
func Live(t testing.TB, modules []scripting.Module, code string) string {
	t.Helper()
	h, out, err := load(t, modules, "function onWorkerStart() "+code+"\nend")
	if err != nil {
		t.Fatalf("%v\n%s", err, code)
	}
	started := make(chan error, 1)
	go func() { started <- h.Start(slog.New(slog.DiscardHandler)) }()
	select {
	case err = <-started:
	case <-time.After(patience):
		h.RequestStop(0)
		t.Fatalf("the script did not end; it printed %q\n%s", out, code)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, code)
	}
	h.RequestStop(0)
	h.Wait()
	return strings.TrimSuffix(out.String(), "\n")
}
