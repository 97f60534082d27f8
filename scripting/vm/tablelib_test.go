package vm

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// tableProgram writes a Lua program of random operations on tables that prints
// what it sees. It keeps to what Lua defines: no # of lists with holes, no order
// of pairs.
func tableProgram(rnd func(n int) int) string {
	var b strings.Builder
	b.WriteString(`local function show(name, ...)
  local t = {...} for i = 1, select("#", ...) do t[i] = type(t[i]) == "table" and "table" or tostring(t[i]) end
  print(name, select("#", ...), unpack(t, 1, select("#", ...)))
end
local function recs(t) local o = {} for i, r in ipairs(t) do o[i] = r.k .. ":" .. r.id end return table.concat(o, " ") end
local function hash(t) local n, s = 0, 0 for k, v in pairs(t) do n = n + 1 if type(k) == "number" then s = s + k end end return n, s end
local N, S, R, H, id = {}, {}, {}, {}, 0
`)
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	number := func() string {
		switch rnd(4) {
		case 0:
			return fmt.Sprint(rnd(10))
		case 1:
			return fmt.Sprintf("%d.5", rnd(50))
		}
		return fmt.Sprint(rnd(200) - 100)
	}
	any := func() string {
		return [...]string{"nil", "0", "1", "2", "3", "-1", "1.9", `"2"`, `"x"`, "{}", "true", "N", "S", "print", "1e9"}[rnd(15)]
	}
	order := func() string {
		return [...]string{"a < b", "a > b", "a <= b", "a >= b", "true", "false", "a ~= b", "nil", "1", "a % 7 < b % 7", "b < a and error('cmp', 0)"}[rnd(11)]
	}
	for range 10 + rnd(60) {
		switch rnd(24) {
		case 0:
			w(`for i = 1, %d do N[#N + 1] = (i * 7919 + %d) %% 101 end`, rnd(80), rnd(100))
		case 1:
			w(`table.insert(N, %s)`, number())
		case 2:
			w(`if #N > 0 then table.insert(N, 1 + %d %% #N, %s) end`, rnd(1000), number())
		case 3:
			w(`show("remove", table.remove(N))`)
		case 4:
			w(`show("remove at", table.remove(N, %d))`, rnd(12)-1)
		case 5:
			w(`show("sort", pcall(table.sort, N))`)
		case 6:
			w(`show("sort by", pcall(table.sort, N, function(a, b) return %s end))`, order())
			w(`N = {unpack(N, 1, 20)} for i = 1, #N do if type(N[i]) ~= "number" then N = {} break end end`)
		case 7:
			w(`for i = 1, %d do S[#S + 1] = ("k"):rep(i %% 4) .. (i * %d) %% 17 end`, rnd(30), 1+rnd(16))
		case 8:
			w(`table.sort(S) show("S", table.concat(S, ","))`)
		case 9:
			w(`for i = 1, %d do id = id + 1 R[#R + 1] = {k = (i * %d) %% 5, id = id} end`, rnd(40), 1+rnd(9))
		case 10:
			w(`show("recs", pcall(table.sort, R, function(a, b) return a.k < b.k end)) show("recs", recs(R))`)
		case 11:
			w(`show("pop", N[#N]) N[#N] = nil`)
		case 12:
			w(`show("concat", pcall(table.concat, N, ",", %d, %d))`, rnd(9)-1, rnd(9)-1)
		case 13:
			w(`show("unpack", unpack(N, %d, %d))`, rnd(9)-3, rnd(9)-3)
		case 14:
			w(`H[%d] = %s show("hash", hash(H))`, 1000+rnd(12)*999, []string{"1", "nil"}[rnd(2)])
		case 15:
			w(`for i = 1, %d do H["s" .. i] = i end for i = %d, 60 do H["s" .. i] = nil end show("hash", hash(H))`, rnd(60), rnd(60))
		case 16:
			w(`show("maxn", table.maxn(N), table.maxn(H), table.getn(N))`)
		case 17:
			w(`local n, s = 0, 0 for i, v in ipairs(N) do n = n + 1 s = s + v * i end show("ipairs", n, s)`)
			w(`show("foreachi", table.foreachi(N, function(i, v) if v > %s then return i, v end end))`, number())
		case 18:
			f := [...]string{"table.insert", "table.remove", "table.concat", "table.sort", "table.maxn", "table.getn", "unpack", "select", "rawget", "rawequal", "ipairs", "pairs", "next", "table.foreach", "table.foreachi"}[rnd(15)]
			var args []string
			for range rnd(4) {
				args = append(args, any())
			}
			if f == "table.insert" || f == "unpack" || f == "table.sort" || f == "table.remove" || f == "table.concat" {
				w(`do local N, S = {3, 1, 2}, {"b", "a"} show("%s", pcall(%s))`, f, strings.Join(append([]string{f}, args...), ", "))
				w(`show("then", unpack(N, 1, 4)) end`)
				break
			}
			w(`show("%s", pcall(%s))`, f, strings.Join(append([]string{f}, args...), ", "))
		case 19:
			w(`for k in pairs(H) do H[k] = nil end show("cleared", next(H))`)
		case 20:
			w(`local c = {N[1], N[2], %s, n = 1, [%d] = "v", %s} show("made", #c, c[1], c[2], c[3], c.n, c[%d])`, number(), 100+rnd(9), number(), 100+rnd(9))
		case 21:
			w(`show("select", pcall(select, %s, 1, 2, 3))`, any())
		case 22:
			w(`local q = {} for i = 1, %d do q[i] = i end local s = 0 for i = 1, #q do s = s + q[i] q[i] = nil end show("queue", s, next(q))`, rnd(300))
		case 23:
			w(`local d = {} for i = %d, 1, -1 do d[i] = i end show("down", #d, #table.concat(d))`, rnd(300))
		}
		w(`if #N > 400 then N = {} end show("N", #N, table.concat(N, " "), #S, #R)`)
	}
	return b.String()
}

func sameTables(t *testing.T, bin string, seed uint64) {
	src := tableProgram(newRandom(seed))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-")
	cmd.Stdin = strings.NewReader(src)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	want, err := cmd.Output()
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, stderr.String())
	}
	v, h := newVM(t)
	c, bad := Compile("", "=stdin", []byte(src))
	if bad != nil {
		t.Fatal(bad.Full())
	}
	if _, err := v.Call(c.Function(v), 0); err != nil {
		t.Fatalf("seed %d: %s\n%s", seed, err.Full(), src)
	}
	v.FlushOutput()
	clean := func(s string) string { return address.ReplaceAllString(s, "$1") }
	if compare(t, clean(h.out.String()), clean(string(want))); t.Failed() {
		t.Logf("seed %d:\n%s", seed, src)
	}
}

func TestTableLibSameAsLua(t *testing.T) {
	bin := realLua(t)
	n := uint64(150)
	if testing.Short() || raceEnabled {
		n = 40
	}
	for seed := range n {
		if sameTables(t, bin, seed); t.Failed() {
			return
		}
	}
}

func FuzzTableLib(f *testing.F) {
	bin, err := exec.LookPath("lua5.1")
	if err != nil {
		f.Skip("lua5.1 is not installed")
	}
	for seed := range uint64(10) {
		f.Add(seed + 1e6)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { sameTables(t, bin, seed) })
}
