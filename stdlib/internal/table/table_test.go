package table

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"swoon/scripting"

	lua "github.com/yuin/gopher-lua"
)

func text(s string) Key { k, _ := KeyOf(lua.LString(s)); return k }

// check looks at everything that must hold for a table between two changes.
func check(t *testing.T, x *Table) {
	t.Helper()
	bytes, now := 0, now()
	for i := range x.shards {
		x.shards[i].mu.Lock()
		defer x.shards[i].mu.Unlock()
	}
	for i := range x.shards {
		s := &x.shards[i]
		linked := 0
		for e := s.newest; e != nil; e = e.older {
			linked++
			if s.m[e.key] != e || e.older != nil && e.older.newer != e || e.older == nil && s.oldest != e {
				t.Fatal("the list and the map differ")
			}
			if want := overhead + e.key.size() + max(scripting.Size(orNil(e.val)), rowSize(e.row)); e.size != want {
				t.Errorf("an entry counts %d bytes, not %d", e.size, want)
			}
			if e.heapAt != 0 && s.due[e.heapAt-1] != e || (e.heapAt != 0) != (e.expires != 0) {
				t.Error("an entry is not where the heap has it")
			}
			bytes += e.size
		}
		if linked != len(s.m) {
			t.Errorf("%d entries in the list, %d in the map", linked, len(s.m))
		}
		for i, e := range s.due {
			if i > 0 && e.expires < s.due[(i-1)/2].expires {
				t.Error("the heap is out of order")
			}
			if e.expires < now-int64(20*time.Second) {
				t.Error("the alarm has forgotten an entry")
			}
		}
	}
	if got := x.Bytes(); got != bytes {
		t.Errorf("%d bytes are counted, %d are there", got, bytes)
	}
}

func orNil(v lua.LValue) lua.LValue {
	if v == nil {
		return lua.LNil
	}
	return v
}

// Against a plain map, one goroutine, every operation.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		x := New(Options{})
		model := map[string]lua.LValue{}
		for range 5000 {
			name := fmt.Sprint(r.IntN(50))
			k := text(name)
			switch r.IntN(6) {
			case 0, 1:
				v := lua.LNumber(r.IntN(1000))
				if err := x.Put(k, v, []Life{Usual, Same, 0, Life(time.Hour)}[r.IntN(4)]); err != nil {
					t.Fatal(err)
				}
				model[name] = v
			case 2:
				_, was := model[name]
				delete(model, name)
				if x.Delete(k) != was {
					t.Fatal("delete")
				}
			case 3:
				v, ok := x.Get(k)
				if want, there := model[name]; ok != there || ok && v != want {
					t.Fatalf("get %s: %v %v, want %v %v", name, v, ok, want, there)
				}
			case 4:
				_, there := model[name]
				if x.Has(k) != there || x.Expire(k, time.Duration(r.IntN(2))*time.Hour) != there {
					t.Fatal("has, expire")
				}
			case 5:
				if x.Count() != len(model) {
					t.Fatal("count")
				}
			}
		}
		check(t, x)
		n := 0
		for w := x.Walk(); ; n++ {
			k, ok := w.Next()
			if !ok {
				break
			}
			if _, there := model[k.text]; !there {
				t.Fatalf("walked to %v", k)
			}
		}
		if n != len(model) {
			t.Errorf("walked over %d of %d", n, len(model))
		}
		x.Clear()
		check(t, x)
	}
}

// Many goroutines, all kinds of tables: the books must balance in the end, and
// no limit may ever be passed.
func TestStorm(t *testing.T) {
	for name, o := range map[string]Options{
		"plain": {}, "limit": {MaxBytes: 20_000}, "lru": {MaxBytes: 20_000, LRU: true}, "ttl": {TTL: 2 * time.Millisecond},
		"all": {MaxBytes: 20_000, LRU: true, TTL: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			x := New(o)
			var events, stop atomic.Int64
			w := &Watch{Post: func(Event) { events.Add(1) }}
			x.Watch(w)
			var wg sync.WaitGroup
			wg.Add(1)
			go func() {
				defer wg.Done()
				for stop.Load() < 4 {
					if b := x.Bytes(); o.MaxBytes > 0 && b > o.MaxBytes || b < 0 {
						t.Errorf("%d bytes", b)
						return
					}
					time.Sleep(100 * time.Microsecond)
				}
			}()
			var sum atomic.Int64
			for g := range 4 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					defer stop.Add(1)
					r := rand.New(rand.NewPCG(uint64(g), 2))
					for range 2000 {
						k := text(fmt.Sprint(r.IntN(500)))
						switch r.IntN(8) {
						case 0:
							x.Delete(k)
						case 1:
							x.Get(k)
						case 2:
							x.Expire(k, time.Millisecond)
						case 3:
							x.Stats()
						case 4:
							err := x.Change(text("sum"), 0, func(old lua.LValue, there bool) (lua.LValue, error) {
								n, _ := old.(lua.LNumber)
								return n + 1, nil
							})
							if err == nil {
								sum.Add(1)
							}
						default:
							x.Put(k, lua.LString(make([]byte, r.IntN(200))), Usual)
						}
					}
				}()
			}
			wg.Wait()
			x.Unwatch(w)
			check(t, x)
			if n := events.Load(); n == 0 {
				t.Error("nothing was told")
			}
			if v, _ := x.Get(text("sum")); !o.LRU && v != lua.LNumber(sum.Load()) {
				t.Errorf("counted to %v, want %d", v, sum.Load())
			}
			x.Clear()
			check(t, x)
		})
	}
}

// Nothing but the books, from all sides.
func TestBytesBalance(t *testing.T) {
	x := New(Options{})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := text(fmt.Sprint("key ", g))
			for range 20_000 {
				x.Put(k, lua.LTrue, Usual)
				x.Delete(k)
			}
		}()
	}
	wg.Wait()
	check(t, x)
}

// The watch of an LRU table tells every entry that goes.
func TestEvictionIsToldAndInOrder(t *testing.T) {
	x := New(Options{MaxBytes: 10_000, LRU: true})
	var gone []string
	x.Watch(&Watch{Post: func(e Event) {
		if e.Kind == Evicted {
			gone = append(gone, e.Key.text)
		}
	}})
	for i := range 200 {
		x.Put(text(fmt.Sprint(i)), lua.LNumber(i), Usual)
		x.Get(text("0"))
	}
	if len(gone) < 100 {
		t.Fatalf("%d have gone", len(gone))
	}
	for i, name := range gone {
		if name != fmt.Sprint(i+1) {
			t.Fatalf("the %d. to go is %s", i+1, name)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, v := range []lua.LValue{lua.LString(""), lua.LString("0"), lua.LNumber(0), lua.LNumber(-1), lua.LNumber(1.5), lua.LNumber(1e300)} {
		k, ok := KeyOf(v)
		if !ok || k.Value() != v {
			t.Errorf("%v became %v", v, k.Value())
		}
	}
	a, _ := KeyOf(lua.LString(""))
	b, _ := KeyOf(lua.LNumber(0))
	if a == b {
		t.Error("the empty string and 0 are one key")
	}
}

func BenchmarkGet(b *testing.B) {
	for name, o := range map[string]Options{"plain": {}, "lru": {MaxBytes: 1 << 20, LRU: true}} {
		b.Run(name, func(b *testing.B) {
			x := New(o)
			x.Put(text("key"), lua.LNumber(1), Usual)
			k := text("key")
			for b.Loop() {
				x.Get(k)
			}
		})
	}
}
