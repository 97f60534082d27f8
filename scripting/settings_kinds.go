package scripting

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

func show(v lua.LValue) string {
	switch x := v.(type) {
	case nil:
		return "(default)"
	case lua.LString:
		return strconv.Quote(string(x))
	case *Table:
		return showTable(x)
	}
	return v.String()
}

func typeFault(want string, v lua.LValue) error {
	return fmt.Errorf("%s expected, got %s (%s)", want, v.Type(), show(v))
}

func str[S any](field func(*S) *string) func(*S, lua.LValue) error {
	return func(s *S, v lua.LValue) error {
		x, ok := v.(lua.LString)
		if !ok {
			return typeFault("string", v)
		}
		if x == "" {
			return fmt.Errorf("the string is empty")
		}
		*field(s) = string(x)
		return nil
	}
}

func boolean[S any](field func(*S) *bool) func(*S, lua.LValue) error {
	return func(s *S, v lua.LValue) error {
		x, ok := v.(lua.LBool)
		if !ok {
			return typeFault("boolean", v)
		}
		*field(s) = bool(x)
		return nil
	}
}

// number accepts numbers and strings that are numbers (from the command line).
func number(v lua.LValue) (float64, bool) {
	switch x := v.(type) {
	case lua.LNumber:
		return float64(x), true
	case lua.LString:
		f, err := strconv.ParseFloat(string(x), 64)
		return f, err == nil
	}
	return 0, false
}

func integer[S any](field func(*S) *int, lo, hi int) func(*S, lua.LValue) error {
	return func(s *S, v lua.LValue) error {
		f, ok := number(v)
		if !ok || f != math.Trunc(f) {
			return typeFault("whole number", v)
		}
		if f < float64(lo) || f > float64(hi) {
			return fmt.Errorf("%v is not in %d..%d", f, lo, hi)
		}
		*field(s) = int(f)
		return nil
	}
}

func duration[S any](field func(*S) *time.Duration, lo, hi float64) func(*S, lua.LValue) error {
	return func(s *S, v lua.LValue) error {
		f, ok := number(v)
		if !ok {
			return typeFault("number of seconds", v)
		}
		if !(f >= lo && f <= hi) {
			return fmt.Errorf("%v seconds is not in %v..%v", f, lo, hi)
		}
		*field(s) = time.Duration(f * float64(time.Second))
		return nil
	}
}

// size accepts bytes, as a number or as text with K, M or G.
func size[S any](field func(*S) *int, lo, hi int) func(*S, lua.LValue) error {
	return func(s *S, v lua.LValue) error {
		unit, in := 1.0, v
		if text, ok := v.(lua.LString); ok && text != "" {
			t := strings.ToUpper(strings.TrimSpace(string(text)))
			if i := strings.IndexByte("KMG", t[len(t)-1]); i >= 0 {
				unit = float64(int(1) << (10 * (i + 1)))
				in = lua.LString(strings.TrimSpace(t[:len(t)-1]))
			}
		}
		f, ok := number(in)
		if !ok {
			return typeFault(`number of bytes (or a string such as "2M")`, v)
		}
		f *= unit
		if !(f >= float64(lo) && f <= float64(hi)) || f != math.Trunc(f) {
			return fmt.Errorf("%s is not in %d..%d bytes", show(v), lo, hi)
		}
		*field(s) = int(f)
		return nil
	}
}

func setMode(s *Settings, v lua.LValue) error {
	switch strings.ToLower(v.String()) {
	case "base", "1":
		s.Mode = engine.Base
	case "process", "2":
		s.Mode = engine.Process
	case "thread", "3":
		return fmt.Errorf(`swoole.THREAD is not a mode here: every worker already is a thread with a VM of its own (use "base" or "process")`)
	default:
		return fmt.Errorf(`%s is neither "base" nor "process"`, show(v))
	}
	return nil
}

func setErrorPolicy(s *Settings, v lua.LValue) error {
	switch v.String() {
	case "close":
		s.KeepOnError = false
	case "keep":
		s.KeepOnError = true
	default:
		return fmt.Errorf(`%s is neither "close" nor "keep"`, show(v))
	}
	return nil
}

// LevelNotice lies between info and warning, as in Swoole.
const LevelNotice = slog.Level(2)

// LevelNone logs nothing.
const LevelNone = slog.Level(100)

var logLevels = []struct {
	name  string
	level slog.Level
}{
	{"debug", slog.LevelDebug}, {"trace", slog.LevelDebug}, {"info", slog.LevelInfo}, {"notice", LevelNotice},
	{"warning", slog.LevelWarn}, {"error", slog.LevelError}, {"none", LevelNone},
}

func setLogLevel(s *Settings, v lua.LValue) error {
	if f, ok := number(v); ok {
		if f != math.Trunc(f) || f < 0 || f > 6 {
			return fmt.Errorf("%v is not in 0..6", f)
		}
		s.LogLevel = logLevels[int(f)].level
		return nil
	}
	for _, l := range logLevels {
		if strings.EqualFold(v.String(), l.name) {
			s.LogLevel = l.level
			return nil
		}
	}
	return fmt.Errorf("%s is not a log level%s", show(v), didYouMean(v.String(), []string{"debug", "info", "notice", "warning", "error", "none"}))
}
