package json_test

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/json"

	lua "github.com/yuin/gopher-lua"
)

// host stops whatever runs in its VM at the first look at the interrupt word.
type host struct{}

func (host) Block(_ *lua.LState, _ string, f func(context.Context)) error {
	f(context.Background())
	return nil
}
func (host) Print(string)    {}
func (host) Exit(int)        {}
func (host) Declaring() bool { return false }
func (host) Interrupt(L *lua.LState) {
	vm.RaiseUncatchable(L, &vm.Error{Message: "stopped"})
}

// Work on large values is stopped as running Lua code is.
func TestStopped(t *testing.T) {
	word := new(atomic.Uint32)
	v := vm.New(vm.Options{Host: host{}, Interrupt: word})
	defer v.Close()
	text := "[" + strings.Repeat("1,", 20_000) + "1]"
	value, fault := json.Decode(v.State(), text, json.DecodeOptions{})
	if fault != nil {
		t.Fatal(fault)
	}
	for name, work := range map[string]func(L *lua.LState){
		"decode": func(L *lua.LState) { json.Decode(L, text, json.DecodeOptions{}) },
		"encode": func(L *lua.LState) { json.Append(L, nil, value, json.EncodeOptions{}) },
	} {
		_, err := v.Call(v.Function(func(L *lua.LState) int {
			word.Store(1)
			defer word.Store(0)
			work(L)
			return 0
		}), 0)
		if err == nil || err.Kind != vm.KindKilled {
			t.Errorf("%s was not stopped: %v", name, err)
		}
	}
}

// same compares a decoded value with what encoding/json makes of the text.
func same(v lua.LValue, want any) bool {
	switch w := want.(type) {
	case nil:
		return scripting.IsNull(v)
	case bool:
		return v == lua.LBool(w)
	case float64:
		n, ok := v.(lua.LNumber)
		return ok && math.Float64bits(float64(n)) == math.Float64bits(w)
	case string:
		return v == lua.LString(w)
	case []any:
		t, ok := v.(*lua.LTable)
		if !ok || t.Len() != len(w) {
			return false
		}
		for i, e := range w {
			if !same(t.RawGetInt(i+1), e) {
				return false
			}
		}
		return true
	case map[string]any:
		t, ok := v.(*lua.LTable)
		if !ok {
			return false
		}
		n := 0
		vm.Each(t, func(k, v lua.LValue) bool {
			s, isText := k.(lua.LString)
			e, known := w[string(s)]
			ok = ok && isText && known && same(v, e)
			n++
			return true
		})
		return ok && n == len(w)
	}
	return false
}

// FuzzDecode: what encoding/json takes is taken, with the same value, nothing
// else is, and what is encoded again reads the same.
func FuzzDecode(f *testing.F) {
	for _, c := range decodes {
		f.Add(c.text)
	}
	for _, s := range []string{`{"a":[1,{"b":null}],"a":2}`, "\"\xff\"", `"\ud800\u0041"`, `"\ud83d\ude00"`, `[1e308,1e309]`, `[0.1,-0.0,1E+3,123456789012345678901234567890]`, `{"é":"\u00e9"}`} {
		f.Add(s)
	}
	L := lua.NewState()
	f.Cleanup(L.Close)
	f.Fuzz(func(t *testing.T, text string) {
		var want any
		err := stdjson.Unmarshal([]byte(text), &want)
		v, fault := json.Decode(L, text, json.DecodeOptions{UTF8: json.ReplaceUTF8, MaxDepth: json.LargestDepth})
		if (err == nil) != (fault == nil) {
			t.Fatalf("%q: encoding/json says %v, we say %v", text, err, fault)
		}
		if err != nil {
			if fault.Reason == "" || !strings.HasPrefix(fault.Text, "line ") {
				t.Fatalf("%q: %+v", text, fault)
			}
			return
		}
		if !same(v, want) {
			t.Fatalf("%q is %v for encoding/json, %v for us", text, want, v)
		}
		for _, o := range []json.EncodeOptions{{}, {Indent: "  "}, {ASCII: true, EscapeSlashes: true, SortKeys: true}} {
			o.MaxDepth = json.LargestDepth
			b, fault := json.Append(L, nil, v, o)
			if fault != nil {
				t.Fatalf("%q cannot be encoded again: %v", text, fault)
			}
			if !stdjson.Valid(b) {
				t.Fatalf("%q encodes to %q, which is not JSON", text, b)
			}
			again, fault := json.Decode(L, string(b), json.DecodeOptions{MaxDepth: json.LargestDepth})
			if fault != nil || !same(again, want) {
				t.Fatalf("%q encodes to %q, which reads as %v, %v", text, b, again, fault)
			}
		}
	})
}

// sample is a text as web services exchange it.
var sample = func() string {
	var b bytes.Buffer
	b.WriteString(`{"status":"ok","total":200,"items":[`)
	for i := range 200 {
		if i > 0 {
			b.WriteByte(',')
		}
		n := strconv.Itoa(i)
		b.WriteString(`{"id":` + strconv.Itoa(100000+i*7) + `,"name":"User number ` + n + `","email":"user` + n +
			`@example.org","score":` + n + `.25,"active":true,"tags":["red","green \"blue\"","größe"],"address":{"street":"Long Street ` + n + `","zip":"12345"},"note":null}`)
	}
	b.WriteString(`]}`)
	return b.String()
}()

// documents are what the benchmarks read and write.
var documents = []struct{ name, text string }{
	{"records", sample},
	{"numbers", func() string {
		var list []string
		for i := range 2000 {
			list = append(list, strconv.FormatFloat(float64(i*i)/7, 'g', 12, 64))
		}
		return "[" + strings.Join(list, ",") + "]"
	}()},
	{"texts", func() string {
		list, _ := stdjson.Marshal(strings.Fields(strings.Repeat("plain größe \"quoted\" back\\slash "+strings.Repeat("long", 50)+" ", 100)))
		return string(list)
	}()},
	{"small", `{"id":17,"method":"get","params":["a",true,null]}`},
}

// cpu is how much CPU the process has had, in nanoseconds: on a machine that
// others use too it says more than the clock.
func cpu() int64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkCodec compares with encoding/json: what it reads into and writes from
// are maps and slices of Go, not tables of Lua.
func BenchmarkCodec(b *testing.B) {
	L := lua.NewState()
	defer L.Close()
	for _, d := range documents {
		v, fault := json.Decode(L, d.text, json.DecodeOptions{})
		if fault != nil {
			b.Fatal(fault)
		}
		var std any
		if err := stdjson.Unmarshal([]byte(d.text), &std); err != nil {
			b.Fatal(err)
		}
		run := func(what string, fn func()) {
			b.Run(d.name+"/"+what, func(b *testing.B) {
				b.SetBytes(int64(len(d.text)))
				b.ReportAllocs()
				used := cpu()
				for b.Loop() {
					fn()
				}
				b.ReportMetric(float64(cpu()-used)/1e3/float64(b.N), "cpu-us/op")
			})
		}
		run("decode", func() { json.Decode(L, d.text, json.DecodeOptions{}) })
		run("std_decode", func() {
			var v any
			stdjson.Unmarshal([]byte(d.text), &v)
		})
		var buf []byte
		run("encode", func() { buf, _ = json.Append(L, buf[:0], v, json.EncodeOptions{}) })
		run("std_encode", func() { stdjson.Marshal(std) })
	}
}
