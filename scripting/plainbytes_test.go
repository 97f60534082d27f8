package scripting

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// plainText shows plain data, for comparisons: NaN equals itself.
func plainText(v any) string {
	if t, ok := v.(*plainTable); ok {
		var b strings.Builder
		b.WriteString("{")
		for _, e := range t.list {
			b.WriteString(plainText(e) + ",")
		}
		for i := range t.keys {
			b.WriteString("[" + plainText(t.keys[i]) + "]=" + plainText(t.vals[i]) + ",")
		}
		return b.String() + "}"
	}
	if f, ok := v.(float64); ok {
		return fmt.Sprintf("%x", f)
	}
	return fmt.Sprintf("%T %q", v, fmt.Sprint(v))
}

var plainSamples = []any{
	nil, true, false, Null{}, "", "a", "\x00\xff", strings.Repeat("x", 300),
	0.0, math.Copysign(0, -1), 1.0, -1.0, 63.0, 64.0, -65.0, 0.5, 1e300, math.Inf(1), math.Inf(-1), math.NaN(),
	float64(1<<53 - 1), float64(-(1<<53 - 1)), float64(1 << 53), float64(1 << 60), math.MaxFloat64, math.SmallestNonzeroFloat64,
	&plainTable{},
	&plainTable{list: []any{1.0, nil, "x", &plainTable{list: []any{true}}}},
	&plainTable{keys: []any{"k", 0.5, false, -3.0}, vals: []any{1.0, "v", Null{}, &plainTable{keys: []any{"n"}, vals: []any{nil}}}},
}

func TestPackPlain(t *testing.T) {
	for _, v := range plainSamples {
		text := packPlain(v)
		got, err := unpackPlain(text)
		if err != nil || plainText(got) != plainText(v) {
			t.Errorf("%s came back as %s, %v", plainText(v), plainText(got), err)
		}
		for i := range text {
			if got, err := unpackPlain(text[:i]); err == nil {
				t.Errorf("%d bytes of %q are %s", i, text, plainText(got))
			}
		}
		if _, err := unpackPlain(text + "N"); err == nil || !strings.Contains(err.Error(), "1 bytes are left over") {
			t.Errorf("with more behind it: %v", err)
		}
	}
	deep := strings.Repeat("L\x01", maxPlainDepth+1)
	for text, want := range map[string]string{
		"":                              "the text is no packed data",
		"\x02N":                         "the text is no packed data",
		"\x01Q":                         "unknown type 'Q'",
		"\x01" + deep + "N":             "a table nested deeper than 200",
		"\x01L\x00\x01NT":               "a key that is no string, number or boolean",
		"\x01L\x00\x01L\x00\x00T":       "a key that is no string, number or boolean",
		"\x01L\xff\xff\xff\xff\xff\x0f": "the text ends too early",
		"\x01S\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": "the text ends too early",
	} {
		if _, err := unpackPlain(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// Whatever is read is written the same, and nothing else happens.
func FuzzUnpackPlain(f *testing.F) {
	for _, v := range plainSamples {
		f.Add(packPlain(v))
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := unpackPlain(text)
		if err != nil {
			return
		}
		again, err := unpackPlain(packPlain(v))
		if err != nil || plainText(again) != plainText(v) {
			t.Errorf("%s came back as %s, %v", plainText(v), plainText(again), err)
		}
	})
}
