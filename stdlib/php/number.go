package php

import (
	"math"
	"math/rand/v2"
	"strconv"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// function makes a function of one number.
func function(name, doc string, f func(x float64) float64) scripting.Func {
	return pure(name, "num number", "number", doc, func(L *lua.LState) lua.LValue { return lua.LNumber(f(number(L, 1, 0))) })
}

// largestRandom is PHP's getrandmax.
const largestRandom = math.MaxInt32

var numberFuncs = []scripting.Func{
	function("abs", "The number without its sign.", math.Abs),
	function("floor", "The next whole number down.", math.Floor),
	function("ceil", "The next whole number up.", math.Ceil),
	function("sqrt", "The square root.", math.Sqrt),
	function("exp", "e to the power of the number.", math.Exp),
	pure("round", "num number, precision number?", "number", "The number rounded to so many decimals (0), half away from zero; a negative precision rounds before the point.", func(L *lua.LState) lua.LValue {
		return lua.LNumber(round(number(L, 1, 0), whole(L, 2, "round", "precision", 0)))
	}),
	pure("pow", "num number, exponent number", "number", "The number to the power of the exponent.", func(L *lua.LState) lua.LValue {
		return lua.LNumber(math.Pow(number(L, 1, 0), number(L, 2, 0)))
	}),
	pure("log", "num number, base number?", "number", "The logarithm, to base e or another.", func(L *lua.LState) lua.LValue {
		x := math.Log(number(L, 1, 0))
		if L.Get(2) != lua.LNil {
			x /= math.Log(number(L, 2, 0))
		}
		return lua.LNumber(x)
	}),
	pure("intdiv", "num1 number, num2 number", "number", "The quotient of two whole numbers, towards zero. Division by 0 is an error.", func(L *lua.LState) lua.LValue {
		a, b := math.Trunc(number(L, 1, 0)), math.Trunc(number(L, 2, 0))
		if b == 0 {
			vm.Raise(L, "php.intdiv: division by zero")
		}
		return toInt(a / b)
	}),
	pure("fmod", "num1 number, num2 number", "number", "What is left of a division, with the sign of the first number.", func(L *lua.LState) lua.LValue {
		return lua.LNumber(math.Mod(number(L, 1, 0), number(L, 2, 0)))
	}),
	pure("pi", "", "number", "3.1415926535898.", func(*lua.LState) lua.LValue { return lua.LNumber(math.Pi) }),
	function("deg2rad", "Degrees as radians.", func(x float64) float64 { return x / 180 * math.Pi }),
	function("rad2deg", "Radians as degrees.", func(x float64) float64 { return x / math.Pi * 180 }),
	pure("is_nan", "num number", "boolean", "Whether the number is nan.", func(L *lua.LState) lua.LValue { return lua.LBool(math.IsNaN(number(L, 1, 0))) }),
	pure("is_infinite", "num number", "boolean", "Whether the number is infinite.", func(L *lua.LState) lua.LValue { return lua.LBool(math.IsInf(number(L, 1, 0), 0)) }),
	pure("is_finite", "num number", "boolean", "Whether the number is neither infinite nor nan.", func(L *lua.LState) lua.LValue {
		f := number(L, 1, 0)
		return lua.LBool(!math.IsInf(f, 0) && f == f)
	}),
	random("rand"), random("mt_rand"),
	pure("random_int", "min number, max number", "number", "A random whole number from min to max. For keys and tokens use the module crypto.", func(L *lua.LState) lua.LValue { return between(L, "random_int") }),
	pure("getrandmax", "", "number", "The largest number that rand() gives, 2147483647.", func(*lua.LState) lua.LValue { return lua.LNumber(largestRandom) }),
	pure("mt_getrandmax", "", "number", "The largest number that mt_rand() gives, 2147483647.", func(*lua.LState) lua.LValue { return lua.LNumber(largestRandom) }),
	toBase("dechex", "hexadecimal", 16), toBase("decbin", "binary", 2), toBase("decoct", "octal", 8),
	fromBase("hexdec", "hexadecimal", 16), fromBase("bindec", "binary", 2), fromBase("octdec", "octal", 8),
}

func random(name string) scripting.Func {
	return pure(name, "min number?, max number?", "number", "A random whole number from min to max, or from 0 to 2147483647. The numbers cannot be guessed from one another, and there is no seed to set.", func(L *lua.LState) lua.LValue {
		if L.Get(1) == lua.LNil && L.Get(2) == lua.LNil {
			return lua.LNumber(rand.IntN(largestRandom + 1))
		}
		return between(L, name)
	})
}

func between(L *lua.LState, what string) lua.LValue {
	if L.Get(1) == lua.LNil || L.Get(2) == lua.LNil {
		vm.Raise(L, "php.%s: give min and max, or neither", what)
	}
	from, to := whole(L, 1, what, "min", 0), whole(L, 2, what, "max", 0)
	if from > to {
		vm.Raise(L, "php.%s: min (%d) is greater than max (%d)", what, from, to)
	}
	return lua.LNumber(from + rand.IntN(to-from+1))
}

func toBase(name, kind string, base int) scripting.Func {
	return pure(name, "num number", "string", "The number in "+kind+" digits.", func(L *lua.LState) lua.LValue {
		return lua.LString(strconv.FormatUint(uint64(int64(whole(L, 1, name, "num", 0))), base))
	})
}

func fromBase(name, kind string, base int) scripting.Func {
	return pure(name, "string string", "number", "The number that "+kind+" digits stand for; other characters are passed over.", func(L *lua.LState) lua.LValue {
		n := 0.0
		for _, c := range []byte(lower(text(L, 1))) {
			d := int(c) - '0'
			if c >= 'a' && c <= 'f' {
				d = int(c-'a') + 10
			}
			if d >= 0 && d < base {
				n = n*float64(base) + float64(d)
			}
		}
		return lua.LNumber(n)
	})
}
