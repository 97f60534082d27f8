package vm

import (
	"bufio"
	"encoding/hex"
	"io"
	"math"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// peer is a PUC Lua that answers one line per line. A line is hex: a chunk that
// returns the function to call. The answer is hex again.
type peer struct {
	mu  sync.Mutex
	bin string
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// differ is what both sides run: it calls the chunk and writes down what came
// of it, strings quoted by hand so that nothing under test does the writing.
const differ = `
local function show(...)
	local t = {}
	for i = 1, select('#', ...) do
		local v = select(i, ...)
		if type(v) == "string" then
			t[i] = "'" .. v .. "'"
		elseif type(v) == "number" then
			t[i] = v ~= v and "nan" or tostring(v)
		else
			t[i] = type(v) == "table" and "table" or type(v) == "function" and "function" or tostring(v)
		end
	end
	return table.concat(t, "\t")
end
local function answer(src)
	local f, e = loadstring(src, "=f")
	if not f then return "syntax" end
	return show(pcall(f))
end
`

const serve = differ + `
for line in io.lines() do
	local src = line:gsub("..", function(h) return string.char(tonumber(h, 16)) end)
	io.write((answer(src):gsub(".", function(c) return ("%02x"):format(c:byte()) end)), "\n")
	io.flush()
end`

func (p *peer) ask(src string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		p.cmd = exec.Command(p.bin, "-e", serve)
		p.in, _ = p.cmd.StdinPipe()
		out, _ := p.cmd.StdoutPipe()
		p.out = bufio.NewReader(out)
		if p.cmd.Start() != nil {
			p.cmd = nil
			return "", false
		}
	}
	// A pattern that runs away keeps PUC Lua busy for ever.
	cmd := p.cmd
	late := time.AfterFunc(2*time.Second, func() { _ = cmd.Process.Kill() })
	_, err := io.WriteString(p.in, hex.EncodeToString([]byte(src))+"\n")
	line := ""
	if err == nil {
		line, err = p.out.ReadString('\n')
	}
	late.Stop()
	if err != nil {
		p.stop()
		return "", false
	}
	b, err := hex.DecodeString(strings.TrimSpace(line))
	return string(b), err == nil
}

func (p *peer) stop() {
	if p.cmd != nil {
		_ = p.in.Close()
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// fuzzer compares a VM with a peer.
type fuzzer struct {
	v      *VM
	answer *lua.LFunction
	peer   *peer
}

func newFuzzer(f *testing.F) *fuzzer {
	bin, err := exec.LookPath("lua5.1")
	if err != nil {
		f.Skip("lua5.1 is not installed")
	}
	v, _ := newVM(f)
	fz := &fuzzer{v: v, answer: v.fn(f, differ+"return answer"), peer: &peer{bin: bin}}
	f.Cleanup(fz.peer.stop)
	return fz
}

// Documented: the sign of a nan is the processor's, that of a zero is lost in
// arithmetic.
var (
	nanSign  = regexp.MustCompile(`(?i)[+-]nan`)
	zeroSign = regexp.MustCompile(`(^|[\t',])-0\b([^.]|$)`)
)

func plain(s string) string {
	s = nanSign.ReplaceAllString(s, "nan")
	for range 2 { // neighbours share their separator
		s = zeroSign.ReplaceAllString(s, "${1}0$2")
	}
	return s
}

func (fz *fuzzer) same(t *testing.T, src string) {
	t.Helper()
	want, ok := fz.peer.ask(src)
	if !ok {
		return // it died or ran away
	}
	got, err := fz.v.Call(fz.answer, 1, lua.LString(src))
	if err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	g := string(got[0].(lua.LString))
	g, want = plain(g), plain(want)
	if want = valueFirst(want); g != want {
		t.Errorf("%q\n got: %q\nwant: %q", src, g, want)
	}
}

// text is s as a Lua literal.
func literal(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		b.WriteString(`\`)
		b.WriteString(string([]byte{'0' + s[i]/100, '0' + s[i]/10%10, '0' + s[i]%10}))
	}
	b.WriteByte('"')
	return b.String()
}

func number(f float64) string {
	switch {
	case f != f:
		return "(0/0)"
	case math.IsInf(f, 1):
		return "(1/0)"
	case math.IsInf(f, -1):
		return "(-1/0)"
	}
	return "(" + lua.LString(spec{prec: 17, verb: 'g'}.float(nil, f)).String() + ")"
}

func FuzzToNumber(f *testing.F) {
	for _, s := range []string{"10", " 0x1F ", "1e5", "5e-07", "0x", "", "1e", "-0x.8p3", "1_0", "1e400", "0x1p", "+ 1", ".", "99999999999999999999"} {
		f.Add(s, 10)
		f.Add(s, 16)
		f.Add(s, 36)
	}
	fz := newFuzzer(f)
	f.Fuzz(func(t *testing.T, s string, base int) {
		// Documented: no words for numbers, no zero bytes.
		if low := strings.ToLower(s); strings.Contains(low, "inf") || strings.Contains(low, "nan") || strings.Contains(s, "\x00") || len(s) > 1000 {
			if base == 10 || strings.Contains(s, "\x00") {
				return
			}
		}
		src := "local s = " + literal(s) + " "
		if base == 10 {
			fz.same(t, src+"return tonumber(s), s + 0")
		} else {
			fz.same(t, src+"return tonumber(s, "+number(float64(base%64))+")")
		}
	})
}

func FuzzToString(f *testing.F) {
	for _, x := range []float64{0, math.Copysign(0, -1), 1, 1e14, 1e15, 1 << 53, 1e100, 0.1, 1.0 / 3, 1e-5, 5e-324, math.Inf(1), math.NaN(), 99999999999999.5, 123456.5} {
		f.Add(x, 1.5)
	}
	fz := newFuzzer(f)
	f.Fuzz(func(t *testing.T, x, y float64) {
		fz.same(t, "local x, y = "+number(x)+", "+number(y)+
			" return x, tostring(x), x .. '', x .. y .. 'z', table.concat({x, y}, ','), x + y, x * y, x / y, x - y, -x, x < y, x <= y, x == y, "+
			"math.floor(x), math.ceil(x), math.abs(x), math.max(x, y), math.min(x, y), math.fmod(x, y), math.modf(x), (tostring(y):gsub('%d', '9'))")
	})
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{"%d", "%5.2f", "%-8s|", "%+.3e", "%#x", "%g", "%.14g", "%q", "%c", "%%", "%05d", "%i %u %o %X %E %G", "%100d", "%", "%#.0g", "% d"} {
		f.Add(s, 1.5, "abc")
		f.Add(s, -42.0, "a\nb\"c\\")
		f.Add(s, 1e15, "10")
	}
	fz := newFuzzer(f)
	f.Fuzz(func(t *testing.T, format string, x float64, s string) {
		// Documented: strings keep their zero bytes, and %s takes anything.
		if strings.Contains(format+s, "\x00") || len(format) > 200 {
			return
		}
		if strings.Contains(format, "c") && (x < 1 || math.Mod(math.Trunc(x), 256) == 0 || x > 1<<31 || x != x) {
			x = 65
		}
		src := "local x, s = " + number(x) + ", " + literal(s)
		if !strings.Contains(format, "c") {
			fz.same(t, src+" return string.format("+literal(format)+", s, s, s)")
		}
		fz.same(t, src+" return string.format("+literal(format)+", x, x, x)")
	})
}

func FuzzStringSub(f *testing.F) {
	f.Add("hello", 2, -2, 3)
	f.Add("", 0, 0, 0)
	f.Add("a\x00\xff", -10, 10, -1)
	fz := newFuzzer(f)
	f.Fuzz(func(t *testing.T, s string, i, j, n int) {
		if len(s) > 2000 {
			return
		}
		n %= 100
		src := "local s, i, j, n = " + literal(s) + ", " + number(float64(i)) + ", " + number(float64(j)) + ", " + number(float64(n))
		fz.same(t, src+" return s:sub(i, j), s:sub(i), #s, s:len(), s:rep(n), s:reverse(), s:upper(), s:lower()")
		fz.same(t, src+" return s:byte(i, j)")
		fz.same(t, src+" return s:byte(i)")
		fz.same(t, src+" return string.char(i, j, n)")
	})
}

func FuzzStringPattern(f *testing.F) {
	for _, p := range []string{"(%w+)=(%w+)", "^%s*(.-)%s*$", "%b()", "%f[%a]%a+", "[^a-c%d]+", "()", "a-b", "%1", "[", "%", "(a*(b))%2", "[]]", "[a-]", ".-", "x?y*", "$", "^"} {
		f.Add("a = b, key=val (x(y))", p, "%0%1", 1)
		f.Add("THE (quick) fox", p, "<%0>", -3)
	}
	fz := newFuzzer(f)
	f.Fuzz(func(t *testing.T, s, p, r string, init int) {
		// Documented: zero bytes in patterns, and a lone % at the end of a replacement.
		if strings.Contains(p, "\x00") || strings.HasSuffix(r, "%") || len(s) > 60 || len(p) > 30 || len(r) > 30 {
			return
		}
		src := "local s, p, r, i = " + literal(s) + ", " + literal(p) + ", " + literal(r) + ", " + number(float64(init%100))
		fz.same(t, src+" return s:find(p, i)")
		fz.same(t, src+" return s:match(p, i), s:find(p, i, true)")
		fz.same(t, src+" return s:gsub(p, r, i)")
		fz.same(t, src+" return s:gsub(p, function(...) return select('#', ...) .. tostring((...)) end)")
		fz.same(t, src+" local t = {} for a, b in s:gmatch(p) do t[#t + 1] = tostring(a) .. tostring(b) end return table.concat(t, ';')")
	})
}
