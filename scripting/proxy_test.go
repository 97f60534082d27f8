package scripting

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// newSession gives the VM the data of a session of its own, as the global s.
func newSession(in *Instance) *store {
	st := newStore()
	in.vm.SetGlobal("s", in.wrap(st, st.root))
	return st
}

// charged is what a store's data costs, counted afresh.
func charged(st *store) int { return cost(st.root) - cost(&node{}) }

// The model: the same program runs on session data and on a plain table; both
// must print the same after each step. What is documented to differ is left
// out: a table stored twice is copied, and # of a list with holes is any border.
const modelPrelude = `
local function isTable(v) return type(v) == "table" or tostring(v) == "session data" end
local function keyName(k) return type(k) .. ":" .. tostring(k) end
function dump(v, depth)
  if not isTable(v) then return keyName(v) end
  if (depth or 0) > 8 then return "deep" end
  local keys, parts, n, top = {}, {}, 0, 0
  for k in pairs(v) do
    keys[#keys + 1] = k
    n = n + 1
    if type(k) == "number" and k >= 1 and k % 1 == 0 and k > top then top = k end
  end
  local steps, k = 0, nil
  repeat k = next(v, k) if k ~= nil then steps = steps + 1 end until k == nil
  if steps ~= n then return "next makes " .. steps .. " steps, pairs " .. n end
  if (next(v) == nil) ~= (n == 0) then return "next says it is empty" end
  table.sort(keys, function(a, b) return keyName(a) < keyName(b) end)
  for i, k in ipairs(keys) do parts[i] = keyName(k) .. "=" .. dump(v[k], (depth or 0) + 1) end
  local len = ""
  if proper(v) then
    len = "#" .. #v .. " "
    local last = 0
    for i, e in ipairs(v) do last = i end
    len = len .. last
  end
  return "{" .. len .. " " .. table.concat(parts, ",") .. "}"
end
function proper(v)
  local count, top = 0, 0
  for k in pairs(v) do
    if type(k) == "number" and k >= 1 and k % 1 == 0 then
      count = count + 1
      if k > top then top = k end
    end
  end
  return count == top
end
local function all(v, kind)
  for _, e in ipairs(v) do if type(e) ~= kind then return false end end
  return proper(v)
end
held = {}
local function at(t, path)
  for _, k in ipairs(path) do
    if not isTable(t) then return nil end
    t = t[k]
  end
  return isTable(t) and t or nil
end
function step(root, hold, op, path, key, value)
  local t = op.held and hold[op.held] or at(root, path)
  if not t then return "-" end
  local name = op[1]
  if name == "set" then t[key] = value
  elseif name == "clear" then t[key] = nil
  elseif name == "append" then if proper(t) then t[#t + 1] = value end
  elseif name == "insert" then if proper(t) then table.insert(t, op[2] % (#t + 1) + 1, value) end
  elseif name == "push" then if proper(t) then table.insert(t, value) end
  elseif name == "remove" then if proper(t) and #t > 0 then return dump(table.remove(t, op[2] % #t + 1)) end
  elseif name == "pop" then if proper(t) and #t > 0 then return dump(table.remove(t)) end
  elseif name == "unlist" then if proper(t) and #t > 0 then t[#t] = nil end
  elseif name == "hold" then hold[op[2] % 3 + 1] = isTable(t[key]) and t[key] or nil
  elseif name == "empty" then for k in pairs(t) do t[k] = nil end
  elseif name == "sort" then
    if all(t, "number") or all(t, "string") then table.sort(t) end
  elseif name == "sortdown" then
    if all(t, "number") then table.sort(t, function(a, b) return a > b end) end
  elseif name == "sorttables" then
    local kept = proper(t)
    for _, e in ipairs(t) do
      if not isTable(e) or type(e.a) ~= "number" then kept = false end
    end
    if kept then table.sort(t, function(x, y) return x.a < y.a end) end
  elseif name == "concat" then
    if all(t, "number") or all(t, "string") then return table.concat(t, ", ") .. "|" .. table.concat(t, "-", 1, math.min(2, #t)) end
  elseif name == "unpack" then
    if proper(t) then
      local parts = {}
      for i = 1, select("#", unpack(t)) do parts[i] = dump((select(i, unpack(t)))) end
      return table.concat(parts, ";") .. select("#", unpack(t, 2, 3))
    end
  elseif name == "getn" then if proper(t) then return table.getn(t) end
  end
  return "-"
end
`

// modelStep is one random operation as Lua arguments of step.
func modelStep(r *rand.Rand) string {
	keys := []string{`"a"`, `"b"`, `"c"`, `"d e"`, `""`, "1", "2", "3", "4", "5", "7", "0", "-1", "0.5", "1e9", "true", "false", `"1"`, `"\0\255"`}
	key := func() string { return keys[r.IntN(len(keys))] }
	var value func(depth int) string
	value = func(depth int) string {
		switch n := r.IntN(11); {
		case n < 3:
			return fmt.Sprint(r.IntN(100))
		case n == 3:
			return []string{"1.25", "-0.1", "1e300", "2^53", "1/3", "1e15", "123456.789"}[r.IntN(7)]
		case n < 6:
			return []string{`"x"`, `"y\0z"`, `"` + strings.Repeat("w", r.IntN(50)) + `"`}[r.IntN(3)]
		case n == 6:
			return []string{"true", "false"}[r.IntN(2)]
		case depth > 2:
			return "{}"
		case n == 7:
			return fmt.Sprintf("{%s, %s, %s}", value(depth+1), value(depth+1), value(depth+1))
		case n == 8:
			return fmt.Sprintf("{{a = %d}, {a = %d}, {a = %d, b = %s}}", r.IntN(9), r.IntN(9)+10, r.IntN(9)+20, value(depth+1))
		case n == 9:
			return fmt.Sprintf("{%d, %d, %d, %d}", r.IntN(50), r.IntN(50), r.IntN(50), r.IntN(50))
		}
		return fmt.Sprintf("{[%s] = %s, [%s] = %s}", key(), value(depth+1), key(), value(depth+1))
	}
	ops := []string{"set", "set", "set", "set", "clear", "append", "append", "insert", "insert", "push", "remove", "remove", "pop", "unlist",
		"hold", "empty", "sort", "sortdown", "sorttables", "concat", "unpack", "getn"}
	var path []string
	for range r.IntN(3) {
		path = append(path, key())
	}
	held := ""
	if r.IntN(5) == 0 {
		held = fmt.Sprintf(", held = %d", r.IntN(3)+1)
	}
	return fmt.Sprintf(`{"%s", %d%s}, {%s}, %s, %s`, ops[r.IntN(len(ops))], r.IntN(10), held, strings.Join(path, ", "), key(), value(0))
}

func TestSessionDataIsLikeATable(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			in := newVM(t)
			st := newSession(in)
			if got := run(t, in, modelPrelude+` m, hs, hm = {}, {}, {}`); got != "" {
				t.Fatal(got)
			}
			r := rand.New(rand.NewPCG(seed, 1))
			var trail []string
			for i := range 80 {
				args := modelStep(r)
				trail = append(trail, args)
				// The value is written out twice: each side gets tables of its own.
				got := run(t, in, `local a, b = step(m, hm, `+args+`), step(s, hs, `+args+`)
				  if a ~= b then return "answers: table " .. tostring(a) .. ", session " .. tostring(b) end
				  local a, b = dump(m), dump(s)
				  if a ~= b then return "table   " .. a .. "\nsession " .. b end
				  for i = 1, 3 do
				    local a, b = dump(hm[i]), dump(hs[i])
				    if a ~= b then return "held " .. i .. ": table " .. a .. "\nsession " .. b end
				  end
				  return "same"`)
				if got != "same" {
					t.Fatalf("step %d: %s\nafter %s", i, got, strings.Join(trail[max(0, len(trail)-6):], "\n"))
				}
				if st.bytes != charged(st) {
					t.Fatalf("step %d: the session is charged %d bytes, its data costs %d\nafter %s", i, st.bytes, charged(st), strings.Join(trail[max(0, len(trail)-3):], "\n"))
				}
			}
		})
	}
}

func TestSessionDataByExample(t *testing.T) {
	in := newVM(t)
	newSession(in)
	for _, c := range []struct{ code, want string }{
		{`s.name = "Ada" s.list = {} for i = 1, 3 do s.list[#s.list + 1] = i * i end return s.name, #s.list, s.list[3]`, "Ada\t3\t9"},
		{`local sum = 0 for i, v in ipairs(s.list) do sum = sum + i * v end return sum`, "36"},
		{`local n = 0 for k, v in pairs(s) do n = n + 1 end return n`, "2"},
		{`s.deep = {a = {b = {c = {}}}} s.deep.a.b.c.d = 1 return s.deep.a.b.c.d`, "1"},
		{`return s.deep.a == s.deep.a, s.deep.a == s.deep.b, s.deep == s.list`, "true\tfalse\tfalse"},
		{`s.deep = nil return s.deep, next({}) == nil`, "nil\ttrue"},
		{`return table.concat(s.list, ","), unpack(s.list)`, "1,4,9\t1\t4\t9"},
		{`table.insert(s.list, 1, 0) table.insert(s.list, 16) return table.concat(s.list, " "), table.remove(s.list, 1), table.remove(s.list), table.concat(s.list, " ")`,
			"0 1 4 9 16\t0\t16\t1 4 9"},
		{`s.copy = s.list s.copy[1] = 100 return s.list[1], s.copy[1]`, "1\t100"},
		{`s.list[2] = nil return s.list[1], s.list[2], s.list[3]`, "1\tnil\t9"},
		{`s.empty = {} return #s.empty, next(s.empty), table.remove(s.empty), table.concat(s.empty)`, "0\tnil\tnil\t"},
		{`return s.nothing, s[1], s[0.5], s[false]`, "nil\tnil\tnil\tnil"},
		{`return tostring(s)`, "session data"},
		// refused, by name
		{`s.user = {callback = print}`, "error: test:1: user.callback: cannot keep a function in a session"},
		{`s.user = {1, {print}}`, "error: test:1: user[2][1]: cannot keep a function in a session"},
		{`s.co = coroutine.create(function() end)`, "error: test:1: co: cannot keep a thread in a session"},
		{`s.server = server`, "error: test:1: server: cannot keep a userdata in a session"},
		{`local t = {} t.t = t s.loop = t`, "error: test:1: loop.t: cannot keep a table that contains itself in a session"},
		{`s[print] = 1`, "error: test:1: a function as a key cannot be kept in a session"},
		{`s[nil] = 1`, "error: test:1: table index is nil"},
		{`s[0/0] = 1`, "error: test:1: table index is NaN"},
		{`table.insert(s.copy, 9, 1)`, "error: test:1: bad argument #2 to 'insert' (position 9 is not in 1..4)"},
		{`return (pcall(table.concat, {s}, ","))`, "false"},
		{`s.mixed = {1, {}} return table.concat(s.mixed)`, "error: test:1: invalid value (table) at index 2 in table for 'concat'"},
		{`s.user = 1 return s.user, s.co, s.server, s.loop`, "1\tnil\tnil\tnil"},
		// the cap
		{`s.big = ("x"):rep(2 ^ 20)`, "error: test:1: the session's data would be larger than 1048576 bytes"},
		{`s.big = ("x"):rep(2 ^ 19) s.more = ("x"):rep(2 ^ 19)`, "error: test:1: the session's data would be larger than 1048576 bytes"},
		{`s.q = {1, 2, 3} table.insert(s.q, 1, ("x"):rep(2 ^ 19))`, "error: test:1: the session's data would be larger than 1048576 bytes"},
		{`s.big = nil s.more = ("x"):rep(2 ^ 19) return #s.more, s.big`, "524288\tnil"},
		{`s.more = nil for i = 1, 3000 do s.q = {} for j = 1, 100 do s.q[j] = j end end return #s.q`, "100"},
		{`for i = 1, 3000 do local old = s.q s.q = {} for j = 1, 40 do old[#old + 1] = "0123456789" end end return #s.q`, "0"},
	} {
		if got := run(t, in, c.code); got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.code, got, c.want)
		}
	}
}

func TestSessionDataEnds(t *testing.T) {
	in := newVM(t)
	st := newSession(in)
	run(t, in, `s.list = {1} list = s.list`)
	st.over = true
	for _, code := range []string{`return s.list`, `s.x = 1`, `return #list`, `for k in pairs(s) do end`, `for i in ipairs(list) do end`,
		`table.insert(list, 1)`, `table.remove(list)`, `table.sort(list)`, `return next(s)`, `return table.concat(list)`, `return unpack(list)`} {
		if got := run(t, in, code); got != "error: test:1: session_closed: the session has ended, and its data with it" {
			t.Errorf("%s: %q", code, got)
		}
	}
}

// Two VMs hold one session at once: nothing is lost, nothing is torn, nobody
// stands still.
func TestSessionDataIsSharedByTwoVMs(t *testing.T) {
	st := newStore()
	var wg sync.WaitGroup
	const rounds = 400
	bodies := []string{
		`for i = 1, %d do table.insert(s.pushed, i) end`,
		`for i = 1, %d do table.insert(s.front, 1, i) end`,
		`for i = 1, %d do table.insert(s.churn, 1, i) table.insert(s.churn, i) table.remove(s.churn, 1) table.remove(s.churn) end`,
		`for i = 1, %d do s.tmp = {i, i} s.tmp = nil table.concat(s.churn) for k, v in pairs(s.keys) do s.keys[k] = nil end for j = 1, 20 do s.keys["k" .. j] = j end end`,
		`for i = 1, %d do pcall(table.sort, s.churn) local t = {unpack(s.churn)} for j, v in ipairs(s.churn) do end end`,
	}
	first := newVM(t)
	first.vm.SetGlobal("s", first.wrap(st, st.root))
	run(t, first, `s.pushed = {} s.front = {} s.churn = {} s.keys = {}`)
	for range 2 {
		for _, body := range bodies {
			in := newVM(t)
			in.vm.SetGlobal("s", in.wrap(st, st.root))
			wg.Add(1)
			go func() {
				defer wg.Done()
				if got := run(t, in, fmt.Sprintf(body, rounds)); got != "" {
					t.Errorf("%s: %s", body, got)
				}
			}()
		}
	}
	wg.Wait()
	if got, want := run(t, first, `return #s.pushed, #s.front`), fmt.Sprintf("%d\t%d", 2*rounds, 2*rounds); got != want {
		t.Errorf("%s elements, want %s", got, want)
	}
	if st.bytes != charged(st) {
		t.Errorf("charged %d, the data costs %d", st.bytes, charged(st))
	}
}

// The stock functions must do for plain tables what they did before.
func TestTableFunctionsStillKnowTables(t *testing.T) {
	in := newVM(t)
	got := run(t, in, `
	  local t = {3, 1, 2, x = 1}
	  table.sort(t) table.insert(t, 4) table.insert(t, 1, 0)
	  local n = 0 for k, v in pairs(t) do n = n + 1 end
	  local m = 0 for i, v in ipairs(t) do m = m + v end
	  return table.concat(t, ","), table.remove(t, 1), n, m, next({}), (unpack(t)), table.getn(t)`)
	if want := "0,1,2,3,4\t0\t6\t10\tnil\t1\t4"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// FuzzSessionNode drives one table of a store against a Go map.
func FuzzSessionNode(f *testing.F) {
	f.Add([]byte{1, 1, 2, 1, 3, 1, 1, 0, 3, 0, 2, 0})
	f.Add([]byte{3, 1, 2, 1, 1, 1, 40, 1, 41, 1, 3, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		st := newStore()
		model := map[any]any{}
		for i := 0; i+1 < len(ops); i += 2 {
			var key any = float64(ops[i]%24) - 2
			if ops[i] >= 128 {
				key = fmt.Sprint("k", ops[i]%32)
			}
			if ops[i+1] == 0 {
				delete(model, key)
				st.put(st.root, key, nil)
			} else {
				model[key] = float64(ops[i+1])
				if err := st.put(st.root, key, float64(ops[i+1])); err != nil {
					t.Fatal(err)
				}
			}
			if st.bytes != charged(st) {
				t.Fatalf("charged %d, the data costs %d", st.bytes, charged(st))
			}
			seen := map[any]any{}
			for k, v, err := st.root.next(nil); ; k, v, err = st.root.next(k) {
				if err != nil {
					t.Fatal(err)
				}
				if k == nil {
					break
				}
				if _, twice := seen[k]; twice {
					t.Fatalf("key %v comes twice", k)
				}
				seen[k] = v
			}
			if fmt.Sprint(seen) != fmt.Sprint(model) {
				t.Fatalf("store %v, model %v", seen, model)
			}
			for k, v := range model {
				if st.root.get(k) != v {
					t.Fatalf("key %v: %v, want %v", k, st.root.get(k), v)
				}
			}
			n := float64(len(st.root.list))
			if (n > 0 && model[n] == nil) || model[n+1] != nil {
				t.Fatalf("# is %v, which is no border of %v", n, model)
			}
		}
	})
}
