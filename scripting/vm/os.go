package vm

import (
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// openOs offers what only looks: time, date, clock, difftime, getenv; and exit,
// which shuts the server down in order.
func (v *VM) openOs() {
	t := v.register("os", map[string]lua.LGFunction{
		"clock": func(L *lua.LState) int {
			var ru syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
			L.Push(lua.LNumber(time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()))
			return 1
		},
		"difftime": func(L *lua.LState) int {
			from := 0.0
			if L.Get(2) != lua.LNil {
				from = checkNumber(L, 2)
			}
			L.Push(lua.LNumber(checkNumber(L, 1) - from))
			return 1
		},
		"getenv": func(L *lua.LState) int {
			if s, ok := os.LookupEnv(checkString(L, 1)); ok {
				L.Push(lua.LString(s))
			} else {
				L.Push(lua.LNil)
			}
			return 1
		},
		"time": osTime,
		"date": osDate,
		"exit": v.osExit,
	})
	for name, hint := range map[string]string{
		"execute":   "a child process would stall every client of this worker; use require 'process'",
		"remove":    "use require 'fs'",
		"rename":    "use require 'fs'",
		"tmpname":   "use require 'fs'",
		"setlocale": "the locale belongs to the whole process",
		"setenv":    "the environment belongs to the whole process",
	} {
		t.RawSetString(name, v.Function(unavailable("os."+name, hint)))
	}
}

// osExit asks the host for a graceful shutdown and ends the calling fiber.
func (v *VM) osExit(L *lua.LState) int {
	code := 0
	switch x := L.Get(1).(type) {
	case lua.LBool:
		if !bool(x) {
			code = 1
		}
	case *lua.LNilType:
	default:
		code = checkInt(L, 1)
	}
	if v.host != nil {
		v.host.Exit(code)
	}
	RaiseUncatchable(L, &Error{Kind: KindKilled, Message: fmt.Sprintf("os.exit(%d)", code)})
	return 0
}

func osTime(L *lua.LState) int {
	if L.Get(1) == lua.LNil {
		L.Push(lua.LNumber(time.Now().Unix()))
		return 1
	}
	t, ok := L.Get(1).(*lua.LTable)
	if !ok {
		typeError(L, 1, "table")
	}
	field := func(name string, def int) int {
		switch x := t.RawGetString(name).(type) {
		case lua.LNumber:
			return toInt(float64(x))
		case lua.LString:
			if f, ok := parseNumber(string(x)); ok {
				return toInt(f)
			}
		}
		if def < 0 {
			Raise(L, "field '%s' missing in date table", name)
		}
		return def
	}
	sec, minute, hour := field("sec", 0), field("min", 0), field("hour", 12)
	day, month, year := field("day", -1), field("month", -1), field("year", -1)
	at := time.Date(year, time.Month(month), day, hour, minute, sec, 0, time.Local)
	if dst, ok := t.RawGetString("isdst").(lua.LBool); ok && bool(dst) != at.IsDST() {
		// As mktime does: the fields were meant in the other kind of time.
		if dst {
			at = at.Add(-time.Hour)
		} else {
			at = at.Add(time.Hour)
		}
	}
	L.Push(lua.LNumber(at.Unix()))
	return 1
}

func osDate(L *lua.LState) int {
	format := "%c"
	if L.Get(1) != lua.LNil {
		format = checkString(L, 1)
	}
	at := time.Now()
	if L.Get(2) != lua.LNil {
		f := checkNumber(L, 2)
		if math.IsNaN(f) || math.Abs(f) > 1<<53 {
			argError(L, 2, "time out of range")
		}
		at = time.Unix(int64(f), 0)
	}
	if s, utc := strings.CutPrefix(format, "!"); utc {
		format, at = s, at.UTC()
	}
	if format != "*t" {
		L.Push(lua.LString(strftime(format, at)))
		return 1
	}
	t := L.CreateTable(0, 9)
	for k, n := range map[string]int{
		"sec": at.Second(), "min": at.Minute(), "hour": at.Hour(), "day": at.Day(), "month": int(at.Month()),
		"year": at.Year(), "wday": int(at.Weekday()) + 1, "yday": at.YearDay(),
	} {
		t.RawSetString(k, lua.LNumber(n))
	}
	t.RawSetString("isdst", lua.LBool(at.IsDST()))
	L.Push(t)
	return 1
}

// Strftime formats a time as os.date does.
func Strftime(format string, t time.Time) string { return strftime(format, t) }

// strftime formats as C does in the C locale.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch c := format[i]; c {
		case 'a':
			b.WriteString(t.Format("Mon"))
		case 'A':
			b.WriteString(t.Format("Monday"))
		case 'b', 'h':
			b.WriteString(t.Format("Jan"))
		case 'B':
			b.WriteString(t.Format("January"))
		case 'c':
			b.WriteString(t.Format("Mon Jan _2 15:04:05 2006"))
		case 'C':
			fmt.Fprintf(&b, "%02d", t.Year()/100)
		case 'd':
			b.WriteString(t.Format("02"))
		case 'D', 'x':
			b.WriteString(t.Format("01/02/06"))
		case 'e':
			b.WriteString(t.Format("_2"))
		case 'F':
			b.WriteString(t.Format("2006-01-02"))
		case 'G', 'g', 'V':
			y, w := t.ISOWeek()
			switch c {
			case 'G':
				fmt.Fprintf(&b, "%d", y)
			case 'g':
				fmt.Fprintf(&b, "%02d", y%100)
			default:
				fmt.Fprintf(&b, "%02d", w)
			}
		case 'H':
			b.WriteString(t.Format("15"))
		case 'I':
			b.WriteString(t.Format("03"))
		case 'j':
			fmt.Fprintf(&b, "%03d", t.YearDay())
		case 'm':
			b.WriteString(t.Format("01"))
		case 'M':
			b.WriteString(t.Format("04"))
		case 'n':
			b.WriteByte('\n')
		case 'p':
			b.WriteString(t.Format("PM"))
		case 'r':
			b.WriteString(t.Format("03:04:05 PM"))
		case 'R':
			b.WriteString(t.Format("15:04"))
		case 's':
			fmt.Fprintf(&b, "%d", t.Unix())
		case 'S':
			b.WriteString(t.Format("05"))
		case 't':
			b.WriteByte('\t')
		case 'T', 'X':
			b.WriteString(t.Format("15:04:05"))
		case 'u':
			fmt.Fprintf(&b, "%d", (int(t.Weekday())+6)%7+1)
		case 'U':
			fmt.Fprintf(&b, "%02d", (t.YearDay()+6-int(t.Weekday()))/7)
		case 'w':
			fmt.Fprintf(&b, "%d", int(t.Weekday()))
		case 'W':
			fmt.Fprintf(&b, "%02d", (t.YearDay()+6-(int(t.Weekday())+6)%7)/7)
		case 'y':
			b.WriteString(t.Format("06"))
		case 'Y':
			fmt.Fprintf(&b, "%d", t.Year())
		case 'z':
			b.WriteString(t.Format("-0700"))
		case 'Z':
			if t.Location() == time.UTC {
				b.WriteString("GMT") // what C says for gmtime
			} else {
				b.WriteString(t.Format("MST"))
			}
		case '%':
			b.WriteByte('%')
		default:
			b.WriteByte('%')
			b.WriteByte(c)
		}
	}
	return b.String()
}
