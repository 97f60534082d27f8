package scripting

import (
	"fmt"
	"math"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// DaemonSettings are of the process as a whole; whoever runs it sees to them.
type DaemonSettings struct {
	Daemonize bool
	PidFile   string
	User      string // a name or a number; "": as it is
	Group     string

	LogFile       string // "": the standard error
	LogRotation   Rotation
	LogDateFormat string // as strftime's; "": the default
	LogMicros     bool
}

// Rotation says how often the log begins a new file.
type Rotation uint8

// The rotations, with Swoole's numbers.
const (
	Single Rotation = iota
	Monthly
	Daily
	Hourly
	EveryMinute
)

var rotationNames = []string{"single", "monthly", "daily", "hourly", "every_minute"}

// Suffix is what the name of the log file that is written to at t ends in.
func (r Rotation) Suffix(t time.Time) string {
	switch r {
	case Monthly:
		return t.Format(".200601")
	case Daily:
		return t.Format(".20060102")
	case Hourly:
		return t.Format(".2006010215")
	case EveryMinute:
		return t.Format(".200601021504")
	}
	return ""
}

var daemonSettings = []setting{
	{name: "daemonize", def: "false", server: boolean(func(s *Settings) *bool { return &s.Daemonize }),
		doc:   "go on in the background once the server has started; the directory stays what it is, output goes to log_file or nowhere",
		fixed: "the process runs as it was started"},
	{name: "pid_file", def: "no file", server: str(func(s *Settings) *string { return &s.PidFile }),
		doc:   "file that holds the process id while the server runs",
		fixed: "the file of this process is there already"},
	{name: "user", def: "as started", server: account(func(s *Settings) *string { return &s.User }),
		doc:   "user that the process becomes when it listens and before any worker starts, by name or number; only root can",
		fixed: "the process has become that user already"},
	{name: "group", def: "that of user", server: account(func(s *Settings) *string { return &s.Group }),
		doc:   "group that it becomes likewise",
		fixed: "the process has become that group already"},
	{name: "chroot", def: "not possible", server: func(*Settings, lua.LValue) error {
		return fmt.Errorf("a reload reads the script's files, and they would be out of reach: keep the process in a container, or by RootDirectory of systemd")
	}, doc: "refused: files that a reload has to read would be out of reach"},
	{name: "log_file", def: "stderr", server: str(func(s *Settings) *string { return &s.LogFile }),
		doc: "file the log is appended to; SIGHUP, SIGWINCH, SIGRTMIN, SIGUSR1 and SIGUSR2 open it anew"},
	{name: "log_rotation", def: `"single"`, server: setRotation,
		doc: `"monthly", "daily", "hourly" or "every_minute": log_file gets a date behind its name, and a new file with each; "single": one file; or Swoole's numbers 0 to 4. Nothing is removed`},
	{name: "log_date_format", def: "date and time with milliseconds", server: setDateFormat,
		doc: "how a line of the log begins: text with the signs of strftime"},
	{name: "log_date_with_microseconds", def: "false", server: boolean(func(s *Settings) *bool { return &s.LogMicros }),
		doc: "microseconds behind that"},
}

// account is str for a user or a group, which may be a number.
func account(field func(*Settings) *string) func(*Settings, lua.LValue) error {
	return func(s *Settings, v lua.LValue) error {
		if n, ok := v.(lua.LNumber); ok {
			if n < 0 || n != lua.LNumber(math.Trunc(float64(n))) || n > math.MaxUint32 {
				return fmt.Errorf("%v is no number of a user or group", n)
			}
			v = lua.LString(n.String())
		}
		return str(field)(s, v)
	}
}

func setRotation(s *Settings, v lua.LValue) error {
	if f, ok := number(v); ok {
		if f != math.Trunc(f) || f < 0 || int(f) >= len(rotationNames) {
			return fmt.Errorf("%v is not in 0..%d", f, len(rotationNames)-1)
		}
		s.LogRotation = Rotation(f)
		return nil
	}
	text, ok := v.(lua.LString)
	if !ok {
		return typeFault("string", v)
	}
	for i, name := range rotationNames {
		if strings.EqualFold(string(text), name) {
			s.LogRotation = Rotation(i)
			return nil
		}
	}
	return fmt.Errorf("%s is no rotation%s", show(v), didYouMean(string(text), rotationNames))
}

// dateSigns are the signs of strftime that log_date_format may have.
const dateSigns = "aAbBcCdDeFgGhHIjmMnprRsStTuUVwWxXyYzZ%"

func setDateFormat(s *Settings, v lua.LValue) error {
	if err := str(func(s *Settings) *string { return &s.LogDateFormat })(s, v); err != nil {
		return err
	}
	f := s.LogDateFormat
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			continue
		}
		if i++; i == len(f) || strings.IndexByte(dateSigns, f[i]) < 0 {
			return fmt.Errorf("%s: unknown sign %q", show(v), f[i-1:min(i+1, len(f))])
		}
	}
	return nil
}
