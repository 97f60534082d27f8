package scripting

import (
	"path/filepath"
	"slices"
	"strings"
)

// refollow is follow, on the watch's own goroutine.
func (w *fileWatch) refollow(paths []string, seen lookedUp) {
	old := map[string]*watchedFile{}
	for _, f := range w.files {
		old[f.path] = f
	}
	w.files = nil
	have := map[string]bool{}
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err != nil || have[abs] {
			continue // the working directory has gone: nothing relative can be found
		}
		have[abs] = true
		f := old[abs]
		if f == nil {
			f = &watchedFile{path: abs, name: nameBelow(w.o.dir, abs), fresh: true}
		}
		f.doubt = true
		w.files = append(w.files, f)
	}
	slices.SortFunc(w.files, func(a, b *watchedFile) int { return strings.Compare(a.path, b.path) })
	w.plan()
	for _, f := range w.files {
		f.inspect()
		text, there, known := "", false, false
		if seen != nil {
			text, there, known = seen(f.path)
		}
		loaded := content{}
		if there {
			loaded = contentOf(text)
		}
		switch {
		case f.fresh && known:
			f.told = loaded
		case f.fresh, known && there && loaded == f.now:
			f.told = f.now
		}
		f.fresh = false
		if f.now.there && f.now != f.told && !w.burst {
			w.stir()
		}
	}
	w.gather()
}

// nameBelow is the name of a file in messages.
func nameBelow(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
		return rel
	}
	return path
}
