package time

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// layoutText is a layout: text with the signs of strftime.
type layoutText string

// The layouts that have names.
var named = map[string]layoutText{
	"rfc3339": "rfc3339", "http": "%a, %d %b %Y %T GMT", "rfc2822": "%a, %d %b %Y %T %z", "date": "%F", "datetime": "%F %T",
}

var layoutNames = []string{"rfc3339", "http", "rfc2822", "date", "datetime"}

const signs = "YymdeHIMSpbBaAjZzsLfFTRnt%"

// layoutArg is argument n, a layout, checked.
func layoutArg(L *lua.LState, n int, what string) layoutText {
	text, ok := L.Get(n).(lua.LString)
	if !ok {
		return "rfc3339"
	}
	if l, ok := named[string(text)]; ok {
		return l
	}
	if !strings.Contains(string(text), "%") {
		vm.Raise(L, "bad argument #%d 'layout' to '%s' (unknown layout '%s'%s)", n, what, text, scripting.Suggest(string(text), layoutNames))
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		if i++; i == len(text) || strings.IndexByte(signs, text[i]) < 0 {
			vm.Raise(L, "bad argument #%d 'layout' to '%s' (unknown sign '%s')", n, what, text[i-1:min(i+1, len(text))])
		}
	}
	return layoutText(text)
}

const http = layoutText("%a, %d %b %Y %T GMT")

func (l layoutText) format(t time.Time) string {
	switch l {
	case "rfc3339":
		return t.Format("2006-01-02T15:04:05.999999Z07:00")
	case http:
		t = t.UTC()
	}
	var b strings.Builder
	for i := 0; i < len(l); i++ {
		if l[i] != '%' {
			b.WriteByte(l[i])
			continue
		}
		i++
		writeSign(&b, l[i], t)
	}
	return b.String()
}

func writeSign(b *strings.Builder, sign byte, t time.Time) {
	switch sign {
	case 'Y':
		fmt.Fprintf(b, "%04d", t.Year())
	case 'y':
		fmt.Fprintf(b, "%02d", t.Year()%100)
	case 'm':
		fmt.Fprintf(b, "%02d", t.Month())
	case 'd':
		fmt.Fprintf(b, "%02d", t.Day())
	case 'e':
		fmt.Fprintf(b, "%2d", t.Day())
	case 'H':
		fmt.Fprintf(b, "%02d", t.Hour())
	case 'I':
		fmt.Fprintf(b, "%02d", (t.Hour()+11)%12+1)
	case 'M':
		fmt.Fprintf(b, "%02d", t.Minute())
	case 'S':
		fmt.Fprintf(b, "%02d", t.Second())
	case 'p':
		b.WriteString(t.Format("PM"))
	case 'b':
		b.WriteString(t.Format("Jan"))
	case 'B':
		b.WriteString(t.Format("January"))
	case 'a':
		b.WriteString(t.Format("Mon"))
	case 'A':
		b.WriteString(t.Format("Monday"))
	case 'j':
		fmt.Fprintf(b, "%03d", t.YearDay())
	case 'Z':
		b.WriteString(t.Format("MST"))
	case 'z':
		b.WriteString(t.Format("-0700"))
	case 's':
		b.WriteString(strconv.FormatInt(t.Unix(), 10))
	case 'L':
		fmt.Fprintf(b, "%03d", t.Nanosecond()/1e6)
	case 'f':
		fmt.Fprintf(b, "%06d", t.Nanosecond()/1e3)
	case 'F':
		b.WriteString(layoutText("%Y-%m-%d").format(t))
	case 'T':
		b.WriteString(layoutText("%H:%M:%S").format(t))
	case 'R':
		b.WriteString(layoutText("%H:%M").format(t))
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case '%':
		b.WriteByte('%')
	}
}

// parts are what a text says of a time.
type parts struct {
	year, month, day, yday int
	hour, min, sec, nsec   int
	half                   string // AM or PM
	weekday                int    // 0: none, else time.Weekday + 1
	zone                   *time.Location
	unix                   *int64
}

func (l layoutText) parse(text string, z *time.Location) (time.Time, error) {
	if l == "rfc3339" {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return t, fmt.Errorf("%q is no time as in RFC 3339, like 2006-01-02T15:04:05Z", text)
		}
		return t, nil
	}
	p := parts{year: 1970, month: 1, day: 1, zone: z}
	rest, err := l.scan(text, &p)
	if err == nil && rest != "" {
		err = fmt.Errorf("%q is left over", rest)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%q does not fit the layout %q: %w", text, string(l), err)
	}
	t, err := p.time()
	if err != nil {
		return t, fmt.Errorf("%q: %w", text, err)
	}
	return t, nil
}

// scan reads text as the layout says and returns what is left.
func (l layoutText) scan(text string, p *parts) (rest string, err error) {
	for i := 0; i < len(l); i++ {
		if l[i] == '%' {
			i++
			if text, err = p.sign(l[i], text); err != nil {
				return text, err
			}
			continue
		}
		if text == "" || text[0] != l[i] {
			return text, fmt.Errorf("%q expected", l[i:i+1])
		}
		text = text[1:]
	}
	return text, nil
}

// digits reads a number of least to most digits.
func digits(text string, least, most int, what string, out *int) (string, error) {
	n := 0
	for n < len(text) && n < most && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	if n < least {
		return text, fmt.Errorf("%s expected", what)
	}
	*out, _ = strconv.Atoi(text[:n])
	return text[n:], nil
}

// word reads one of some words, in any case, and returns its place from 1.
func word(text, what string, words []string, out *int) (string, error) {
	for i, w := range words {
		if len(text) >= len(w) && strings.EqualFold(text[:len(w)], w) {
			*out = i + 1
			return text[len(w):], nil
		}
	}
	return text, fmt.Errorf("%s expected", what)
}

var months, days, shortMonths, shortDays = func() (a, b, c, d []string) {
	for m := time.January; m <= time.December; m++ {
		a, c = append(a, m.String()), append(c, m.String()[:3])
	}
	for w := time.Sunday; w <= time.Saturday; w++ {
		b, d = append(b, w.String()), append(d, w.String()[:3])
	}
	return
}()

func (p *parts) sign(sign byte, text string) (rest string, err error) {
	switch sign {
	case 'Y':
		return digits(text, 4, 4, "a year of four digits", &p.year)
	case 'y':
		rest, err = digits(text, 2, 2, "a year of two digits", &p.year)
		p.year += 1900
		if p.year < 1969 { // as POSIX has it
			p.year += 100
		}
		return rest, err
	case 'm':
		return digits(text, 1, 2, "a month", &p.month)
	case 'd', 'e':
		return digits(strings.TrimLeft(text, " "), 1, 2, "a day", &p.day)
	case 'H', 'I':
		return digits(text, 1, 2, "an hour", &p.hour)
	case 'M':
		return digits(text, 1, 2, "a minute", &p.min)
	case 'S':
		return digits(text, 1, 2, "a second", &p.sec)
	case 'j':
		return digits(text, 3, 3, "a day of the year", &p.yday)
	case 'L':
		rest, err = digits(text, 3, 3, "milliseconds", &p.nsec)
		p.nsec *= 1e6
		return rest, err
	case 'f':
		rest, err = digits(text, 6, 6, "microseconds", &p.nsec)
		p.nsec *= 1e3
		return rest, err
	case 'p':
		var half int
		rest, err = word(text, "AM or PM", []string{"AM", "PM"}, &half)
		if err == nil {
			p.half = [...]string{"AM", "PM"}[half-1]
		}
		return rest, err
	case 'b', 'B':
		if rest, err = word(text, "a month", months, &p.month); err != nil {
			rest, err = word(text, "a month", shortMonths, &p.month)
		}
		return rest, err
	case 'a', 'A':
		if rest, err = word(text, "a day of the week", days, &p.weekday); err != nil {
			rest, err = word(text, "a day of the week", shortDays, &p.weekday)
		}
		return rest, err
	case 's':
		n := 0
		minus := strings.HasPrefix(text, "-")
		rest, err = digits(strings.TrimPrefix(text, "-"), 1, 12, "seconds", &n)
		at := int64(n)
		if minus {
			at = -at
		}
		p.unix = &at
		return rest, err
	case 'Z', 'z':
		return p.offset(text)
	case 'F':
		return layoutText("%Y-%m-%d").scan(text, p)
	case 'T':
		return layoutText("%H:%M:%S").scan(text, p)
	case 'R':
		return layoutText("%H:%M").scan(text, p)
	}
	c := map[byte]string{'n': "\n", 't': "\t", '%': "%"}[sign]
	if rest, ok := strings.CutPrefix(text, c); ok {
		return rest, nil
	}
	return text, fmt.Errorf("%q expected", c)
}

// offset reads +0200, +02:00, Z, UTC or GMT: other names of zones mean several.
func (p *parts) offset(text string) (string, error) {
	for _, name := range []string{"UTC", "GMT", "Z"} {
		if rest, ok := strings.CutPrefix(text, name); ok {
			p.zone = time.UTC
			return rest, nil
		}
	}
	if text == "" || text[0] != '+' && text[0] != '-' {
		return text, fmt.Errorf("a zone like +0200, Z, UTC or GMT expected")
	}
	var h, m int
	rest, err := digits(text[1:], 2, 2, "hours of a zone", &h)
	if err == nil {
		rest, err = digits(strings.TrimPrefix(rest, ":"), 2, 2, "minutes of a zone", &m)
	}
	if err != nil {
		return text, err
	}
	if h > 23 || m > 59 {
		return text, fmt.Errorf("a zone within a day expected")
	}
	secs := h*3600 + m*60
	if text[0] == '-' {
		secs = -secs
	}
	p.zone = time.FixedZone("", secs)
	return rest, nil
}

// time puts the parts together; what cannot be, such as a 30th of February, is
// an error.
func (p *parts) time() (time.Time, error) {
	if p.unix != nil {
		return time.Unix(*p.unix, int64(p.nsec)), nil
	}
	if p.half != "" {
		if p.hour < 1 || p.hour > 12 {
			return time.Time{}, fmt.Errorf("there is no hour %d with AM and PM", p.hour)
		}
		p.hour %= 12
		if p.half == "PM" {
			p.hour += 12
		}
	}
	if p.yday > 0 {
		p.month, p.day = 1, p.yday
	}
	t := time.Date(p.year, time.Month(p.month), p.day, p.hour, p.min, p.sec, p.nsec, p.zone)
	switch {
	case p.hour > 23 || p.min > 59 || p.sec > 59:
		return t, fmt.Errorf("there is no time %02d:%02d:%02d", p.hour, p.min, p.sec)
	case p.yday > 0 && t.Year() != p.year, p.yday == 0 && (int(t.Month()) != p.month || p.month < 1 || p.day < 1 || p.day > 31):
		return t, fmt.Errorf("there is no such day")
	case p.weekday > 0 && int(t.Weekday()) != p.weekday-1:
		return t, fmt.Errorf("that day is a %s", t.Weekday())
	}
	return t, nil
}
