package scripting

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Whatever asks for a reload, a saved file, a signal, server:reload(), the
// control socket, takes one path: the reloader, one goroutine that builds,
// warms and swaps, one generation after the other.

// reloadPhase is where the reloader stands. Generations that drain are no
// phase: any number up to maxDraining does so meanwhile.
type reloadPhase uint8

const (
	serving   reloadPhase = iota // nothing to do
	building                     // files, the control VM's top level, settings
	warmingUp                    // every worker's top level and onWorkerStart
	swapping                     // loop by loop; cannot fail any more
)

// asked is what may come while the reloader is in a phase.
type asked uint8

const (
	saved   asked = iota // a file has changed
	called               // a signal, server:reload(), the control socket
	stopped              // the server is to stop
)

// reaction is what the reloader does about it.
type reaction uint8

const (
	begins reaction = iota // a reload, at once
	after                  // a reload, once, when this one is over
	again                  // give this one up and begin with the new files
	ends                   // give this one up and end
	finish                 // finish this one, then end
)

// reactions is what may happen when. A save during a warm gives it up: what
// warms is old already. It does so once; a warm that has been started over goes
// on, or a script that is saved for ever would never go live.
var reactions = [...][3]reaction{
	//          saved  called stopped
	serving:   {begins, begins, ends},
	building:  {after, after, ends},
	warmingUp: {again, after, ends},
	swapping:  {after, after, finish},
}

// reloadRequest is one or more wishes for a reload.
type reloadRequest struct {
	why     []string
	files   []string
	tasks   bool // the task workers only
	replies []chan ReloadReport
}

// Reload asks for a reload. Any goroutine.
func (h *Host) Reload(why string, tasksOnly bool) {
	h.wishes.add(reloadRequest{why: []string{why}, tasks: tasksOnly})
}

// ReloadAndWait asks for a reload and waits until it has gone live or failed.
func (h *Host) ReloadAndWait(why string, tasksOnly bool) ReloadReport {
	reply := make(chan ReloadReport, 1)
	h.wishes.add(reloadRequest{why: []string{why}, tasks: tasksOnly, replies: []chan ReloadReport{reply}})
	select {
	case r := <-reply:
		return r
	case <-h.done:
		return ReloadReport{Generation: h.gen.Load().id, Why: why, At: time.Now(), Phase: "start", Error: "the server is stopping"}
	}
}

// LastReload is the report of the last reload that was tried; ok is false
// before the first. Any goroutine.
func (h *Host) LastReload() (r ReloadReport, ok bool) {
	if p := h.lastReload.Load(); p != nil {
		return *p, true
	}
	return ReloadReport{}, false
}

// wishes are the reloads asked for and not begun. What is asked for twice is
// done once.
type wishes struct {
	mu   sync.Mutex
	next *reloadRequest
	come chan struct{} // cap 1
}

func (w *wishes) add(r reloadRequest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.next; n != nil {
		for _, why := range r.why {
			if !contains(n.why, why) {
				n.why = append(n.why, why)
			}
		}
		for _, f := range r.files {
			if !contains(n.files, f) {
				n.files = append(n.files, f)
			}
		}
		n.tasks = n.tasks && r.tasks
		n.replies = append(n.replies, r.replies...)
	} else {
		w.next = &r
	}
	w.nudge()
}

// nudge makes the reloader look what is to be watched.
func (w *wishes) nudge() {
	select {
	case w.come <- struct{}{}:
	default: // the reloader has been told
	}
}

func (w *wishes) take() *reloadRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.next
	w.next = nil
	return r
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// reloader is the state of the goroutine that reloads.
type reloader struct {
	h        *Host
	phase    reloadPhase
	failures int // reloads that failed since one succeeded
	restarts int // warms given up for newer files, in a row
}

// run reloads until the server stops.
func (r *reloader) run(w *fileWatch) {
	h := r.h
	defer h.work.Done()
	for {
		select {
		case <-h.done:
			return
		case <-h.wishes.come:
		}
		for req := h.wishes.take(); req != nil && !h.stopping.Load(); req = h.wishes.take() {
			report := r.reload(req)
			for _, reply := range req.replies {
				reply <- report
			}
		}
		w.follow(h.watchList())
	}
}

// doWatch is server:watch.
func (in *Instance) doWatch(L *lua.LState) int {
	in.gen.loader.Note(L.CheckString(2))
	if in.stage == live {
		in.host.wishes.nudge()
	}
	L.Push(lua.LTrue)
	return 1
}

// attempt is one reload under way.
type attempt struct {
	*reloader
	req    *reloadRequest
	report ReloadReport
	old, g *Generation
	diff   []difference
	resize *engine.Resize // nil: the numbers of workers stay
	ports  portChange
	crew   []*engine.Loop // who gets an instance
}

// reload makes the next generation and puts it in the place of the old, or
// leaves everything as it is and says why.
func (r *reloader) reload(req *reloadRequest) ReloadReport {
	h := r.h
	a := &attempt{reloader: r, req: req, old: h.gen.Load()}
	a.report = ReloadReport{Generation: a.old.id, Why: strings.Join(req.why, ", "), Files: req.files, TasksOnly: req.tasks, At: time.Now()}
	h.tell(Reloading, "reloading: "+a.report.Why)
	defer func() {
		r.phase = serving
		text := h.serving()
		if !a.report.OK {
			text = a.report.String()
		}
		h.tell(Ready, text)
	}()

	r.phase = building
	select {
	case <-h.saves: // what was saved before now is what is built
	default:
	}
	if phase, err := a.build(); err != nil {
		return a.failed(phase, err)
	}
	a.report.Build = time.Since(a.report.At)
	r.phase = warmingUp
	if err := a.warm(); err == errStopped || err == errSuperseded {
		return a.givenUp(err)
	} else if err != nil {
		return a.failed("onWorkerStart", err)
	}
	r.restarts = 0
	if err := h.tunePorts(&a.ports, a.g.settings); err != nil {
		return a.failed("settings", err)
	}
	a.report.Warm = time.Since(a.report.At) - a.report.Build

	r.phase = swapping
	begun := time.Now()
	a.swap()
	a.report.Swap = time.Since(begun)
	a.report.Took = time.Since(a.report.At)
	a.report.OK, a.report.Generation = true, a.g.id
	a.report.Recovered, r.failures = r.failures, 0
	h.lastReload.Store(&a.report)
	h.failed = nil
	a.logSuccess()
	if !req.tasks {
		h.reloadEvent(a.g.control, evAfterReload, a.g.id, &a.report)
	}
	return a.report
}

// build loads the files, runs the top level in a new control VM, and compares
// the settings.
func (a *attempt) build() (phase string, err error) {
	h := a.h
	a.g = h.newGeneration()
	if _, err := a.g.loader.Load(h.script); err != nil {
		return "load", err
	}
	if err := h.declare(a.g); err != nil {
		return "top level", err
	}
	a.diff = a.old.settings.changesTo(a.g.settings)
	a.report.Changes = changeTexts(a.diff)
	if no := refused(a.diff); no != "" {
		return "settings", fmt.Errorf("these cannot change while the server runs, restart it: %s", no)
	}
	if a.req.tasks && len(a.diff) > 0 {
		return "settings", fmt.Errorf("a reload of the task workers alone changes no settings, reload all: %s", strings.Join(a.report.Changes, ", "))
	}
	return "settings", a.prepare()
}

// prepare makes what the settings need and do not have: loops and listeners.
// Nothing uses them yet.
func (a *attempt) prepare() (err error) {
	h, s := a.h, a.g.settings
	a.crew = h.loops()
	if a.req.tasks {
		a.crew = h.engine.TaskWorkers()
		return nil
	}
	if a.ports, err = h.preparePorts(a.old, s); err != nil {
		return err
	}
	e := h.engine
	if s.Workers != len(e.Workers()) || s.TaskWorkers != len(e.TaskWorkers()) || s.Processes != len(e.Processes()) {
		if a.resize, err = e.Prepare(s.Workers, s.TaskWorkers, s.Processes); err != nil {
			return err
		}
		for _, l := range a.resize.Added() {
			h.onLoop(l, func() { l.Data = &seat{} })
		}
		a.crew = slices.Concat(a.resize.Workers(), a.resize.TaskWorkers(), a.resize.Processes())
	}
	a.crew = append(a.crew, h.reactorsFor(a.g)...)
	return nil
}

// undo gives up what prepare and warm have made.
func (a *attempt) undo() {
	a.h.discard(a.g)
	a.h.dropControl(a.g)
	if a.resize != nil {
		a.resize.Abort()
	}
	for _, p := range a.ports.added {
		a.h.engine.UnbindPort(p)
	}
}

// warm makes the instances of every loop that is to get one.
func (a *attempt) warm() *vm.Error {
	var newer, stop <-chan struct{}
	if reactions[a.phase][saved] == again && a.restarts == 0 {
		newer = a.h.saves
	}
	if reactions[a.phase][stopped] == ends {
		stop = a.h.done
	}
	err := a.h.warm(a.g, a.crew, newer, stop)
	if err == errSuperseded {
		a.restarts++
	}
	return err
}

// swap puts the new generation in the place of the old.
func (a *attempt) swap() {
	h := a.h
	if a.req.tasks {
		a.g.bindPorts(a.old.ports)
		a.report.Draining = h.swap(nil, a.g, nil)
		h.dropControl(a.g) // it has nothing to control: events stay with the old one
		h.limitDraining()
		return
	}
	h.reloadEvent(a.old.control, evBeforeReload, a.g.id, &a.report)
	a.g.bindPorts(a.ports.all)
	a.g.formers = h.formers(a.old, a.g)
	h.apply(a.g, a.diff)
	a.report.Draining = h.swap(a.old, a.g, a.resize)
	h.leaveReactors(a.g)
	h.framePorts(a.g)
	h.exchangePorts(&a.ports, a.g.settings)
	h.limitDraining()
}

// failed reports why the old generation goes on, and undoes what was made.
func (a *attempt) failed(phase string, err error) ReloadReport {
	h := a.h
	h.failed = a.g.loader // the next save may repair a module that the running one does not have
	a.undo()
	a.failures++
	text := err.Error()
	var script *vm.Error
	if errors.As(err, &script) {
		text = script.Full()
	}
	a.report.Phase, a.report.Error, a.report.Took = phase, text, time.Since(a.report.At)
	h.lastReload.Store(&a.report)
	h.log.Error(a.report.String(), "why", a.report.Why)
	return a.report
}

// givenUp undoes what was made for a reload that nobody waits for any more:
// the server stops, or newer files are there.
func (a *attempt) givenUp(why *vm.Error) ReloadReport {
	h := a.h
	a.undo()
	a.report.Phase, a.report.Error, a.report.Took = "warm", why.Message, time.Since(a.report.At)
	if why == errSuperseded {
		h.log.Info("reload begins again: "+why.Message, "why", a.report.Why)
		h.wishes.add(*a.req)
		a.req.replies = nil // they wait for that one
	}
	return a.report
}

func (a *attempt) logSuccess() {
	r := &a.report
	attrs := []any{"generation", r.Generation, "why", r.Why}
	add := func(key string, v any) { attrs = append(attrs, key, v) }
	if r.TasksOnly {
		add("what", "task workers")
	}
	if r.Recovered > 0 {
		add("recovered", "after "+count(r.Recovered, "failed reload"))
	}
	if len(r.Changes) > 0 {
		add("changes", strings.Join(r.Changes, ", "))
	}
	add("build", ms(r.Build))
	add("warm", ms(r.Warm))
	add("swap", ms(r.Swap))
	add("draining", r.Draining)
	a.h.log.Info("reloaded", attrs...)
}

// declare runs the top level in a new control VM, on the control loop.
func (h *Host) declare(g *Generation) error {
	result := make(chan error, 1)
	c := h.engine.Control()
	c.Spawn(engine.RootWorker, func(f *engine.Fiber) {
		err := errors.New("internal error, see above")
		defer func() { result <- err }()
		in := h.newInstance(g, c)
		g.control = in
		if verr := in.runTop(); verr != nil {
			err = verr
			return
		}
		settings, faults := in.check(h.flags)
		if len(faults) > 0 {
			err = errors.New(strings.Join(faults, "\n"))
			return
		}
		g.settings, err = settings, nil
	})
	return <-result
}
