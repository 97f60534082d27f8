package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// Report is what came of a load. As JSON its durations are seconds and its sizes
// bytes; names stay, new ones may come.
type Report struct {
	Target      string  `json:"target"`
	Script      string  `json:"script,omitempty"`
	Connections int     `json:"connections"`
	Threads     int     `json:"threads"`
	Framing     string  `json:"framing,omitempty"`
	Size        int     `json:"size,omitempty"`   // of a message on the wire
	Answer      int     `json:"answer,omitempty"` // and of its answer
	Depth       int     `json:"depth"`
	Churn       bool    `json:"churn"`
	Rate        float64 `json:"rate"` // 0: as fast as answers came
	Seconds     float64 `json:"seconds"`

	Messages  uint64  `json:"messages"` // answered in that time
	PerSecond float64 `json:"per_second"`
	// Unsent were due in that time but could not be sent before its end. They
	// count in Latency with the time that they had waited by then.
	Unsent uint64 `json:"unsent"`
	// Latency counts from when a message was due if there is a rate (Corrected),
	// else from when it was sent.
	Latency   Latency `json:"latency"`
	Corrected bool    `json:"corrected"`

	// With the server's process: its CPU time per message, and that time in
	// units of one bare 64-byte send and receive over loopback at that time.
	ServerCPU float64 `json:"server_cpu,omitempty"`
	Unit      float64 `json:"unit,omitempty"`
	Cost      float64 `json:"cost,omitempty"`
}

// ErrNothing is for a load that no answer came to in time.
var ErrNothing = errors.New("no message was answered in the time that is counted")

func (r *run) report(generators []*generator) (*Report, error) {
	out := &Report{
		Target: r.Target.Name, Connections: r.Conns, Threads: r.Threads, Framing: r.Framing.Kind,
		Size: r.data.asked, Answer: r.data.length, Depth: r.Depth, Churn: r.Churn, Rate: r.Rate, Corrected: r.Rate > 0,
	}
	sum := newHistogram()
	var spent time.Duration
	var pairs int64
	for _, g := range generators {
		out.Messages += g.rec.addTo(sum)
		out.Unsent += g.unsent
		if g.unit != nil {
			spent, pairs = spent+g.unit.spent, pairs+g.unit.pairs
		}
	}
	out.Latency = latencyOf(sum)
	out.over(generators[0].took)
	if out.Messages == 0 {
		return nil, ErrNothing
	}
	if r.usage.took > 0 && pairs > 0 {
		out.ServerCPU = r.usage.took.Seconds() / float64(out.Messages)
		out.Unit = spent.Seconds() / float64(pairs)
		out.Cost = out.ServerCPU / out.Unit
	}
	return out, nil
}

// over sets the time that was counted.
func (r *Report) over(took time.Duration) {
	r.Seconds = took.Seconds()
	if took > 0 {
		r.PerSecond = float64(r.Messages) / r.Seconds
	}
}

// JSON writes the report as one line.
func (r *Report) JSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// Text writes the report for people.
func (r *Report) Text(w io.Writer) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	what := fmt.Sprintf("%d bytes", r.Size)
	if r.Answer != r.Size {
		what += fmt.Sprintf(", answered by %d", r.Answer)
	}
	if r.Framing != "" && r.Framing != "raw" {
		what += ", framed by " + r.Framing
	}
	how := fmt.Sprintf("%s connection%s", Thousands(float64(r.Connections)), plural(r.Connections))
	switch {
	case r.Churn:
		how += " at a time, each for one message"
	case r.Depth > 1:
		how += fmt.Sprintf(" with %d messages under way each", r.Depth)
	}
	if r.Rate > 0 {
		how += ", " + Thousands(r.Rate) + " messages a second are due"
	}
	fmt.Fprintf(w, "%s\n", r.Target)
	if r.Script != "" {
		row("script", "%s", r.Script)
	} else {
		row("message", "%s", what)
	}
	row("load", "%s; %d thread%s", how, r.Threads, plural(r.Threads))
	row("time", "%.1f s", r.Seconds)
	checked := "every byte checked"
	if r.Script != "" {
		checked = "checked by the script"
	}
	row("answers", "%s, %s a second, %s", Thousands(float64(r.Messages)), Thousands(r.PerSecond), checked)
	if r.Unsent > 0 {
		row("unsent", "%s were due and could not be sent in time: the server does not keep up", Thousands(float64(r.Unsent)))
	}
	l := r.Latency
	row("latency", "least %s, mean %s, most %s", Span(l.Min), Span(l.Mean), Span(l.Max))
	row("", "50 %%   within %s", Span(l.P50))
	row("", "90 %%   within %s", Span(l.P90))
	row("", "99 %%   within %s", Span(l.P99))
	row("", "99.9 %% within %s", Span(l.P999))
	if r.Corrected {
		row("", "from when a message was due, so that waiting in line is part of it")
	} else {
		row("", "from when a message was sent: a server that stalls is not sent to; --rate shows what users would see")
	}
	if r.Cost > 0 {
		row("server CPU", "%s a message, %.3f of one bare send and receive (%s)", Span(r.ServerCPU), r.Cost, Span(r.Unit))
	}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// Span writes seconds for people, to three digits.
func Span(s float64) string {
	switch {
	case s <= 0:
		return "0"
	case s < 999.5e-9:
		return digits(s*1e9) + " ns"
	case s < 999.5e-6:
		return digits(s*1e6) + " us"
	case s < 999.5e-3:
		return digits(s*1e3) + " ms"
	}
	return digits(s) + " s"
}

// digits writes v to three digits, or all of its whole part.
func digits(v float64) string {
	places := 0
	if v < 99.95 {
		places = 1
	}
	if v < 9.995 {
		places = 2
	}
	return strconv.FormatFloat(v, 'f', places, 64)
}

// Thousands writes v without its fraction, in groups of three digits.
func Thousands(v float64) string {
	s := strconv.FormatInt(int64(math.Round(v)), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
