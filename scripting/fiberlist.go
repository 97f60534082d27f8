package scripting

import (
	"fmt"
	"sort"
	"time"

	"swoon/engine"

	lua "github.com/yuin/gopher-lua"
)

// FiberIDs are the fibers of this VM that wait, and the running one, by number.
// From here on the script knows all of them. Baton holder.
func (in *Instance) FiberIDs() []uint64 {
	var ids []uint64
	if id := in.FiberID(); id != 0 {
		ids = append(ids, id)
	}
	for _, i := range in.loop.Waiting() {
		if c, ok := i.Data.(*call); ok && c.in == in {
			if c.more == nil {
				c.more = &fiberState{in: in, c: c, f: i.Fiber, id: i.ID}
			}
			c.more.know()
			ids = append(ids, i.ID)
		}
	}
	sort.Slice(ids, func(a, b int) bool { return ids[a] < ids[b] })
	return ids
}

// FiberTrace tells what a fiber of this VM does, since when, and where: its
// callback, and its Lua stack. L is the running thread. Baton holder.
func (in *Instance) FiberTrace(id uint64, L *lua.LState) (string, error) {
	if id != 0 && id == in.loop.Current().ID() {
		text := fmt.Sprintf("fiber %d runs", id)
		if c, ok := in.loop.Current().Data.(*call); ok {
			text += ": " + c.Where()
		}
		return text + "\n" + in.vm.FullTraceback(L), nil
	}
	for _, i := range in.loop.Waiting() {
		if c, ok := i.Data.(*call); ok && c.in == in && i.ID == id {
			return in.traceOf(c, i), nil
		}
	}
	if st := in.fibers[id]; st != nil {
		if st.f == nil {
			return fmt.Sprintf("fiber %d starts when onWorkerStart has returned", id), nil
		}
		return fmt.Sprintf("fiber %d started the running one, and goes on when that waits or ends", id), nil
	}
	return "", errNoFiber
}

func (in *Instance) traceOf(c *call, i engine.WaitInfo) string {
	text := fmt.Sprintf("fiber %d waits in %s for %v: %s", i.ID, i.What, i.For.Round(time.Millisecond), c.Where())
	if c.at != nil {
		text += "\n" + in.vm.FullTraceback(c.at)
	}
	return text
}

// FiberStats counts fibers: those of this VM that wait, what keeps the VM busy
// (callbacks under way, and promised ones), all that wait on the worker, and how
// many may.
type FiberStats struct{ Waiting, UnderWay, Worker, Max int }

// FiberStats counts the fibers. Baton holder.
func (in *Instance) FiberStats() FiberStats {
	s := FiberStats{UnderWay: in.underWay, Max: in.loop.Engine().Limits().MaxFibers}
	for _, i := range in.loop.Waiting() {
		s.Worker++
		if c, ok := i.Data.(*call); ok && c.in == in {
			s.Waiting++
		}
	}
	return s
}
