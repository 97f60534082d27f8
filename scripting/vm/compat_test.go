package vm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testHost runs everything inline and keeps what was printed.
type testHost struct {
	out       bytes.Buffer
	exit      []int
	interrupt func(L *lua.LState)
	block     func(L *lua.LState, what string, f func(ctx context.Context)) error
}

func (h *testHost) Block(L *lua.LState, what string, f func(ctx context.Context)) error {
	if h.block != nil {
		return h.block(L, what, f)
	}
	f(context.Background())
	return nil
}
func (h *testHost) Print(line string) { h.out.WriteString(line + "\n") }
func (h *testHost) Exit(code int)     { h.exit = append(h.exit, code) }
func (h *testHost) Declaring() bool   { return false }
func (h *testHost) Interrupt(L *lua.LState) {
	if h.interrupt != nil {
		h.interrupt(L)
	}
}

func newVM(t testing.TB) (*VM, *testHost) {
	h := &testHost{}
	v := New(Options{Host: h, Dir: t.TempDir(), Script: "app.lua", Interrupt: new(atomic.Uint32), MaxString: 4 << 20})
	t.Cleanup(v.Close)
	return v, h
}

func (v *VM) do(t testing.TB, src string) *Error {
	t.Helper()
	c, err := Compile("", "@app.lua", []byte(src))
	if err != nil {
		t.Fatal(err.Full())
	}
	_, err = v.Call(c.Function(v), 0)
	v.FlushOutput()
	return err
}

// out runs src and returns what it printed; a failure of the chunk fails the test.
func out(t testing.TB, src string) string {
	t.Helper()
	v, h := newVM(t)
	if err := v.do(t, src); err != nil {
		t.Fatal(err.Full())
	}
	return h.out.String()
}

func realLua(t *testing.T) string {
	path, err := exec.LookPath("lua5.1")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("lua5.1 is not installed")
		}
		t.Skip("lua5.1 is not installed")
	}
	return path
}

var address = regexp.MustCompile(`(0x)[0-9a-f]+`)

// TestSameAsLua runs each file of testdata/compat by PUC Lua and by a VM, and
// compares what they print.
func TestSameAsLua(t *testing.T) {
	bin := realLua(t)
	files, _ := filepath.Glob("testdata/compat/*.lua")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".lua"), func(t *testing.T) {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "app.lua"), src, 0o666); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(bin, "app.lua")
			cmd.Dir = dir
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			want, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			t.Chdir(t.TempDir())
			here, _ := os.Getwd()
			h := &testHost{}
			v := New(Options{Host: h, Dir: here, Script: "app.lua"})
			defer v.Close()
			if err := v.do(t, string(src)); err != nil {
				t.Error(err.Full())
			}
			got := address.ReplaceAllString(h.out.String(), "$1")
			got = strings.ReplaceAll(got, here+"/", "./")
			// PUC Lua names what it finds by its path, ./x.lua.
			compare(t, strings.ReplaceAll(got, "./", ""), strings.ReplaceAll(address.ReplaceAllString(string(want), "$1"), "./", ""))
		})
	}
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	bad := 0
	for i := 0; i < max(len(g), len(w)); i++ {
		a, b := "<nothing>", "<nothing>"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			if bad++; bad > 8 {
				t.Fatal("...")
			}
			t.Errorf("line %d\n got: %s\nwant: %s", i+1, a, b)
		}
	}
}
