package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"swoon/scripting"
)

// mostGroups is how many groups of waiting fibers are shown to people.
const mostGroups = 20

// printStatus writes a status for people.
func printStatus(w io.Writer, s *scripting.ServerStatus) {
	fmt.Fprintf(w, "%s  %s, pid %d, swoon %s\n", s.Script, s.State, s.PID, s.Version)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("generation", "%d", s.Generation)
	if s.State != "starting" || !s.Started.IsZero() {
		row("up", "%s, %s mode", span(s.Uptime), s.Mode)
		row("listening", "%s", strings.Join(s.Listeners, ", "))
		row("sessions", "%d open, %d accepted, %d closed", s.Sessions.Open, s.Sessions.Accepted, s.Sessions.Closed)
		row("fibers", "%d waiting", s.Fibers)
		row("timers", "%d", s.Timers)
		row("tasks", "%d queued, %d running, %d in all", s.Tasks.Queued, s.Tasks.Running, s.Tasks.Total)
	}
	row("memory", "%s heap, %s resident", size(s.Memory.Heap), size(s.Memory.Resident))
	row("goroutines", "%d", s.Goroutines)
	if r := s.LastReload; r != nil {
		row("last reload", "%s", lastReload(r))
	}
	if len(s.Workers) > 0 {
		fmt.Fprintln(w)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  worker\tstate\tgeneration\tsessions\tfibers\trequests\ttimers")
		for _, l := range s.Workers {
			name := fmt.Sprint(l.ID)
			switch l.Kind {
			case "task":
				name += " (task)"
			case "control":
				name = "control"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%d\t%d\t%d\t%s\n", name, l.State, known(l.Generation), l.Sessions, l.Fibers, l.Requests, known(l.Timers))
		}
		t.Flush()
	}
	if len(s.Waiting) > 0 {
		fmt.Fprintln(w)
		printWaits(w, "  ", s.Waiting)
	}
	for _, d := range s.Draining {
		fmt.Fprintf(w, "\n  generation %d drains on %s: %d callback%s", d.Generation, workerList(d.Workers), d.Callbacks, plural(d.Callbacks))
		if d.Left > 0 {
			fmt.Fprintf(w, ", cut in %s", span(d.Left))
		}
		fmt.Fprintln(w)
		printWaits(w, "    ", d.Waiting)
	}
}

// workerList is "worker 1", "workers 1, 2", "the control VM" or both.
func workerList(ids []int) string {
	var names []string
	control := ""
	for _, id := range ids {
		if id < 0 {
			control = "the control VM"
		} else {
			names = append(names, fmt.Sprint(id))
		}
	}
	if len(names) == 0 {
		return control
	}
	if control != "" {
		control = " and " + control
	}
	return "worker" + plural(len(names)) + " " + strings.Join(names, ", ") + control
}

func printWaits(w io.Writer, indent string, list []scripting.WaitStatus) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, g := range list {
		if i == mostGroups {
			fmt.Fprintf(t, "%sand %d groups more (--json has them all)\n", indent, len(list)-mostGroups)
			break
		}
		at := g.In
		if g.Place != "" {
			at += " at " + g.Place
		}
		if g.Generation > 0 {
			at += fmt.Sprintf(", generation %d", g.Generation)
		}
		fmt.Fprintf(t, "%s%d\twait in %s\tup to %s\t%s\n", indent, g.Count, g.What, span(g.Longest), at)
	}
	t.Flush()
}

// lastReload is one line, and for a failure what the report says after it.
func lastReload(r *scripting.ReloadStatus) string {
	when := fmt.Sprintf("%s ago, %s", span(time.Since(r.At).Seconds()), r.Why)
	if !r.OK {
		return fmt.Sprintf("failed %s: %s: %s", when, r.Phase, strings.ReplaceAll(r.Error, "\n", "\n              "))
	}
	what := ""
	if r.TasksOnly {
		what = "task workers, "
	}
	return fmt.Sprintf("%s%s; build %s, warm %s, swap %s", what, when, span(r.Build), span(r.Warm), span(r.Swap))
}

// known is a number, or a dash where a busy worker could not be asked.
func known[T int | uint64](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(*p)
}

// span writes seconds as a duration of a sensible precision.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KB", n>>10)
}
