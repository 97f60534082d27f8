package scripting

import (
	"io"
	"time"

	"swoon/engine"
)

// unfinishedWait is how long the rest of a line waits for its end before it is
// shown as it is: a dot of progress, a prompt.
const unfinishedWait = 50 * time.Millisecond

// line is the mark of who has begun a line.
type line struct{ _ byte }

// Write adds to the script's output without a newline. Whole lines go out at
// once. The rest of one waits a little, so that it goes out whole too; it goes
// without its end when nothing more comes, or by FlushOutput. A line that has
// been begun is never continued by another VM: the other's begins on a new one.
func (in *Instance) Write(s string) {
	in.vm.Write(s)
	if in.vm.Unfinished() && in.loop != nil && in.stage != declaring {
		in.loop.SetTimer(&in.outTimer, engine.Now()+int64(unfinishedWait), in, lineWaited)
	}
}

// lineWaited shows the line that nothing has finished.
func lineWaited(t *engine.Timer) {
	if in := t.Owner().(*Instance); in.stage != dead {
		in.FlushOutput()
	}
}

// FlushOutput shows what Write keeps of an unfinished line.
func (in *Instance) FlushOutput() {
	if s := in.vm.TakeOutput(); s != "" {
		in.host.write(in, s, "")
	}
}

// write writes text of a VM; end is a newline, or nothing where the line goes
// on. The baton holder of in.
func (h *Host) write(in *Instance, text, end string) {
	h.outMu.Lock()
	defer h.outMu.Unlock()
	if h.begun != nil && h.begun != in.line {
		text = "\n" + text
	}
	if h.begun = nil; end == "" {
		if in.line == nil {
			in.line = new(line)
		}
		h.begun = in.line
	}
	io.WriteString(h.out, text+end)
}
