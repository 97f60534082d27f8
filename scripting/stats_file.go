package scripting

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// The file that the statistics are written to, for others to read.

// StatsSettings say where and how often.
type StatsSettings struct {
	StatsFile     string // "": nowhere
	StatsInterval time.Duration
}

var statsSettings = []setting{
	{name: "stats_file", def: "no file", server: setStatsFile,
		doc: "file that server:stats() is written to again and again: JSON if its name ends in .json, else a line \"name: value\" for each; it is always whole"},
	{name: "stats_timer_interval", def: "1000", server: milliseconds(func(s *Settings) *time.Duration { return &s.StatsInterval }, 10, 86_400_000),
		doc: "milliseconds between two such writes"},
}

func setStatsFile(s *Settings, v lua.LValue) error {
	if err := str(func(s *Settings) *string { return &s.StatsFile })(s, v); err != nil {
		return err
	}
	if strings.HasSuffix(s.StatsFile, ".php") {
		return fmt.Errorf("%s: PHP is not written (end it in .json, or in anything else for lines of text)", show(v))
	}
	return nil
}

// milliseconds is duration for settings that Swoole gives in these.
func milliseconds[S any](field func(*S) *time.Duration, lo, hi int) func(*S, lua.LValue) error {
	return func(s *S, v lua.LValue) error {
		var n int
		if err := integer(func(*S) *int { return &n }, lo, hi)(s, v); err != nil {
			return err
		}
		*field(s) = time.Duration(n) * time.Millisecond
		return nil
	}
}

// statsWriter writes the statistics to a file, on a goroutine of its own.
type statsWriter struct {
	want    atomic.Pointer[StatsSettings]
	changed chan struct{} // cap 1
	fault   string        // the one that was reported last
}

// set says where and how often from now on. Any goroutine.
func (w *statsWriter) set(s StatsSettings) {
	if old := w.want.Swap(&s); old != nil && *old == s {
		return
	}
	select {
	case w.changed <- struct{}{}:
	default: // it has not looked yet
	}
}

// keepStats writes until the server stops.
func (h *Host) keepStats() {
	defer h.work.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-h.stats.changed:
		case <-timer.C:
		}
		h.writeStats()
		if w := h.stats.want.Load(); w.StatsFile != "" {
			timer.Reset(w.StatsInterval)
		} else {
			timer.Stop()
		}
	}
}

// writeStats writes the statistics now, if that is wanted. A fault is reported
// when it begins. The writer's, or whoever waits for its end.
func (h *Host) writeStats() {
	path := h.stats.want.Load().StatsFile
	if path == "" {
		return
	}
	fault := ""
	if err := h.replaceStats(path); err != nil {
		fault = err.Error()
	}
	if fault != "" && fault != h.stats.fault {
		h.log.Error("stats_file: cannot be written, and is tried again", "error", fault)
	}
	h.stats.fault = fault
}

// replaceStats puts a whole new file in the place of the old.
func (h *Host) replaceStats(path string) error {
	text := h.statsText()
	if strings.HasSuffix(path, ".json") {
		text = h.statsJSON()
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

func (h *Host) statsText() []byte {
	var b bytes.Buffer
	line := func(name string, v float64) { fmt.Fprintf(&b, "%s: %s\n", name, numberText(v)) }
	for _, s := range h.counters(nil) {
		line(s.name, s.value)
	}
	for _, e := range h.events(nil) {
		e.each(func(name string, v float64) { line(e.name+"_"+name, v) })
	}
	return b.Bytes()
}

func (h *Host) statsJSON() []byte {
	var b bytes.Buffer
	sep := "{\n"
	for _, s := range h.counters(nil) {
		fmt.Fprintf(&b, "%s  %q: %s", sep, s.name, numberText(s.value))
		sep = ",\n"
	}
	b.WriteString(",\n  \"events\": {")
	for i, e := range h.events(nil) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n    %q: {", e.name)
		comma := ""
		e.each(func(name string, v float64) {
			fmt.Fprintf(&b, "%s%q: %s", comma, name, numberText(v))
			comma = ", "
		})
		b.WriteByte('}')
	}
	b.WriteString("\n  }\n}\n")
	return b.Bytes()
}

func numberText(v float64) string {
	if whole(v) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
