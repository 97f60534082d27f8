package time_test

import (
	"testing"

	"go.uber.org/goleak"

	"swoon/scripting"
	"swoon/scripting/scriptingtest"
	luatime "swoon/stdlib/time"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, code string) {
	t.Helper()
	scriptingtest.Run(t, []scripting.Module{luatime.Module}, "local time = require 'time'\n"+code)
}

func TestClocks(t *testing.T) {
	run(t, `
assert(math.abs(time.now() - os.time()) < 5)
assert(math.abs(time.milliseconds() / 1000 - time.now()) < 5 and time.milliseconds() % 1 == 0)
assert(math.abs(time.microseconds() / 1e6 - time.now()) < 5 and time.microseconds() % 1 == 0)
local a = time.monotonic()
while time.monotonic() == a do end
assert(time.monotonic() > a)
`)
}

// The expected texts are those of date -u -d @1700000000.123456 +FORMAT.
func TestFormat(t *testing.T) {
	run(t, `
local at = 1700000000.123456
eq(time.format(at), "2023-11-14T22:13:20.123456Z")
eq(time.format(1700000000), "2023-11-14T22:13:20Z")
eq(time.format(at, "rfc3339", "Europe/Berlin"), "2023-11-14T23:13:20.123456+01:00")
eq(time.format(at, "http", "Europe/Berlin"), "Tue, 14 Nov 2023 22:13:20 GMT")
eq(time.format(at, "rfc2822", "Europe/Berlin"), "Tue, 14 Nov 2023 23:13:20 +0100")
eq(time.format(at, "date"), "2023-11-14") eq(time.format(at, "datetime"), "2023-11-14 22:13:20")
eq(time.format(at, "%Y %y %m %d %e %H %I %M %S %p %b %B %a %A %j %Z %z %s %L %f %F %T %R%n%t%%"),
  "2023 23 11 14 14 22 10 13 20 PM Nov November Tue Tuesday 318 UTC +0000 1700000000 123 123456 2023-11-14 22:13:20 22:13\n\t%")
eq(time.format(0, "%e %I %p"), " 1 12 AM") eq(time.format(43200, "%I %p"), "12 PM")
eq(time.format(-1, "datetime"), "1969-12-31 23:59:59") eq(time.format(-0.5), "1969-12-31T23:59:59.5Z")
assert(time.format():match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d"))
raises("unknown layout 'rfc339' (did you mean 'rfc3339'?)", time.format, 0, "rfc339")
raises("unknown sign '%Q'", time.format, 0, "%Y %Q")
raises("unknown sign '%'", time.format, 0, "%Y%")
raises("unknown time zone 'Mars/Base'", time.format, 0, "date", "Mars/Base")
raises("unknown time zone '../etc/passwd'", time.format, 0, "date", "../etc/passwd")
raises("a time in the years 0 to 9999 expected", time.format, 1e18)
raises("a time in the years 0 to 9999 expected", time.format, 0/0)
`)
}

func TestParse(t *testing.T) {
	run(t, `
eq(time.parse("2023-11-14T22:13:20Z"), 1700000000) eq(time.parse("2023-11-14T23:13:20.25+01:00"), 1700000000.25)
eq(time.parse("Tue, 14 Nov 2023 22:13:20 GMT", "http"), 1700000000)
eq(time.parse("Tue, 14 Nov 2023 23:13:20 +0100", "rfc2822"), 1700000000)
eq(time.parse("2023-11-14 22:13:20", "datetime"), 1700000000)
eq(time.parse("2023-11-14 23:13:20", "datetime", "Europe/Berlin"), 1700000000)
eq(time.parse("2023-11-14", "date"), 1699920000)
eq(time.parse("10:13:20 PM november 14 2023", "%I:%M:%S %p %B %d %Y"), 1700000000)
eq(time.parse("2023 318", "%Y %j"), 1699920000) eq(time.parse("1700000000", "%s"), 1700000000) eq(time.parse("-5", "%s"), -5)
eq(time.parse("12:00 AM", "%I:%M %p"), 0) eq(time.parse("12:30 PM", "%I:%M %p"), 45000)
eq(time.parse("68", "%y"), 3092601600) eq(time.parse("69", "%y"), -31536000)
eq(time.parse("20.123", "%S.%L"), 20.123) eq(time.parse("20.123456", "%S.%f"), 20.123456)
eq(time.parse("100%", "1%S%%") , 0)
for _, at in ipairs{0, 1, -1, 951782400, 1700000000.123456, 253402300799, -62135596800} do
  for _, layout in ipairs{"rfc3339", "%Y-%m-%d %H:%M:%S.%f %z", "%A %j %Y %I:%M:%S %p .%f"} do
    eq(time.parse(time.format(at, layout), layout), at, layout)
  end
end
for text, layout in pairs{ ["2023-02-30"] = "date", ["2023-13-01"] = "date", ["2023-00-10"] = "date", ["2023-01-00"] = "date", ["23-01-01"] = "date",
  ["2023-11-14 "] = "date", ["24:00:00"] = "%T", ["10:60:00"] = "%T", ["x"] = "rfc3339", ["2023-11-14T22:13:20"] = "rfc3339", [""] = "date",
  ["Mon, 14 Nov 2023 22:13:20 GMT"] = "http", ["13 PM"] = "%I %p", ["2023 366"] = "%Y %j", ["CET"] = "%Z", ["+99:00"] = "%z", ["Foo"] = "%b" } do
  fails("malformed", time.parse(text, layout))
end
eq(select(3, time.parse("2023-02-30", "date")), '"2023-02-30": there is no such day')
eq(select(3, time.parse("2023x", "%Y-%m")), '"2023x" does not fit the layout "%Y-%m": "-" expected')
`)
}

func TestFields(t *testing.T) {
	run(t, `
eq(time.fields(1700000000.5), { year = 2023, month = 11, day = 14, hour = 22, min = 13, sec = 20.5, wday = 3, yday = 318, offset = 0, zone = "UTC" })
local f = time.fields(1700000000, "America/New_York")
eq(f.hour, 17) eq(f.offset, -18000) eq(f.zone, "EST")
eq(time.from_fields{ year = 2023, month = 11, day = 14, hour = 22, min = 13, sec = 20.5 }, 1700000000.5)
eq(time.from_fields(f, "America/New_York"), 1700000000)
eq(time.format(time.from_fields{ year = 2024, month = 3, day = 0 }, "date"), "2024-02-29")
eq(time.format(time.from_fields{ year = 2023, month = 14, day = 1, hour = -1 }, "datetime"), "2024-01-31 23:00:00")
raises("field 'year' must be a number, not nil", time.from_fields, {})
raises("field 'day' must be a whole number, not 1.5", time.from_fields, { year = 2023, month = 1, day = 1.5 })
raises("not in the years 0 to 9999", time.from_fields, { year = 20000, month = 1, day = 1 })
`)
}

func TestDurations(t *testing.T) {
	run(t, `
for text, secs in pairs{ ["1h30m"] = 5400, ["1.5s"] = 1.5, ["250ms"] = 0.25, ["2d"] = 172800, ["1w1d"] = 691200, ["-5m"] = -300, ["0s"] = 0, ["10us"] = 1e-5, ["1m1ms"] = 60.001, [" 3s "] = 3 } do
  eq(time.duration(text), secs, text)
end
for _, bad in ipairs{"", "-", "5", "s", "5x", "1h 30m", "1..5s", "--5s", "1e3s", "5S"} do fails("malformed", time.duration(bad)) end
for text, secs in pairs{ ["1h30m"] = 5400, ["1.5s"] = 1.5, ["250ms"] = 0.25, ["2d"] = 172800, ["8d"] = 691200, ["-5m"] = -300, ["0s"] = 0, ["10us"] = 1e-5,
  ["1m0.001s"] = 60.001, ["1d2h3m4.5s"] = 93784.5, ["1.5ms"] = 0.0015 } do
  eq(time.duration_text(secs), text)
  eq(time.duration(text), secs, text)
end
eq(time.duration_text(1e-9), "0s") eq(time.duration_text(-1e-9), "0s")
raises("up to 1e12 expected", time.duration_text, 0/0)
`)
}
