package scripting

import (
	"swoon/engine"
)

// errRenewed ends what a VM that is replaced by a fresh one had running for
// nobody.
var errRenewed = &engine.Errno{Name: "cancelled", Code: 10017, Text: "the worker got a fresh VM"}

// renew gives a worker a fresh VM of the same generation: the top level and
// onWorkerStart run beside the old VM, then the two change places as in a
// reload. Sessions, tasks and named timers stay. If the fresh one does not come
// up, the old one goes on. ended, if not nil, is told which. It reports false if
// there is nothing to renew: a renewal is under way, or the server stops. Baton
// holder of l.
func (h *Host) renew(l *engine.Loop, why string, ended func(ok bool)) bool {
	s := seatOf(l)
	old := s.live
	if s.renewing.Load() || old == nil || old.stage != live || h.stopping.Load() {
		return false
	}
	s.renewing.Store(true)
	l.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		ok := false
		defer func() {
			s.renewing.Store(false)
			if ended != nil {
				ended(ok)
			}
		}()
		in := h.newInstance(old.gen, l)
		in.number = old.number
		in.server.setFixed()
		if err := in.warm(f); err != nil {
			h.log.Error("a worker keeps its VM: the fresh one failed: "+err.Full(), "worker", in.number, "why", why)
		} else if s.live == old { // no reload was faster
			ok = true
		}
		if !ok {
			in.held = nil
			in.drain(errDiscarded)
			return
		}
		in.follow(old)
		s.live = in
		in.takeOver(old)
		old.drain(errRenewed)
		in.goLive()
		h.log.Info("a worker has a fresh VM", "worker", in.number, "why", why)
	})
	return true
}

// follow takes the place of another VM of the same worker and generation.
func (in *Instance) follow(old *Instance) {
	in.number, in.place = old.number, old.place
	in.server.setFixed()
	if in.place >= 0 {
		in.gen.instances[in.place] = in
	}
}
