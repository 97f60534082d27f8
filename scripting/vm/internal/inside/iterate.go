package inside

import (
	"unsafe"

	lua "github.com/yuin/gopher-lua"
)

// walk is a loop over a table. It stands in the hidden variable of a for-in
// loop where next stood, and is right whatever happens to the table meanwhile:
// a key that is there from beginning to end comes exactly once. Stateless next
// could not promise that to a fiber that waits in the loop.
type walk struct {
	lua.LUserData // first, so that a pointer to one is a pointer to both
	t             *table
	i             int          // indexes up to here are done
	hash          bool         // the array is done
	keys          []lua.LValue // the table's when the array was done
	j             int
}

// walkMark is the Value of every walk.
var walkMark = new(byte)

func newWalk(t *lua.LTable) *walk {
	w := &walk{t: of(t)}
	w.Value, w.Metatable = walkMark, lua.LNil
	return w
}

func asWalk(lv lua.LValue) *walk {
	if ud, ok := lv.(*lua.LUserData); ok && ud.Value == any(walkMark) {
		return (*walk)(unsafe.Pointer(ud))
	}
	return nil
}

// next is the next entry; the key is LNil at the end.
func (w *walk) next() (key, v lua.LValue) {
	if !w.hash {
		for w.i < len(w.t.array) {
			v := w.t.array[w.i]
			w.i++
			if v != lua.LNil {
				return Int(w.i), v
			}
		}
		w.hash, w.keys = true, w.t.keys
	}
	for w.j < len(w.keys) {
		key := w.keys[w.j]
		w.j++
		switch k := key.(type) {
		case lua.LString:
			if v, ok := w.t.strdict[string(k)]; ok {
				return key, v
			}
		case lua.LNumber:
			// It may have moved from or to the array since the loop began.
			if i := index(key); i == 0 || i > w.i {
				if v := w.t.number(k); v != lua.LNil {
					return key, v
				}
			}
		default:
			if v, ok := w.t.dict[key]; ok {
				return key, v
			}
		}
	}
	w.keys = nil
	return lua.LNil, lua.LNil
}

// Next is the entry after key, which is LNil for the first one. ok is false for
// a key the table does not know.
func Next(t *lua.LTable, key lua.LValue) (k, v lua.LValue, ok bool) {
	if StockTables {
		k, v = t.Next(key)
		return k, v, true
	}
	k, v, ok = of(t).next(key)
	return
}

func (t *table) next(key lua.LValue) (k, v lua.LValue, ok bool) {
	i, at := index(key), 0
	if key == lua.LNil || i != 0 && i <= len(t.array) {
		for ; i < len(t.array); i++ {
			if v := t.array[i]; v != lua.LNil {
				return Int(i + 1), v, true
			}
		}
	} else if j, known := t.k2i[key]; known {
		at = j + 1
	} else if i == 0 || i > cap(t.array) {
		return lua.LNil, lua.LNil, false
	} // else it was in the array, whose end has since been cut off
	if t.live() == 0 {
		return lua.LNil, lua.LNil, true
	}
	for ; at < len(t.keys); at++ {
		key := t.keys[at]
		if s, isText := key.(lua.LString); isText {
			if v, ok := t.strdict[string(s)]; ok {
				return key, v, true
			}
		} else if v, ok := t.dict[key]; ok {
			return key, v, true
		}
	}
	return lua.LNil, lua.LNil, true
}

// Each calls f for every entry until it returns false. f may change the table.
func Each(t *lua.LTable, f func(k, v lua.LValue) bool) {
	if StockTables {
		for k, v := t.Next(lua.LNil); k != lua.LNil && f(k, v); k, v = t.Next(k) {
		}
		return
	}
	w := walk{t: of(t)}
	for k, v := w.next(); k != lua.LNil && f(k, v); k, v = w.next() {
	}
}
