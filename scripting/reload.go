package scripting

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	"github.com/fsnotify/fsnotify"
)

// Whatever asks for a reload, a saved file, a signal, server:reload(), takes
// one path: the reloader, one goroutine that builds, warms, swaps, one after
// the other. What is asked for while it works is done once, afterwards. A stop
// ends it between two steps.

const (
	quietTime = 20 * time.Millisecond  // a save is over when nothing changed for so long
	loudTime  = 500 * time.Millisecond // but it is not waited for longer
)

// Reload asks for a reload. Any goroutine.
func (h *Host) Reload(why string) {
	select {
	case h.reloads <- why:
	default: // one is asked for already, and has not begun
	}
}

func (h *Host) reloader(w *watcher) {
	defer h.work.Done()
	defer w.close()
	for {
		select {
		case <-h.done:
			return
		case why := <-h.reloads:
			h.reload(why)
			w.follow(h.Files())
		case ev, ok := <-w.events():
			if ok && w.concerns(ev) {
				name := w.settle(ev, h.done)
				h.reload("saved " + name)
				w.follow(h.Files())
			}
		case err, ok := <-w.errors():
			if ok {
				h.log.Warn("watching the script", "error", err)
			}
		}
	}
}

// reload makes the next generation, or leaves everything as it is and says why.
func (h *Host) reload(why string) {
	begun := time.Now()
	old := h.gen.Load()
	refuse := func(phase string, err error) {
		text := err.Error()
		var script *vm.Error
		if errors.As(err, &script) {
			text = script.Full()
		}
		h.log.Error(fmt.Sprintf("reload failed, generation %d goes on: %s: %s", old.id, phase, text), "why", why)
	}
	g := h.newGeneration()
	if _, err := g.loader.Load(h.script); err != nil {
		h.remember(g)
		refuse("load", err)
		return
	}
	if err := h.declare(g); err != nil {
		h.remember(g)
		refuse("top level", err)
		return
	}
	if diff := changeTexts(old.settings.changesTo(g.settings)); len(diff) > 0 {
		h.dropControl(g)
		refuse("settings", fmt.Errorf("these settings cannot change while the server runs, restart it: %s", strings.Join(diff, "; ")))
		return
	}
	if h.stopping.Load() {
		h.dropControl(g)
		return
	}
	if err := h.warm(g); err != nil && !h.stopping.Load() {
		h.remember(g)
		h.discard(g)
		h.dropControl(g)
		refuse("onWorkerStart", err)
		return
	}
	if h.stopping.Load() {
		h.discard(g)
		h.dropControl(g)
		return
	}
	g.bindPorts(old.ports)
	h.swap(old, g)
	h.log.Info("reloaded", "generation", g.id, "why", why, "took", time.Since(begun).Round(100*time.Microsecond))
}

// remember keeps watching what a failed generation has read: the next save may
// repair a module that the running one does not have.
func (h *Host) remember(g *Generation) { h.failedFiles = g.loader.Files() }

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
	err := <-result
	if err != nil {
		h.dropControl(g)
	}
	return err
}

func (h *Host) dropControl(g *Generation) {
	if g.control != nil {
		h.onLoop(h.engine.Control(), g.control.close)
	}
}

// watcher tells when a file of the script changes. A nil fs watches nothing.
type watcher struct {
	fs    *fsnotify.Watcher
	log   *slog.Logger
	files map[string]bool
	dirs  map[string]bool
	extra func() []string
}

func (h *Host) watch() *watcher {
	w := &watcher{log: h.log, files: map[string]bool{}, dirs: map[string]bool{}, extra: func() []string { return h.failedFiles }}
	if h.noReload || !h.Settings().HotReload {
		return w
	}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		h.log.Warn("cannot watch the script: use SIGUSR1 to reload", "error", err)
		return w
	}
	w.fs = fs
	w.follow(h.Files())
	return w
}

// follow watches the directories of files: an editor that saves by renaming
// replaces the file, not its directory.
func (w *watcher) follow(files []string) {
	if w.fs == nil {
		return
	}
	w.files = map[string]bool{}
	for _, f := range append(files, w.extra()...) {
		abs, err := filepath.Abs(f)
		if err != nil {
			continue
		}
		w.files[abs] = true
		if dir := filepath.Dir(abs); !w.dirs[dir] {
			if err := w.fs.Add(dir); err == nil {
				w.dirs[dir] = true
			} else if !os.IsNotExist(err) {
				w.log.Warn("cannot watch a directory of the script: use SIGUSR1 to reload", "dir", dir, "error", err)
			}
		}
	}
}

func (w *watcher) events() chan fsnotify.Event {
	if w.fs == nil {
		return nil
	}
	return w.fs.Events
}

func (w *watcher) errors() chan error {
	if w.fs == nil {
		return nil
	}
	return w.fs.Errors
}

// concerns says whether the event is a new content of a file we have read.
func (w *watcher) concerns(ev fsnotify.Event) bool {
	return w.files[ev.Name] && ev.Op&(fsnotify.Write|fsnotify.Create|fsnotify.Rename) != 0
}

// settle waits until the files are quiet and names the first that changed.
func (w *watcher) settle(first fsnotify.Event, done chan struct{}) string {
	quiet := time.NewTimer(quietTime)
	defer quiet.Stop()
	loud := time.NewTimer(loudTime)
	defer loud.Stop()
	for {
		select {
		case ev := <-w.fs.Events:
			if w.concerns(ev) {
				quiet.Reset(quietTime)
			}
		case <-quiet.C:
			return filepath.Base(first.Name)
		case <-loud.C:
			return filepath.Base(first.Name)
		case <-done:
			return filepath.Base(first.Name)
		}
	}
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close()
	}
}
