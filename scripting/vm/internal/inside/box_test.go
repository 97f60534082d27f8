package inside

import (
	"math"
	"runtime"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func TestBoxes(t *testing.T) {
	for _, f := range []float64{0, math.Copysign(0, -1), 1, 255, 256, -7.5, 1 << 53, math.Inf(1), math.MaxFloat64} {
		v := lua.LValue(lua.LNumber(f))
		p := Plain(v)
		back := Lua(p)
		runtime.GC()
		if got, ok := p.(float64); !ok || math.Float64bits(got) != math.Float64bits(f) {
			t.Errorf("%v is %T %v", f, p, p)
		}
		if got, ok := back.(lua.LNumber); !ok || back.Type() != lua.LTNumber || math.Float64bits(float64(got)) != math.Float64bits(f) {
			t.Errorf("%v comes back as %T %v", f, back, back)
		}
	}
	for _, s := range []string{"", "x", "\x00\xff", strings.Repeat("long ", 1000)} {
		s = strings.Clone(s)
		p := Plain(lua.LString(s))
		back := Lua(p)
		runtime.GC()
		if got, ok := p.(string); !ok || got != s {
			t.Errorf("%q is %T %q", s, p, p)
		}
		if got, ok := back.(lua.LString); !ok || back.String() != s || string(got) != s {
			t.Errorf("%q comes back as %T %q", s, back, back)
		}
	}
	number, text := lua.LValue(lua.LNumber(1e9)), lua.LValue(lua.LString("text"))
	if n := testing.AllocsPerRun(100, func() {
		if Lua(Plain(number)) != number || Lua(Plain(text)) != text {
			t.Error("it is another value")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
