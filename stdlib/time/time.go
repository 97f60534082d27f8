// Package time is the Lua module "time": clocks, dates as text, durations.
package time

import (
	"math"
	"strings"
	"sync"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

var (
	seconds = scripting.Param{Name: "seconds", Type: "number?"}
	layout  = scripting.Param{Name: "layout", Type: "string?"}
	zone    = scripting.Param{Name: "zone", Type: "string?"}
)

// Module declares time.
var Module = scripting.Module{
	Name: "time",
	Doc: "Clocks, dates as text, durations. A time is a number of seconds since 1970-01-01 UTC, with fractions down to a microsecond; a duration is a number of seconds. " +
		"A zone is \"UTC\" (what is meant without one), \"Local\", or a name such as \"Europe/Berlin\". " +
		"A layout is rfc3339 (what is meant without one), http, rfc2822, date, datetime, or text with the signs of strftime: " +
		"%Y %y %m %d %e %H %I %M %S %p %b %B %a %A %j %Z %z %s, %L (milliseconds), %f (microseconds), %F (%Y-%m-%d), %T (%H:%M:%S), %R (%H:%M), %n, %t, %%.",
	Funcs: []scripting.Func{
		{Name: "now", Returns: "number", Doc: "The time.", Fn: clock(func() float64 { return float64(time.Now().UnixMicro()) / 1e6 })},
		{Name: "milliseconds", Returns: "number", Doc: "The time in whole milliseconds since 1970.", Fn: clock(func() float64 { return float64(time.Now().UnixMilli()) })},
		{Name: "microseconds", Returns: "number", Doc: "The time in whole microseconds since 1970.", Fn: clock(func() float64 { return float64(time.Now().UnixMicro()) })},
		{
			Name: "monotonic", Returns: "number",
			Doc: "Seconds on a clock that nobody sets, for measuring: only differences mean something.",
			Fn:  clock(func() float64 { return time.Since(begun).Seconds() }),
		},
		{Name: "format", Params: []scripting.Param{seconds, layout, zone}, Returns: "string", Doc: "A time (now) as text.", Fn: format},
		{
			Name: "parse", Params: []scripting.Param{{Name: "text", Type: "string"}, layout, zone}, Returns: "number|false, string?, string?",
			Doc: "The time that a text means; zone is for a text that names none. Fails with malformed.", Fn: parse,
		},
		{
			Name: "fields", Params: []scripting.Param{seconds, zone}, Returns: "table",
			Doc: "A time (now) in parts: year, month, day, hour, min, sec (with fractions), wday (1 is Sunday), yday, offset (seconds east of UTC), zone.", Fn: fields,
		},
		{
			Name: "from_fields", Params: []scripting.Param{{Name: "fields", Type: "table"}, zone}, Returns: "number",
			Doc: "The time of such parts: year, month and day, and hour, min, sec if they are not 0. Parts beyond their range count on, so that day 0 is the last of the month before.", Fn: fromFields,
		},
		{
			Name: "duration", Params: []scripting.Param{{Name: "text", Type: "string"}}, Returns: "number|false, string?, string?",
			Doc: "The seconds of a text such as \"1h30m\", \"1.5s\", \"2d\", \"250ms\": numbers with w, d, h, m, s, ms, us. Fails with malformed.", Fn: duration,
		},
		{
			Name: "duration_text", Params: []scripting.Param{{Name: "seconds", Type: "number"}}, Returns: "string",
			Doc: "A duration as such a text, to the microsecond: \"1d2h3m4.5s\", \"250ms\", \"0s\".", Fn: durationText,
		},
	},
}

var begun = time.Now()

func clock(read func() float64) func(*scripting.Instance, *lua.LState) int {
	return func(_ *scripting.Instance, L *lua.LState) int {
		L.Push(lua.LNumber(read()))
		return 1
	}
}

// The first and the last time with a year of four digits.
const (
	earliest = -62167219200
	latest   = 253402300799
)

// timeArg is argument n, a time, or now.
func timeArg(L *lua.LState, n int, what string) time.Time {
	v := L.Get(n)
	if v == lua.LNil {
		return time.Now().UTC()
	}
	f, _ := scripting.Number(v)
	if !(f >= earliest && f <= latest) {
		vm.Raise(L, "bad argument #%d 'seconds' to '%s' (a time in the years 0 to 9999 expected, got %v)", n, what, v)
	}
	return timeOf(f)
}

// timeOf is a time of so many seconds, to the microsecond.
func timeOf(f float64) time.Time {
	whole := math.Floor(f)
	return time.Unix(int64(whole), int64(math.Round((f-whole)*1e6))*1e3).UTC()
}

func secondsOf(t time.Time) lua.LNumber {
	return lua.LNumber(float64(t.Unix()) + float64(t.Nanosecond()/1e3)/1e6)
}

var zones sync.Map // name -> *time.Location

// zoneArg is argument n, the name of a zone, or UTC.
func zoneArg(L *lua.LState, n int, what string) *time.Location {
	name, ok := L.Get(n).(lua.LString)
	if !ok {
		return time.UTC
	}
	if z, ok := zones.Load(string(name)); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(string(name))
	if err != nil || name == "" {
		vm.Raise(L, "bad argument #%d 'zone' to '%s' (unknown time zone '%s')", n, what, name)
	}
	zones.Store(strings.Clone(string(name)), z)
	return z
}

func format(_ *scripting.Instance, L *lua.LState) int {
	const what = "time.format"
	t := timeArg(L, 1, what).In(zoneArg(L, 3, what))
	L.Push(lua.LString(layoutArg(L, 2, what).format(t)))
	return 1
}

func parse(in *scripting.Instance, L *lua.LState) int {
	const what = "time.parse"
	text, l, z := L.CheckString(1), layoutArg(L, 2, what), zoneArg(L, 3, what)
	t, err := l.parse(text, z)
	if err != nil {
		return malformed(in, L, err.Error())
	}
	L.Push(secondsOf(t))
	return 1
}

func malformed(in *scripting.Instance, L *lua.LState, text string) int {
	return in.Fail(L, &scripting.Errno{Name: "malformed", Code: 74, Text: text})
}

func fields(_ *scripting.Instance, L *lua.LState) int {
	const what = "time.fields"
	t := timeArg(L, 1, what).In(zoneArg(L, 2, what))
	out := L.CreateTable(0, 10)
	name, offset := t.Zone()
	for key, n := range map[string]float64{
		"year": float64(t.Year()), "month": float64(t.Month()), "day": float64(t.Day()), "hour": float64(t.Hour()), "min": float64(t.Minute()),
		"sec": float64(t.Second()) + float64(t.Nanosecond())/1e9, "wday": float64(t.Weekday()) + 1, "yday": float64(t.YearDay()), "offset": float64(offset),
	} {
		out.RawSetString(key, lua.LNumber(n))
	}
	out.RawSetString("zone", lua.LString(name))
	L.Push(out)
	return 1
}

func fromFields(_ *scripting.Instance, L *lua.LState) int {
	const what = "time.from_fields"
	t, z := L.CheckTable(1), zoneArg(L, 2, what)
	part := func(name string, needed, whole bool) float64 {
		v := t.RawGetString(name)
		f, ok := scripting.Number(v)
		switch {
		case v == lua.LNil && !needed:
			return 0
		case !ok || !(math.Abs(f) <= 1e9):
			vm.Raise(L, "%s: field '%s' must be a number, not %v", what, name, v)
		case whole && f != math.Trunc(f):
			vm.Raise(L, "%s: field '%s' must be a whole number, not %v", what, name, v)
		}
		return f
	}
	sec := part("sec", false, false)
	whole := math.Floor(sec)
	at := time.Date(int(part("year", true, true)), time.Month(part("month", true, true)), int(part("day", true, true)),
		int(part("hour", false, true)), int(part("min", false, true)), int(whole), int(math.Round((sec-whole)*1e6))*1e3, z)
	if s := at.Unix(); s < earliest || s > latest {
		vm.Raise(L, "%s: the time is not in the years 0 to 9999", what)
	}
	L.Push(secondsOf(at))
	return 1
}
