package php

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// started anchors hrtime.
var started = time.Now()

// longestSleep is a sleep that is surely a mistake, in seconds.
const longestSleep = 1e9

var clockFuncs = []scripting.Func{
	pure("time", "", "number", "The seconds since 1970, whole.", func(*lua.LState) lua.LValue { return lua.LNumber(time.Now().Unix()) }),
	pure("microtime", "as_float any", "number|string", "The seconds since 1970 with their fraction, when as_float is true; else the text \"fraction seconds\".", func(L *lua.LState) lua.LValue {
		now := time.Now()
		if flag(L, 1) {
			return lua.LNumber(float64(now.UnixMicro()) / 1e6)
		}
		return lua.LString(fmt.Sprintf("%.8f %d", float64(now.Nanosecond()/1000)/1e6, now.Unix()))
	}),
	row("hrtime", "as_number any", "table|number", "A clock that only goes forward: {seconds, nanoseconds}, or nanoseconds when as_number is true.", func(_ *scripting.Instance, L *lua.LState) int {
		ns := int64(time.Since(started))
		if flag(L, 1) {
			L.Push(lua.LNumber(ns))
		} else {
			L.Push(vm.NewList([]lua.LValue{lua.LNumber(ns / 1e9), lua.LNumber(ns % 1e9)}))
		}
		return 1
	}),
	pure("date", "format string, timestamp number?", "string", "A time, now unless given, by a format of PHP's letters (Y-m-d H:i:s and all others; a backslash takes the meaning from one), in the local time zone.", func(L *lua.LState) lua.LValue {
		return lua.LString(date(text(L, 1), moment(L, 2)))
	}),
	pure("gmdate", "format string, timestamp number?", "string", "As date, in UTC.", func(L *lua.LState) lua.LValue {
		return lua.LString(date(text(L, 1), moment(L, 2).UTC()))
	}),
	pure("mktime", "hour number, minute number?, second number?, month number?, day number?, year number?", "number", "The seconds since 1970 of a local time; what is left out is as now, and what is too large carries over.", func(L *lua.LState) lua.LValue {
		now := time.Now()
		part := func(n int, name string, def int) int { return whole(L, n, "mktime", name, def) }
		return lua.LNumber(time.Date(part(6, "year", now.Year()), time.Month(part(4, "month", int(now.Month()))), part(5, "day", now.Day()),
			part(1, "hour", now.Hour()), part(2, "minute", now.Minute()), part(3, "second", now.Second()), 0, time.Local).Unix())
	}),
	pure("checkdate", "month number, day number, year number", "boolean", "Whether there is such a day.", func(L *lua.LState) lua.LValue {
		m, d, y := whole(L, 1, "checkdate", "month", 0), whole(L, 2, "checkdate", "day", 0), whole(L, 3, "checkdate", "year", 0)
		if m < 1 || m > 12 || d < 1 || d > 31 || y < 1 || y > 32767 {
			return lua.LFalse
		}
		return lua.LBool(time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Day() == d)
	}),
	row("sleep", "seconds number", "number", "Waits; other callbacks run meanwhile. Fractions are allowed. The result is 0.", func(in *scripting.Instance, L *lua.LState) int {
		return pause(in, L, "sleep", "seconds", 1)
	}),
	row("usleep", "microseconds number", "", "Waits as sleep does, so many microseconds.", func(in *scripting.Instance, L *lua.LState) int {
		pause(in, L, "usleep", "microseconds", 1e-6)
		return 0
	}),
}

func pause(in *scripting.Instance, L *lua.LState, what, name string, unit float64) int {
	in.MustRun(L, "php."+what)
	s := number(L, 1, 0) * unit
	if !(s >= 0) || s > longestSleep {
		vm.Raise(L, "bad argument #1 '%s' to 'php.%s' (0 or more, and less than thirty years, expected, got %s)", name, what, L.Get(1).String())
	}
	in.FlushOutput()
	in.Sleep(L, time.Duration(s*float64(time.Second)))
	L.Push(vm.Int(0))
	return 1
}

// moment is argument n as a time, now where it is not given.
func moment(L *lua.LState, n int) time.Time {
	if L.Get(n) == lua.LNil {
		return time.Now()
	}
	f := number(L, n, 0)
	if !(math.Abs(f) < 1e14) {
		vm.Raise(L, "bad argument #%d 'timestamp' to 'php.date' (out of range: %s)", n, vm.Number(f))
	}
	return time.Unix(int64(math.Floor(f)), 0)
}

// date formats t by PHP's letters.
func date(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		switch c := format[i]; c {
		case 'd':
			b.WriteString(t.Format("02"))
		case 'D':
			b.WriteString(t.Format("Mon"))
		case 'j':
			b.WriteString(strconv.Itoa(t.Day()))
		case 'l':
			b.WriteString(t.Format("Monday"))
		case 'N':
			b.WriteString(strconv.Itoa((int(t.Weekday())+6)%7 + 1))
		case 'S':
			b.WriteString(ordinal(t.Day()))
		case 'w':
			b.WriteString(strconv.Itoa(int(t.Weekday())))
		case 'z':
			b.WriteString(strconv.Itoa(t.YearDay() - 1))
		case 'W':
			_, w := t.ISOWeek()
			fmt.Fprintf(&b, "%02d", w)
		case 'F':
			b.WriteString(t.Format("January"))
		case 'm':
			b.WriteString(t.Format("01"))
		case 'M':
			b.WriteString(t.Format("Jan"))
		case 'n':
			b.WriteString(strconv.Itoa(int(t.Month())))
		case 't':
			b.WriteString(strconv.Itoa(time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()))
		case 'L':
			b.WriteString(strconv.Itoa(time.Date(t.Year(), 12, 31, 0, 0, 0, 0, time.UTC).YearDay() - 365))
		case 'o':
			y, _ := t.ISOWeek()
			b.WriteString(strconv.Itoa(y))
		case 'Y':
			fmt.Fprintf(&b, "%04d", t.Year())
		case 'y':
			fmt.Fprintf(&b, "%02d", t.Year()%100)
		case 'a':
			b.WriteString(t.Format("pm"))
		case 'A':
			b.WriteString(t.Format("PM"))
		case 'B':
			u := t.UTC().Add(time.Hour)
			fmt.Fprintf(&b, "%03d", (u.Hour()*3600+u.Minute()*60+u.Second())*10/864)
		case 'g':
			b.WriteString(t.Format("3"))
		case 'G':
			b.WriteString(strconv.Itoa(t.Hour()))
		case 'h':
			b.WriteString(t.Format("03"))
		case 'H':
			b.WriteString(t.Format("15"))
		case 'i':
			b.WriteString(t.Format("04"))
		case 's':
			b.WriteString(t.Format("05"))
		case 'u':
			fmt.Fprintf(&b, "%06d", t.Nanosecond()/1000)
		case 'v':
			fmt.Fprintf(&b, "%03d", t.Nanosecond()/1e6)
		case 'e':
			b.WriteString(t.Location().String())
		case 'I':
			if t.IsDST() {
				b.WriteByte('1')
			} else {
				b.WriteByte('0')
			}
		case 'O':
			b.WriteString(t.Format("-0700"))
		case 'P':
			b.WriteString(t.Format("-07:00"))
		case 'p':
			b.WriteString(t.Format("Z07:00"))
		case 'T':
			if t.Location() == time.UTC {
				b.WriteString("GMT") // gmdate; a local zone of that kind is UTC
			} else {
				b.WriteString(t.Format("MST"))
			}
		case 'Z':
			_, offset := t.Zone()
			b.WriteString(strconv.Itoa(offset))
		case 'c':
			b.WriteString(t.Format("2006-01-02T15:04:05-07:00"))
		case 'r':
			b.WriteString(t.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
		case 'U':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case '\\':
			if i++; i < len(format) {
				b.WriteByte(format[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ordinal is the ending of a day's number: 1st, 2nd.
func ordinal(day int) string {
	switch {
	case day == 1 || day == 21 || day == 31:
		return "st"
	case day == 2 || day == 22:
		return "nd"
	case day == 3 || day == 23:
		return "rd"
	}
	return "th"
}
