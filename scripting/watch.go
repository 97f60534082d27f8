package scripting

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The watch's times, where its options do not say otherwise.
const (
	watchQuiet = 20 * time.Millisecond  // a save is over when nothing changed for so long
	watchLoud  = 500 * time.Millisecond // but it is not waited for longer
	watchGit   = 5 * time.Second        // than this while git is writing the tree
	watchLook  = 500 * time.Millisecond // how often files are looked at that cannot be watched
	watchRest  = 5 * time.Millisecond   // how long a neighbour that is written all the time is not listened to
)

// mostNoise is how many events in a row a neighbour may make until it is not
// listened to for a moment.
const mostNoise = 8

// watchOptions configure a fileWatch. A zero time means its default.
type watchOptions struct {
	dir                    string // names in messages are relative to it
	quiet, loud, git, look time.Duration
	poll                   bool // look at the files only, as if they could not be watched
}

// fileWatch tells when the content of files has changed. It is asked to follow
// paths, of files that are there and of files that may come, and answers with
// all that changed once it is quiet.
//
// What counts is the content, not the event: a file that is touched, or saved
// as it was, has not changed. A file that vanishes has not changed either,
// there is nothing to load; when it comes back after the tree was quiet without
// it, it has.
//
// Directories are watched, since editors replace files: every directory in
// which the way to a file could take another turn (plan in watch_plan.go). The
// files are watched too, for what is written to them under other names. Where the kernel cannot tell of changes the files are looked
// at, twice a second (watch_poll.go).
type fileWatch struct {
	log     *slog.Logger
	o       watchOptions
	out     chan savedFiles
	asks    chan followAsk
	closing sync.Once
	done    chan struct{}
	ended   chan struct{}

	// What follows belongs to the goroutine of run.
	fs       *fsnotify.Watcher         // nil: none could be had, or poll
	files    []*watchedFile            // by path
	points   map[string][]*watchedFile // whose way leads through a path
	watched  map[string]inode          // directories, and the files themselves
	said     map[string]bool           // reasons to poll that were logged
	look     *time.Ticker              // nil: not polling
	burst    bool                      // something happened, and it is not quiet yet
	began    time.Time                 // when the burst did
	until    time.Time                 // when it is cut
	quiet    *time.Timer               // when it ends
	pending  []*watchedFile            // changed, and nobody has taken the news yet
	noise    string                    // the last event that concerned nobody
	noises   int                       // how many of it came in a row
	rest     *time.Timer
	resting  bool
	overflow atomic.Int64 // times the kernel's queue ran over
}

// savedFiles is one gathered change: which files, by the names they have in
// messages, sorted.
type savedFiles struct {
	files []string
	at    time.Time // when the first was seen to change
}

// String names the files, the first three if there are many.
func (s savedFiles) String() string {
	if n := len(s.files); n > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(s.files[:3], ", "), n-3)
	}
	return strings.Join(s.files, ", ")
}

// lookedUp says what whoever loaded files found at a path: its text, or that
// nothing could be read there. known is false for a path it never asked for.
type lookedUp func(path string) (text string, there, known bool)

type followAsk struct {
	files []string
	seen  lookedUp
	done  chan struct{}
}

// newFileWatch starts a watch that follows nothing yet. It must be closed.
func newFileWatch(log *slog.Logger, o watchOptions) *fileWatch {
	set := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	set(&o.quiet, watchQuiet)
	set(&o.loud, watchLoud)
	set(&o.git, watchGit)
	set(&o.look, watchLook)
	w := &fileWatch{log: log, o: o, out: make(chan savedFiles), asks: make(chan followAsk),
		done: make(chan struct{}), ended: make(chan struct{}),
		watched: map[string]inode{}, said: map[string]bool{},
		quiet: time.NewTimer(time.Hour), rest: time.NewTimer(time.Hour)}
	w.quiet.Stop()
	w.rest.Stop()
	go w.run()
	return w
}

// follow makes paths the files whose changes are told, in place of those
// before. Paths of files that are not there yet are welcome. When it returns,
// no change is missed any more.
//
// seen says what was loaded from the paths: a file that is followed for the
// first time and has changed since is a change. Without it (nil, or a path it
// does not know) a new file counts as it lies there now. Any goroutine.
func (w *fileWatch) follow(paths []string, seen lookedUp) {
	if w == nil {
		return
	}
	a := followAsk{paths, seen, make(chan struct{})}
	select {
	case w.asks <- a:
		<-a.done
	case <-w.ended:
	}
}

// changes delivers one change at a time. What changes while nobody receives is
// gathered; what changes back is forgotten.
func (w *fileWatch) changes() <-chan savedFiles {
	if w == nil {
		return nil
	}
	return w.out
}

// close ends the watch and returns when all of it has ended. Any goroutine.
func (w *fileWatch) close() {
	if w == nil {
		return
	}
	w.closing.Do(func() { close(w.done) })
	<-w.ended
}

func (w *fileWatch) run() {
	defer close(w.ended)
	defer func() {
		if w.fs != nil {
			w.fs.Close()
		}
		if w.look != nil {
			w.look.Stop()
		}
		w.quiet.Stop()
		w.rest.Stop()
	}()
	for {
		var events chan fsnotify.Event
		var faults chan error
		var looks <-chan time.Time
		var out chan savedFiles
		var news savedFiles
		if w.fs != nil {
			faults = w.fs.Errors
			if !w.resting {
				events = w.fs.Events
			}
		}
		if w.look != nil {
			looks = w.look.C
		}
		if !w.burst && len(w.pending) > 0 {
			out, news = w.out, w.news()
		}
		select {
		case <-w.done:
			return
		case a := <-w.asks:
			w.refollow(a.files, a.seen)
			close(a.done)
		case e := <-events:
			w.event(e)
		case err := <-faults:
			w.fault(err)
		case <-looks:
			w.glance()
		case <-w.quiet.C:
			w.settle()
		case <-w.rest.C:
			w.resting = false
		case out <- news:
			for _, f := range w.pending {
				f.told = f.now
			}
			w.pending = nil
		}
	}
}

// event answers one event of the kernel: it only says where to look.
func (w *fileWatch) event(e fsnotify.Event) {
	if e.Op == 0 {
		return
	}
	name := e.Name
	if strings.HasPrefix(name, "//") {
		name = name[1:] // in the root directory
	}
	_, own := w.watched[name]
	files := w.points[name]
	if files == nil && !own {
		// A log beside the script may be written all the time. Equal events in a
		// row become one in the kernel's queue while nobody reads it.
		if w.noises++; name != w.noise {
			w.noise, w.noises = name, 0
		} else if w.noises >= mostNoise {
			w.noises, w.resting = 0, true
			w.rest.Reset(watchRest)
		}
		return
	}
	if own && e.Op&(fsnotify.Remove|fsnotify.Rename|fsnotify.Create) != 0 {
		w.unwatch(name) // the name may stand for something else now
	}
	if files == nil {
		w.doubtAll() // a directory whose own directory is not watched
	}
	for _, f := range files {
		f.doubt = true
	}
	w.stir()
}

// fault answers an error of the watcher: some events may be lost.
func (w *fileWatch) fault(err error) {
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		w.overflow.Add(1)
	} else {
		w.log.Warn("watching the script", "error", err)
	}
	w.doubtAll()
	w.stir()
}

func (w *fileWatch) doubtAll() {
	for _, f := range w.files {
		f.doubt = true
	}
}

// stir begins a burst, or puts off its end.
func (w *fileWatch) stir() {
	now := time.Now()
	if !w.burst {
		w.burst, w.began, w.until = true, now, now.Add(w.o.loud)
		for _, f := range w.files {
			f.looked = false
		}
	}
	w.quiet.Reset(min(w.calm(), w.until.Sub(now)))
}

// calm is how long nothing may change until a save is over. Without events it
// takes two looks that see the same, and some time between them.
func (w *fileWatch) calm() time.Duration {
	if w.look != nil {
		return 5 * w.o.quiet
	}
	return w.o.quiet
}

// settle looks whether the burst is over, and what has come of it.
func (w *fileWatch) settle() {
	// What was written into a directory that was not watched yet made no event:
	// it is not known to be quiet.
	moving, changed := w.plan(), map[string]bool{}
	// Git is asked for before any file is looked at, and after: it may come to its
	// end in between, and some were seen as they were before.
	git := map[string]bool{}
	for _, f := range w.files {
		dir := filepath.Dir(f.path)
		if _, asked := git[dir]; !asked {
			git[dir] = gitAtWork(dir)
		}
	}
	for _, f := range w.files {
		before, looked := f.stamp, f.looked
		if f.inspect() || looked && f.stamp != before || f.unfinished() {
			moving = true
		}
		f.looked = true
		if f.now.there && f.now != f.told {
			changed[filepath.Dir(f.path)] = true
		}
	}
	for dir := range changed {
		if git[dir] || gitAtWork(dir) {
			moving = true
			w.until = w.began.Add(max(w.o.git, w.o.loud))
			break
		}
	}
	if left := time.Until(w.until); moving && left > 0 {
		w.quiet.Reset(min(w.calm(), left))
		return
	}
	w.burst = false
	for _, f := range w.files {
		if !f.now.there {
			f.told = content{} // when it comes back it has changed
		}
	}
	w.gather()
}

// glance is one look of a watch that polls.
func (w *fileWatch) glance() {
	if w.burst {
		return // settle looks
	}
	for _, f := range w.files {
		before := f.now
		if f.inspect(); f.now != before {
			w.stir()
			f.looked = true // whether it moves on shows at the next look
		}
	}
}

// gather finds what has changed since it was last told.
func (w *fileWatch) gather() {
	w.pending = nil
	for _, f := range w.files {
		if f.now.there && f.now != f.told {
			w.pending = append(w.pending, f)
		}
	}
}

func (w *fileWatch) news() savedFiles {
	s := savedFiles{at: w.began}
	for _, f := range w.pending {
		s.files = append(s.files, f.name)
	}
	slices.Sort(s.files)
	return s
}
