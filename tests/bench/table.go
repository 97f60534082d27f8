package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"swoon-bench/client"
)

// results holds every round of every pair of case and server.
type results map[[2]string][]*client.Report

func newResults() results { return results{} }

func (r results) add(caseName, server string, report *client.Report) {
	key := [2]string{caseName, server}
	r[key] = append(r[key], report)
}

// row is one line of the table: the medians over all rounds.
type row struct {
	caseTitle, server string
	cost, low, high   float64 // and the least and greatest cost of a round
	toBare, toGnet    float64 // 0: not measured
	micros            float64 // server CPU per message, as the clock has it
	perSecond         float64
	p99               time.Duration
}

func (r results) rows(o *options) (rows []row) {
	for _, c := range o.cases {
		for _, s := range o.servers {
			reports := r[[2]string{c, s}]
			costs := over(reports, (*client.Report).Cost)
			rows = append(rows, row{
				caseTitle: caseOf(c).title,
				server:    kindOf(s).title,
				cost:      median(costs),
				low:       slices.Min(costs),
				high:      slices.Max(costs),
				toBare:    ratio(median(costs), r.cost(c, "bare")),
				toGnet:    ratio(median(costs), r.cost(c, "gnet")),
				micros: median(over(reports, func(r *client.Report) float64 {
					return float64(r.CPU.Microseconds()) / float64(r.Messages)
				})),
				perSecond: median(over(reports, (*client.Report).PerSecond)),
				p99: time.Duration(median(over(reports, func(r *client.Report) float64 {
					return float64(r.Delay(0.99))
				}))),
			})
		}
	}
	return rows
}

// cost is the median cost of a pair, 0 when it was not measured.
func (r results) cost(caseName, server string) float64 {
	return median(over(r[[2]string{caseName, server}], (*client.Report).Cost))
}

func over(reports []*client.Report, figure func(*client.Report) float64) []float64 {
	out := make([]float64, len(reports))
	for i, r := range reports {
		out[i] = figure(r)
	}
	return out
}

// median is the middle value, of an even number the mean of the two, of none 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

var columns = []string{"case", "server", "cost", "least..most", "/ bare", "/ gnet", "us/msg", "msgs/s", "p99 us"}

func (r *row) cells() []string {
	times := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", v)
	}
	return []string{
		r.caseTitle, r.server, fmt.Sprintf("%.3f", r.cost), fmt.Sprintf("%.3f..%.3f", r.low, r.high),
		times(r.toBare), times(r.toGnet), fmt.Sprintf("%.2f", r.micros), thousands(r.perSecond), thousands(float64(r.p99.Microseconds())),
	}
}

// thousands writes v without its fraction, in groups of three digits.
func thousands(v float64) string {
	s := strconv.FormatInt(int64(v+0.5), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func writeText(w io.Writer, rows []row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(columns, "\t"))
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(r.cells(), "\t"))
	}
	return tw.Flush()
}

// writeReport writes the same as markdown, with what is needed to read it later.
func writeReport(path string, o *options, rows []row) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What an echoed message costs\n\n")
	fmt.Fprintf(&b, "Cost is CPU time of the server per message (where each connection lasts for one message: per connection), in units of one bare 64-byte loopback send and receive made at the same time. Medians of %d rounds of %s; server and load on one core, one worker or loop each; Swoon with default settings and a Lua callback, the others without a script.\n\n", o.rounds, o.time)
	fmt.Fprintf(&b, "%s; %s; Linux %s; %s\n\n", time.Now().UTC().Format(time.DateOnly), processor(), kernel(), runtime.Version())
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(columns, " | "), "---|---|"+strings.Repeat("---:|", len(columns)-2))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "?"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
