package vm

import (
	"math"
	"math/rand/v2"

	lua "github.com/yuin/gopher-lua"
)

// openMath builds the math library. Each VM has a random source of its own.
func (v *VM) openMath() {
	v.random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	t := v.register("math", map[string]lua.LGFunction{
		"atan2": math2(math.Atan2),
		"fmod":  math2(math.Mod),
		"mod":   math2(math.Mod), // its name in Lua 5.0
		"pow":   math2(math.Pow),
		"max":   func(L *lua.LState) int { return extreme(L, func(a, b float64) bool { return a > b }) },
		"min":   func(L *lua.LState) int { return extreme(L, func(a, b float64) bool { return a < b }) },
		"modf":  mathModf,
		"frexp": func(L *lua.LState) int {
			m, e := math.Frexp(checkNumber(L, 1))
			L.Push(lua.LNumber(m))
			L.Push(lua.LNumber(e))
			return 2
		},
		"ldexp": func(L *lua.LState) int {
			e := min(max(checkInt(L, 2), -1<<20), 1<<20)
			L.Push(lua.LNumber(math.Ldexp(checkNumber(L, 1), e)))
			return 1
		},
		"random":     v.mathRandom,
		"randomseed": v.mathRandomSeed,
	})
	const degree = math.Pi / 180
	for name, fn := range map[string]func(float64) float64{
		"abs": math.Abs, "acos": math.Acos, "asin": math.Asin, "atan": math.Atan, "ceil": math.Ceil, "cos": math.Cos,
		"cosh": math.Cosh, "exp": math.Exp, "floor": math.Floor, "log": math.Log, "log10": math.Log10, "sin": math.Sin,
		"sinh": math.Sinh, "sqrt": math.Sqrt, "tan": math.Tan, "tanh": math.Tanh,
		"deg": func(x float64) float64 { return x / degree },
		"rad": func(x float64) float64 { return x * degree },
	} {
		t.RawSetString(name, v.Function(func(L *lua.LState) int {
			L.Push(lua.LNumber(fn(checkNumber(L, 1))))
			return 1
		}))
	}
	t.RawSetString("pi", lua.LNumber(math.Pi))
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
}

func math2(fn func(a, b float64) float64) lua.LGFunction {
	return func(L *lua.LState) int {
		a := checkNumber(L, 1)
		L.Push(lua.LNumber(fn(a, checkNumber(L, 2))))
		return 1
	}
}

func extreme(L *lua.LState, better func(a, b float64) bool) int {
	best := checkNumber(L, 1)
	for i := 2; i <= L.GetTop(); i++ {
		if f := checkNumber(L, i); better(f, best) {
			best = f
		}
	}
	L.Push(lua.LNumber(best))
	return 1
}

// mathModf keeps the sign on both parts, and gives infinity no fraction, as C.
func mathModf(L *lua.LState) int {
	x := checkNumber(L, 1)
	whole := math.Trunc(x)
	part := x - whole
	if math.IsInf(x, 0) {
		part = 0
	}
	L.Push(lua.LNumber(whole))
	L.Push(lua.LNumber(math.Copysign(part, x)))
	return 2
}

// mathRandomSeed starts the sequence that belongs to a number: the same on
// every machine and in every version.
func (v *VM) mathRandomSeed(L *lua.LState) int {
	seed := math.Float64bits(checkNumber(L, 1))
	v.random = rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
	return 0
}

func (v *VM) mathRandom(L *lua.LState) int {
	lo, hi := 1, 0
	switch L.GetTop() {
	case 0:
		L.Push(lua.LNumber(v.random.Float64()))
		return 1
	case 1:
		if hi = checkInt(L, 1); hi < 1 {
			argError(L, 1, "interval is empty")
		}
	case 2:
		if lo, hi = checkInt(L, 1), checkInt(L, 2); lo > hi {
			argError(L, 2, "interval is empty")
		}
	default:
		Raise(L, "wrong number of arguments")
	}
	// toInt keeps both within 62 bits, so that the difference fits.
	L.Push(lua.LNumber(lo + int(v.random.Uint64N(uint64(hi-lo)+1))))
	return 1
}
