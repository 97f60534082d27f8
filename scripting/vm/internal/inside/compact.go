package inside

import (
	"math/bits"

	lua "github.com/yuin/gopher-lua"
)

// slack is how many dead keys a table may have beyond one for each live key.
// A new key that goes over is paid for by those that died: the work is constant
// for each key that ever was. Only a new key compacts, so a loop that clears
// fields while it walks a table finds every key where it was.
const slack = 64

// compact drops the dead keys. The order of the others stays.
//
// A Go map keeps the memory it ever needed. The capacity of keys remembers how
// large the maps may be; when little of that is left they are made anew.
func (t *table) compact() {
	live, room := t.live(), cap(t.keys)
	if anew := 2*live + slack + 1; room > 2*anew {
		room = anew
		t.k2i = make(map[lua.LValue]int, live)
		t.dict, t.strdict = remade(t.dict), remade(t.strdict)
	} else {
		clear(t.k2i)
	}
	keys := make([]lua.LValue, 0, room)
	for _, key := range t.keys {
		if t.alive(key) {
			t.k2i[key] = len(keys)
			keys = append(keys, key)
		}
	}
	t.keys = keys
}

func remade[K comparable](m map[K]lua.LValue) map[K]lua.LValue {
	if len(m) == 0 {
		return nil
	}
	out := make(map[K]lua.LValue, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (t *table) alive(key lua.LValue) (ok bool) {
	if s, isText := key.(lua.LString); isText {
		_, ok = t.strdict[string(s)]
	} else {
		_, ok = t.dict[key]
	}
	return ok
}

// room makes the array able to hold index i, a little behind its end. The
// answer is no, and part of the array may have moved to dict, when most of its
// slots are empty: then it is no list but a table keyed by ever larger numbers.
func (t *table) room(i int) bool {
	n, size := len(t.array), cap(t.array)
	switch {
	case i <= size && (size <= 1024 || i > size/8):
		return true
	case i <= size: // a list that was once much longer
		size = 4 * i
	case n < 16:
		size = max(4, 2*n)
	default:
		used := 0
		for _, v := range t.array {
			if v != lua.LNil {
				used++
			}
		}
		if 2*used < n {
			t.spill()
			return i == len(t.array)+1 && i <= cap(t.array)
		}
		if size = 2 * n; n > 1<<18 {
			size = n + n/2
		}
	}
	array := make([]lua.LValue, n, max(size, i))
	copy(array, t.array)
	t.array = array
	return true
}

// spill moves the sparse end of the array to dict. What stays is the longest
// beginning, a power of two, with more than half of its slots in use.
func (t *table) spill() {
	var bins [64]int // bins[k] counts the used indexes in (2^(k-1), 2^k]
	for i, v := range t.array {
		if v != lua.LNil {
			bins[bits.Len(uint(i))]++
		}
	}
	keep, used := 0, 0
	for k := 0; 1<<k <= len(t.array); k++ {
		if used += bins[k]; used > 1<<k/2 {
			keep = 1 << k
		}
	}
	for keep < len(t.array) && t.array[keep] != lua.LNil {
		keep++
	}
	rest := t.array[keep:]
	t.array = append(make([]lua.LValue, 0, keep+4), t.array[:keep]...)
	t.trim()
	for i, v := range rest {
		if v != lua.LNil {
			t.setHash(Int(keep+i+1), v)
		}
	}
}

// densify moves integer keys from dict to the array if they would use more
// than half of the slots this adds. It is asked when the number of keys passes
// a power of two, so that tables filled out of order become lists.
func (t *table) densify(L *lua.LState) {
	var bins [64]int
	n := len(t.array)
	for key := range t.dict {
		if i := index(key); i != 0 {
			bins[bits.Len(uint(i-1))]++
		}
	}
	size, found := 0, 0
	for k := 0; k < 63 && 1<<k < lua.MaxArrayIndex; k++ {
		found += bins[k]
		if 1<<k > n && found > (1<<k-n)/2 {
			size = 1 << k
		}
	}
	if size == 0 {
		return
	}
	// append grows geometrically, so many small steps cost no more than a large one
	for i := n + 1; i <= size; i++ {
		t.array = append(t.array, t.take(i))
	}
	t.trim()
	t.join(L)
}
