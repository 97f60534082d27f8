package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// results holds every round of every pair of case and server.
type results map[[2]string][]*report

func newResults() results { return results{} }

func (r results) add(caseName, server string, one *report) {
	key := [2]string{caseName, server}
	r[key] = append(r[key], one)
}

// of is the median of a figure of a pair, 0 when it was not measured.
func (r results) of(caseName, server string, figure func(*report) float64) float64 {
	return median(over(r[[2]string{caseName, server}], figure))
}

func cost(r *report) float64 { return r.Cost }

func over(reports []*report, figure func(*report) float64) []float64 {
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

// grid is a table: the first row names the columns.
type grid [][]string

func (g grid) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range g {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
	return b.String()
}

func (g grid) markdown() string {
	var b strings.Builder
	for i, row := range g {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|---%s|\n", strings.Repeat("|---", len(row)-1))
		}
	}
	return b.String()
}

// table is the costs: a row for each server, a column for each case. Behind
// each is its ratio to gnet's, or to the bare loop's where gnet is not measured.
func (r results) table(o *options) grid {
	head := []string{"server"}
	for _, c := range o.cases {
		head = append(head, caseOf(c).title)
	}
	beside := ""
	for _, name := range []string{"bare", "gnet"} {
		if slices.Contains(o.servers, name) {
			beside = name
		}
	}
	if beside != "" {
		head[0] += " (times " + beside + ")"
	}
	g := grid{head}
	for _, s := range o.servers {
		row := []string{kindOf(s).title}
		for _, c := range o.cases {
			cell := fmt.Sprintf("%.3f", r.of(c, s, cost))
			if other := r.of(c, beside, cost); other > 0 {
				cell += fmt.Sprintf(" (%.2f)", r.of(c, s, cost)/other)
			}
			row = append(row, cell)
		}
		g = append(g, row)
	}
	for _, mode := range []string{"base", "process"} {
		if !slices.Contains(o.servers, mode) {
			continue
		}
		row := []string{"goal, " + mode + " mode"}
		for _, name := range o.cases {
			goal := caseOf(name).base
			if mode == "process" {
				goal = caseOf(name).process
			}
			if goal == 0 {
				row = append(row, "-")
			} else {
				row = append(row, fmt.Sprintf("%.2f", goal))
			}
		}
		g = append(g, row)
	}
	return g
}

// details is all that was measured: a row for each pair.
func (r results) details(o *options) grid {
	g := grid{{"case", "server", "cost", "least..most", "us/msg", "msgs/s", "p99 us"}}
	for _, c := range o.cases {
		for _, s := range o.servers {
			costs := over(r[[2]string{c, s}], cost)
			g = append(g, []string{
				caseOf(c).title, kindOf(s).title, fmt.Sprintf("%.3f", median(costs)),
				fmt.Sprintf("%.3f..%.3f", slices.Min(costs), slices.Max(costs)),
				fmt.Sprintf("%.2f", r.of(c, s, func(r *report) float64 { return r.ServerCPU * 1e6 })),
				thousands(r.of(c, s, func(r *report) float64 { return r.PerSecond })),
				thousands(r.of(c, s, func(r *report) float64 { return r.Latency.P99 * 1e6 })),
			})
		}
	}
	return g
}

// thousands writes v without its fraction, in groups of three digits.
func thousands(v float64) string {
	s := strconv.FormatInt(int64(v+0.5), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// write writes both as markdown, with what is needed to read them later.
func (r results) write(path string, o *options) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What an echoed message costs\n\n")
	fmt.Fprintf(&b, "Cost is CPU time of the server per message (where each connection lasts for one message: per connection), in units of one bare 64-byte loopback send and receive made at the same time. Medians of %d rounds of %s; server and load on one core, one worker or loop each; Swoon with default settings and a Lua callback.\n\n", o.rounds, o.time)
	fmt.Fprintf(&b, "%s; %s; Linux %s; %s\n\n%s\n%s", time.Now().UTC().Format(time.DateOnly), processor(), kernel(), runtime.Version(),
		r.table(o).markdown(), r.details(o).markdown())
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
