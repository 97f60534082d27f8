package table

import (
	"fmt"
	"math"
	"strings"

	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Type is the type of a column, with Swoole's number.
type Type int

// The types. An Int is whole and within what a Lua number holds exactly.
const (
	Int Type = 1 + iota
	Float
	String
)

func (t Type) String() string {
	return [...]string{"?", "int", "float", "string"}[t]
}

// TypeNames are the names of the types.
var TypeNames = []string{"int", "float", "string"}

// Column is one column; Size is the most bytes of a string, 0: any number.
type Column struct {
	Name string
	Type Type
	Size int
}

func (c Column) String() string {
	if c.Size > 0 {
		return fmt.Sprintf("%s(%d)", c.Type, c.Size)
	}
	return c.Type.String()
}

// Columns are the columns of a table, in order. Nobody changes them.
type Columns struct {
	List  []Column
	at    map[string]int
	Names []string
}

// NewColumns makes columns of a list with names that differ.
func NewColumns(list []Column) *Columns {
	c := &Columns{List: list, at: make(map[string]int, len(list))}
	for i, col := range list {
		c.at[col.Name] = i
		c.Names = append(c.Names, col.Name)
	}
	return c
}

// At is the place of a column.
func (c *Columns) At(name string) (int, bool) {
	i, ok := c.at[name]
	return i, ok
}

// pad gives a row that was stored when there were fewer columns the rest.
func (c *Columns) pad(row []lua.LValue) []lua.LValue {
	for i := len(row); i < len(c.List); i++ {
		row = append(row, c.List[i].zero())
	}
	return row
}

var (
	zeroNumber lua.LValue = lua.LNumber(0)
	zeroString lua.LValue = lua.LString("")
)

func (c *Column) zero() lua.LValue {
	if c.Type == String {
		return zeroString
	}
	return zeroNumber
}

// maxExact is the largest integer up to which a Lua number holds all.
const maxExact = 1 << 53

// TooLong is a string that its column has no room for.
type TooLong struct {
	Column Column
	Len    int
}

func (e *TooLong) Error() string {
	return fmt.Sprintf("column '%s' holds %d bytes, the string has %d", e.Column.Name, e.Column.Size, e.Len)
}

// Fit is v as the column stores it: a string of digits is a number where Lua
// would take it for one. The error is a *TooLong, or says what is wrong with v.
func (c *Column) Fit(v lua.LValue, number func(lua.LValue) (float64, bool)) (lua.LValue, error) {
	if c.Type == String {
		text, ok := v.(lua.LString)
		if !ok {
			n, isNumber := v.(lua.LNumber)
			if !isNumber {
				return nil, fmt.Errorf("column '%s' is a string, not a %s", c.Name, v.Type())
			}
			text = lua.LString(vm.Number(float64(n)))
		}
		if c.Size > 0 && len(text) > c.Size {
			return nil, &TooLong{*c, len(text)}
		}
		return lua.LString(strings.Clone(string(text))), nil
	}
	f, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("column '%s' is a number (%s), not %s", c.Name, c.Type, article(v))
	}
	if err := c.check(f); err != nil {
		return nil, err
	}
	if n, ok := v.(lua.LNumber); ok {
		return n, nil
	}
	return lua.LNumber(f), nil
}

func (c *Column) check(f float64) error {
	if c.Type != Int {
		return nil
	}
	if f != math.Trunc(f) {
		return fmt.Errorf("column '%s' is an int, %v is none", c.Name, f)
	}
	if math.Abs(f) > maxExact {
		return fmt.Errorf("column '%s' is an int within 2^53, where Lua's numbers are exact; %v is beyond", c.Name, f)
	}
	return nil
}

func article(v lua.LValue) string {
	if v == lua.LNil {
		return "nil"
	}
	return "a " + v.Type().String()
}

// Add is the number v of the column plus n.
func (c *Column) Add(v lua.LValue, n float64) (lua.LValue, error) {
	if c.Type == String {
		return nil, fmt.Errorf("column '%s' is a string, it cannot be counted up", c.Name)
	}
	sum := float64(v.(lua.LNumber)) + n
	if err := c.check(sum); err != nil {
		return nil, err
	}
	return lua.LNumber(sum), nil
}

// Extend is c changed into want without loss: strings with more room, and new
// columns behind the others. The error says what cannot be.
func (c *Columns) Extend(want *Columns) (*Columns, error) {
	list := append([]Column(nil), c.List...)
	for _, w := range want.List {
		i, known := c.At(w.Name)
		if !known {
			list = append(list, w)
			continue
		}
		has := &list[i]
		switch {
		case has.Type != w.Type:
			return nil, fmt.Errorf("column '%s' is of type %s and cannot become %s", w.Name, has, w)
		case has.Size != w.Size && (has.Size == 0 || w.Size != 0 && w.Size < has.Size):
			return nil, fmt.Errorf("column '%s' is of type %s, the strings in it may not fit into %s", w.Name, has, w)
		}
		*has = w
	}
	return NewColumns(list), nil
}

// Without is a column of c that want has not, "" if there is none.
func (c *Columns) Without(want *Columns) string {
	for _, has := range c.List {
		if _, wanted := want.At(has.Name); !wanted {
			return has.Name
		}
	}
	return ""
}

// Differ says in what c differs from old, "" if in nothing; the order counts
// for nothing.
func (c *Columns) Differ(old *Columns) string {
	switch {
	case c == nil && old == nil:
		return ""
	case c == nil:
		return "it has no columns here, but has"
	case old == nil:
		return "it has columns here, but none"
	}
	for _, w := range c.List {
		i, known := old.At(w.Name)
		if !known {
			return fmt.Sprintf("it has a column '%s' here, but not", w.Name)
		}
		if has := old.List[i]; has != w {
			return fmt.Sprintf("column '%s' is of type %s here, but %s", w.Name, w, has)
		}
	}
	for _, has := range old.List {
		if _, known := c.At(has.Name); !known {
			return fmt.Sprintf("it has no column '%s' here, but has", has.Name)
		}
	}
	return ""
}
