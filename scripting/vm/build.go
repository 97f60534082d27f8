package vm

import (
	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
)

// NewList makes a table of the values, in order; none may be lua.LNil. The
// table takes the slice over.
func NewList(values []lua.LValue) *lua.LTable { return inside.NewList(values) }

// NewRecord makes a table of string keys, each followed by its value, which
// may not be lua.LNil. A key that comes twice has its last value.
func NewRecord(pairs []lua.LValue) *lua.LTable { return inside.NewRecord(pairs) }

// Shape tells what a table holds: the slots of its list, lua.LNil for holes,
// and how many entries it has besides. The slots are good until anything
// touches the table, and are not to be written.
func Shape(t *lua.LTable) (list []lua.LValue, others int) { return inside.Shape(t) }

// Keys are the keys of what a table holds besides its list, in the order they
// came, dead ones among them: read their values with the table's RawGetH. The
// slice is not to be written.
func Keys(t *lua.LTable) []lua.LValue { return inside.Keys(t) }

// Plain is a number or a string of Lua as a float64 or a string of Go; it takes
// nothing else, and does not allocate. What it returns may keep the memory of 31
// other numbers.
func Plain(v lua.LValue) any { return inside.Plain(v) }

// FromPlain is a float64 or a string of Go as a value of Lua; it takes nothing
// else, and does not allocate.
func FromPlain(v any) lua.LValue { return inside.Lua(v) }

// Int is i as a Lua number; small ones allocate nothing.
func Int(i int) lua.LValue { return inside.Int(i) }

// Number is n as tostring writes it.
func Number(n float64) string { return numberText(lua.LNumber(n)) }

// ParseNumber reads a number as Lua does: decimal or 0x, blanks around it.
func ParseNumber(s string) (float64, bool) { return parseNumber(s) }

// ToString is what tostring answers for lv, with metamethods.
func (v *VM) ToString(L *lua.LState, lv lua.LValue) string { return v.tostring(L, lv) }

// MaxString is the length that no string of this VM may pass.
func (v *VM) MaxString() int { return v.opt.MaxString }
