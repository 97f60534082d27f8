package scripting

import (
	"encoding/json"
	"fmt"
	"testing"
)

// Plain data out of one VM and into another, as with each task and each message;
// beside it the same data as text, by the standard library. The tables are
// records with numbers and short strings, so many bytes as JSON.
func BenchmarkPlain(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		in := newVM(b)
		out, err := eval(b, in, fmt.Sprintf(`
local list = {}
for i = 1, %d do list[i] = { id = i, name = "client " .. i, score = i / 4, tags = { "a", "b" } } end
return list`, size/64))
		if err != "" {
			b.Fatal(err)
		}
		L := in.vm.State()
		plain, _ := toPlain(out[0])
		text, fault := json.Marshal(goValue(plain))
		if fault != nil {
			b.Fatal(fault)
		}
		b.Run(fmt.Sprintf("copy/%dKiB", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for range b.N {
				p, _ := toPlain(out[0])
				toLua(L, p)
			}
		})
		b.Run(fmt.Sprintf("json/%dKiB", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for range b.N {
				p, _ := toPlain(out[0])
				text, _ := json.Marshal(goValue(p))
				var back any
				json.Unmarshal(text, &back)
			}
		})
	}
}

// goValue is plain data as the standard library's encoder takes it.
func goValue(v any) any {
	t, ok := v.(*plainTable)
	if !ok {
		return v
	}
	if len(t.keys) == 0 {
		list := make([]any, len(t.list))
		for i, e := range t.list {
			list[i] = goValue(e)
		}
		return list
	}
	m := map[string]any{}
	for i, k := range t.keys {
		m[k.(string)] = goValue(t.vals[i])
	}
	return m
}
