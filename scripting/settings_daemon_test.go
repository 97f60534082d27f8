package scripting

import (
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

func TestRotationSuffix(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for r, want := range []string{"", ".202602", ".20260203", ".2026020304", ".202602030405"} {
		if got := Rotation(r).Suffix(at); got != want {
			t.Errorf("%s: %q, want %q", rotationNames[r], got, want)
		}
		for _, v := range []lua.LValue{lua.LNumber(r), lua.LString(rotationNames[r]), lua.LString(strings.ToUpper(rotationNames[r]))} {
			if s, fault := set("log_rotation", v); fault != "" || s.LogRotation != Rotation(r) {
				t.Errorf("%v: %v, %s", v, s.LogRotation, fault)
			}
		}
	}
}

func TestDaemonSettingsRefuse(t *testing.T) {
	for _, c := range []struct {
		name  string
		value lua.LValue
		want  string
	}{
		{"log_rotation", lua.LString("dayly"), `"dayly" is no rotation (did you mean 'daily'?)`},
		{"log_rotation", lua.LNumber(5), "5 is not in 0..4"},
		{"log_date_format", lua.LString("%F %Q"), `unknown sign "%Q"`},
		{"log_date_format", lua.LString("%F %"), `unknown sign "%"`},
		{"user", lua.LNumber(-1), "-1 is no number of a user or group"},
		{"group", lua.LNumber(1.5), "1.5 is no number of a user or group"},
		{"chroot", lua.LString("/"), "a reload reads the script's files"},
	} {
		if _, fault := set(c.name, c.value); !strings.Contains(fault, c.want) {
			t.Errorf("%s = %v: %q, want %q", c.name, c.value, fault, c.want)
		}
	}
	if s, fault := set("user", lua.LNumber(33)); fault != "" || s.User != "33" {
		t.Errorf("%q, %s", s.User, fault)
	}
}
