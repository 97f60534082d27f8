package scripting

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// fileWatches are the files and directories that scripts watch: one watcher of
// the system for all of them, which is there while there are any.
type fileWatches struct {
	mu   sync.Mutex
	fs   *fsnotify.Watcher
	dirs map[string]map[*FileWatch]bool
}

// FileWatch is one watch of a file, or of what is in a directory.
type FileWatch struct {
	hub  *fileWatches
	dir  string
	name string // of the file; "" for a directory
	post func(FileEvent)
}

// FileEvent says what happened to a path: created, changed, removed (or renamed
// away); or, without a path, that the system has missed events.
type FileEvent struct{ Path, What string }

// WatchFile watches a file, which need not be there, or a directory. post is
// called by a goroutine of its own. WatchFile may take its time. Any goroutine.
func (in *Instance) WatchFile(path string, post func(FileEvent)) (*FileWatch, error) {
	w := &FileWatch{hub: &in.host.files, dir: path, post: post}
	info, err := os.Stat(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	if err != nil || !info.IsDir() {
		w.dir, w.name = filepath.Dir(path), filepath.Base(path)
		if _, err := os.Stat(w.dir); err != nil {
			return nil, err
		}
	}
	return w, w.hub.add(w)
}

func (h *fileWatches) add(w *FileWatch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fs == nil {
		fs, err := fsnotify.NewWatcher()
		if err != nil {
			return err
		}
		h.fs, h.dirs = fs, map[string]map[*FileWatch]bool{}
		go h.run(fs)
	}
	if h.dirs[w.dir] == nil {
		if err := h.fs.Add(w.dir); err != nil {
			h.rest()
			return err
		}
		h.dirs[w.dir] = map[*FileWatch]bool{}
	}
	h.dirs[w.dir][w] = true
	return nil
}

// Stop ends the watch. Any goroutine.
func (w *FileWatch) Stop() {
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if list := h.dirs[w.dir]; list[w] {
		delete(list, w)
		if len(list) == 0 {
			delete(h.dirs, w.dir)
			_ = h.fs.Remove(w.dir) // it may be gone
		}
	}
	h.rest()
}

// rest closes the system's watcher when nothing is watched.
func (h *fileWatches) rest() {
	if len(h.dirs) == 0 && h.fs != nil {
		h.fs.Close()
		h.fs = nil
	}
}

func (h *fileWatches) run(fs *fsnotify.Watcher) {
	for {
		select {
		case ev, ok := <-fs.Events:
			if !ok {
				return
			}
			h.tell(ev)
		case _, ok := <-fs.Errors: // its queue was full
			if !ok {
				return
			}
			h.each(func(w *FileWatch) { w.post(FileEvent{What: "missed"}) })
		}
	}
}

func (h *fileWatches) each(f func(*FileWatch)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.dirs {
		for w := range list {
			f(w)
		}
	}
}

// tell posts an event to those whom it concerns.
func (h *fileWatches) tell(ev fsnotify.Event) {
	what := ""
	switch {
	case ev.Has(fsnotify.Create):
		what = "created"
	case ev.Has(fsnotify.Write):
		what = "changed"
	case ev.Has(fsnotify.Remove), ev.Has(fsnotify.Rename):
		what = "removed"
	default:
		return // attributes
	}
	dir, name := filepath.Split(ev.Name)
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.dirs[filepath.Clean(dir)] {
		if w.name == "" || w.name == name {
			w.post(FileEvent{ev.Name, what})
		}
	}
	for w := range h.dirs[ev.Name] { // the directory itself has gone
		w.post(FileEvent{ev.Name, what})
	}
}
