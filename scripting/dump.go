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
	for _, l := range append(h.loops(), h.engine.Control()) {
		name := fmt.Sprintf("worker %d", l.ID())
		if l == h.engine.Control() {
			name = "control"
		}
		text := make(chan string, 1)
		l.Call(func() { text <- describeWaiting(name, l) })
		select {
		case s := <-text:
			io.WriteString(w, s)
		case <-time.After(100 * time.Millisecond):
			fmt.Fprintf(w, "%s: a callback computes without a wait\n", name)
		}
	}
}

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
