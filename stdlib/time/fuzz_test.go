package time

import (
	"math"
	"testing"
	"time"
)

// What parse takes for a time, format writes so that parse takes it for the same.
func FuzzParse(f *testing.F) {
	f.Add("2023-11-14 22:13:20", "%F %T")
	f.Add("Tue, 14 Nov 2023 22:13:20 +0100", "%a, %d %b %Y %T %z")
	f.Add("12 AM 068 1700000000.123456", "%I %p %j %s.%f")
	f.Fuzz(func(t *testing.T, text, layout string) {
		for i := 0; i < len(layout); i++ {
			if layout[i] == '%' {
				if i++; i == len(layout) || !isSign(layout[i]) {
					return
				}
			}
		}
		at, err := layoutText(layout).parse(text, time.UTC)
		if err != nil {
			return
		}
		const full = layoutText("%Y-%m-%d %T.%f")
		if at = at.UTC().Truncate(time.Microsecond); at.Year() < 0 || at.Year() > 9999 {
			return
		}
		if again, err := full.parse(full.format(at), time.UTC); err != nil || !again.Equal(at) {
			t.Errorf("%q by %q is %v, written and read again %v (%v)", text, layout, at, again, err)
		}
	})
}

func isSign(c byte) bool {
	for i := range len(signs) {
		if signs[i] == c {
			return true
		}
	}
	return false
}

// What duration reads, duration_text writes so that it reads the same.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"1h30m", "1.5s", "-2d", "0.000001s", "1w1d1h1m1s1ms1us", "..s", "9999999999999w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseDuration(text)
		if err != nil || math.Abs(v) > 1e9 {
			return
		}
		again, err := parseDuration(showDuration(v))
		if err != nil || math.Abs(again-v) > 1e-6 {
			t.Errorf("%q is %v, written %q, read again %v (%v)", text, v, showDuration(v), again, err)
		}
	})
}
