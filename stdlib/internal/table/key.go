package table

import (
	"hash/maphash"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Key is a key of a table: a string or a number.
type Key struct {
	text string
	bits uint64 // of the number, plus one; 0 for a string
}

// KeyOf is v as a key; false for what cannot be one.
func KeyOf(v lua.LValue) (k Key, ok bool) {
	switch x := v.(type) {
	case lua.LString:
		return Key{text: string(x)}, true
	case lua.LNumber:
		if x != x {
			return k, false
		}
		if x == 0 {
			x = 0 // -0 is the same key
		}
		return Key{bits: math.Float64bits(float64(x)) + 1}, true
	}
	return k, false
}

// Value is the key as a script gave it.
func (k Key) Value() lua.LValue {
	if k.bits == 0 {
		return lua.LString(k.text)
	}
	return lua.LNumber(math.Float64frombits(k.bits - 1))
}

// keep is the key with a string of its own: a part of a long string would keep
// all of it in memory.
func (k Key) keep() Key { return Key{strings.Clone(k.text), k.bits} }

func (k Key) size() int { return 16 + len(k.text) }

func (t *Table) shard(k Key) *shard {
	if k.bits == 0 {
		return &t.shards[maphash.String(t.seed, k.text)%shards]
	}
	return &t.shards[k.bits*0x9e3779b97f4a7c15>>58]
}
