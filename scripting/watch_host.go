package scripting

import (
	"path/filepath"

	"swoon/scripting/vm"
)

// watch begins to watch what the script was read from; nil: it is not to be.
func (h *Host) watch() *fileWatch {
	if h.noReload {
		return nil
	}
	w := newFileWatch(h.log, watchOptions{dir: filepath.Dir(h.script)})
	w.follow(h.watchList())
	return w
}

// watchList is what is to be watched: the files of the live generation and of
// the last one that failed, and what was read from them. The reloader's.
func (h *Host) watchList() ([]string, lookedUp) {
	if !h.Settings().HotReload {
		return nil, nil
	}
	loaders := []*vm.Loader{h.gen.Load().loader}
	if h.failed != nil {
		loaders = append([]*vm.Loader{h.failed}, loaders...) // it has looked last
	}
	var files []string
	for _, l := range loaders {
		files = append(files, l.Files()...)
	}
	return files, func(path string) (text string, there, known bool) {
		for _, l := range loaders {
			if text, there, known = l.Seen(path); known {
				return text, there, true
			}
		}
		return "", false, false
	}
}

// watchFiles turns changes of files into wishes, until the server stops.
func (h *Host) watchFiles(w *fileWatch) {
	defer h.work.Done()
	defer w.close()
	for {
		select {
		case <-h.done:
			return
		case c := <-w.changes():
			h.wishes.add(reloadRequest{why: []string{"saved " + c.String()}, files: c.files})
			select {
			case h.saves <- struct{}{}:
			default:
			}
		}
	}
}
