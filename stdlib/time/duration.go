package time

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// units are the units of a duration in seconds, those of two letters first.
var units = []struct {
	name string
	secs float64
}{{"ms", 1e-3}, {"us", 1e-6}, {"w", 7 * 86400}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}

func duration(in *scripting.Instance, L *lua.LState) int {
	text := L.CheckString(1)
	sum, err := parseDuration(text)
	if err != nil {
		return malformed(in, L, fmt.Sprintf("%q is no duration: %v", text, err))
	}
	L.Push(lua.LNumber(sum))
	return 1
}

func parseDuration(text string) (float64, error) {
	rest, minus := strings.CutPrefix(strings.TrimSpace(text), "-")
	if rest == "" {
		return 0, fmt.Errorf("it is empty")
	}
	micros := 0.0
	for rest != "" {
		n := 0
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.') {
			n++
		}
		f, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, fmt.Errorf("a number expected at %q", rest)
		}
		rest = rest[n:]
		secs := 0.0
		for _, u := range units {
			if tail, ok := strings.CutPrefix(rest, u.name); ok {
				rest, secs = tail, u.secs
				break
			}
		}
		if secs == 0 {
			return 0, fmt.Errorf("a unit (w, d, h, m, s, ms, us) expected at %q", rest)
		}
		micros += f * (secs * 1e6)
	}
	if minus {
		micros = -micros
	}
	return micros / 1e6, nil
}

func durationText(_ *scripting.Instance, L *lua.LState) int {
	f := float64(L.CheckNumber(1))
	if !(math.Abs(f) <= 1e12) {
		vm.Raise(L, "bad argument #1 'seconds' to 'time.duration_text' (up to 1e12 expected, got %v)", lua.LNumber(f))
	}
	L.Push(lua.LString(showDuration(f)))
	return 1
}

func showDuration(f float64) string {
	micros := int64(math.Round(math.Abs(f) * 1e6))
	sign := ""
	if f < 0 && micros > 0 {
		sign = "-"
	}
	decimal := func(n, unit int64) string { return strconv.FormatFloat(float64(n)/float64(unit), 'f', -1, 64) }
	switch {
	case micros == 0:
		return "0s"
	case micros < 1e3:
		return sign + strconv.FormatInt(micros, 10) + "us"
	case micros < 1e6:
		return sign + decimal(micros, 1e3) + "ms"
	}
	var b strings.Builder
	b.WriteString(sign)
	for _, u := range units[3:6] { // d, h, m
		if n := micros / int64(u.secs*1e6); n > 0 {
			b.WriteString(strconv.FormatInt(n, 10) + u.name)
			micros -= n * int64(u.secs*1e6)
		}
	}
	if micros > 0 {
		b.WriteString(decimal(micros, 1e6) + "s")
	}
	return b.String()
}
