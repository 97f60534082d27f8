package vm

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// logic is an expression of and, or, not and ==, or a leaf of which the value is known.
type logic struct {
	op    string // or the leaf's text
	l, r  *logic
	value string
}

var logicLeaves = []logic{
	{op: "a", value: "nil"}, {op: "b", value: "false"}, {op: "c", value: "7"}, {op: "u", value: "5"}, {op: "G", value: "nil"},
	{op: "nil", value: "nil"}, {op: "false", value: "false"}, {op: "true", value: "true"}, {op: "1", value: "1"}, {op: "'s'", value: "s"},
	{op: "(c == 7)", value: "true"}, {op: "(c < 3)", value: "false"}, {op: "f()", value: "8"}, {op: "g()", value: "nil"},
	{op: "t.x", value: "9"}, {op: "#'abc'", value: "3"}, {op: "(c+1)", value: "8"}, {op: "('x'..c)", value: "x7"},
}

func randomLogic(r *rand.Rand, depth int) *logic {
	if depth == 0 || r.Intn(5) == 0 {
		return &logicLeaves[r.Intn(len(logicLeaves))]
	}
	op := []string{"not", "==", "and", "and", "and", "or", "or", "or", "or"}[r.Intn(9)]
	x := &logic{op: op, l: randomLogic(r, depth-1)}
	if op != "not" {
		x.r = randomLogic(r, depth-1)
	}
	return x
}

// chained is a long row of and and or, nested on either side.
func chained(r *rand.Rand) *logic {
	x := randomLogic(r, 0)
	for range 5 + r.Intn(40) {
		left, right := x, randomLogic(r, r.Intn(2))
		if r.Intn(2) == 0 {
			left, right = right, left
		}
		x = &logic{op: []string{"and", "or"}[r.Intn(2)], l: left, r: right}
	}
	return x
}

func (x *logic) text() string {
	switch {
	case x.l == nil:
		return x.op
	case x.r == nil:
		return "(not " + x.l.text() + ")"
	}
	return "(" + x.l.text() + " " + x.op + " " + x.r.text() + ")"
}

func isTrue(value string) bool { return value != "nil" && value != "false" }

func (x *logic) eval() string {
	if x.l == nil {
		return x.value
	}
	l := x.l.eval()
	switch x.op {
	case "not":
		return fmt.Sprint(!isTrue(l))
	case "==":
		return fmt.Sprint(l == x.r.eval())
	case "and":
		if !isTrue(l) {
			return l
		}
	case "or":
		if isTrue(l) {
			return l
		}
	}
	return x.r.eval()
}

// Expressions of and, or, not and comparisons, with constants anywhere in them,
// have the value that Lua's manual gives them, wherever they stand.
func TestLogicalExpressions(t *testing.T) {
	values := []string{
		"local z = %s return z", "return (%s)", "local z = 5 z = %s return z", "local z = { 4, %s } return z[2]",
		"local function id(q, w) return w end return id(c, %s)", "zz = %s return zz", "c = %s return c", "t.x = %s return t.x",
		"local z = 'k'..tostring(%s) return z:sub(2)", "local p, q = 1, %s return q", "local p, q = %s, 3 return p", "local k = u and (%s) return k",
		"for i = 1, 2 do local z = %s if i == 2 then return z end end",
	}
	conditions := []string{
		"if %s then return true else return false end", "while %s do return true end return false", "return not not (%s)",
		"local n = 0 repeat n = n + 1 if n == 2 then return false end until %s return true", "local z = (%s) and 1 or 2 return z == 1",
	}
	seed := rand.Int63()
	r := rand.New(rand.NewSource(seed))
	var constants strings.Builder // so many that they do not fit into an instruction
	for i := range 300 {
		fmt.Fprintf(&constants, "%d,", 10000+i)
	}
	for i := range 120 {
		var src strings.Builder
		var texts, wants []string
		src.WriteString("local u = 5\nreturn {\n")
		for range 12 {
			x := chained(r)
			if r.Intn(3) > 0 {
				x = randomLogic(r, 2+r.Intn(5))
			}
			forms, want := values, x.eval()
			if r.Intn(3) == 0 {
				forms, want = conditions, fmt.Sprint(isTrue(want))
			}
			text := fmt.Sprintf(forms[r.Intn(len(forms))], x.text())
			texts, wants = append(texts, text), append(wants, want)
			src.WriteString("tostring((function() local a, b, c, t = nil, false, 7, { x = 9 }\nlocal function f() return 8 end\nlocal function g() return nil end\n")
			if i%4 == 0 {
				fmt.Fprintf(&src, "local many = { %s }\n", constants.String())
			}
			src.WriteString(text + " end)()),\n")
		}
		src.WriteString("}")
		c, fail := Compile("", "=x", []byte(src.String()))
		if fail != nil {
			t.Fatalf("seed %d: %v", seed, fail)
		}
		L := lua.NewState()
		L.Push(L.NewFunctionFromProto(c.Proto))
		if err := L.PCall(0, 1, nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for k, text := range texts {
			if got := L.Get(-1).(*lua.LTable).RawGetInt(k + 1).String(); got != wants[k] {
				t.Errorf("seed %d: %s\n gives %s, want %s", seed, text, got, wants[k])
			}
		}
		L.Close()
	}
}
