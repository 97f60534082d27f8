package scripting

import (
	"fmt"
	"io"
	"time"

	"swoon/engine"
)

// Dump writes what every waiting fiber waits for, with its Lua stack. A loop
// that does not answer is one that a callback holds; it is named. Any goroutine.
func (h *Host) Dump(w io.Writer) {
	if !h.running.Load() {
		return
	}
	type answer struct {
		name string
		text chan string
	}
	var answers []answer
	for _, l := range append(h.loops(), h.engine.Control()) {
		a := answer{fmt.Sprintf("worker %d", l.ID()), make(chan string, 1)}
		if l == h.engine.Control() {
			a.name = "control"
		}
		l.Call(func() { a.text <- describeWaiting(a.name, l) })
		answers = append(answers, a)
	}
	end := time.Now().Add(dumpPatience)
	for _, a := range answers {
		select {
		case s := <-a.text:
			io.WriteString(w, s)
		case <-time.After(max(time.Until(end), 10*time.Millisecond)): // whose answer is there is heard, though others were late
			fmt.Fprintf(w, "%s: a callback computes without a wait\n", a.name)
		}
	}
}

// dumpPatience is how long the loops have to answer, all of them together.
const dumpPatience = time.Second

func describeWaiting(name string, l *engine.Loop) string {
	list := l.Waiting()
	out := fmt.Sprintf("%s: %d fibers wait\n", name, len(list))
	for _, i := range list {
		out += fmt.Sprintf("  fiber %d waits in %s for %v", i.ID, i.What, i.For.Round(time.Millisecond))
		if c, ok := i.Data.(*call); ok && c.at != nil {
			out += ": " + c.Where() + "\n" + c.in.vm.FullTraceback(c.at)
		}
		out += "\n"
	}
	return out
}
