package scripting

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// watchPatience is how long a change may take to be told on a busy machine.
const watchPatience = 60 * time.Second

// watched is a fileWatch of a test and the directory it looks at.
type watched struct {
	*fileWatch
	t   *testing.T
	dir string
	log *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// bothWays runs a test with a watch and with a watch that must poll. A tree
// that is not quiet is waited for without end: what a test does between two
// looks may take long on a busy machine.
func bothWays(t *testing.T, test func(t *testing.T, w *watched)) {
	for name, o := range map[string]watchOptions{
		"watch": {loud: watchPatience, git: watchPatience},
		"poll":  {loud: watchPatience, git: watchPatience, poll: true, look: 5 * time.Millisecond, quiet: 4 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWatched(t, o))
		})
	}
}

func newWatched(t *testing.T, o watchOptions) *watched {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o.dir = dir
	w := &watched{t: t, dir: dir, log: &syncBuffer{}}
	w.fileWatch = newFileWatch(slog.New(slog.NewTextHandler(w.log, nil)), o)
	t.Cleanup(w.close)
	return w
}

func (w *watched) path(name string) string { return filepath.Join(w.dir, name) }

// write makes a file and the directories above it.
func (w *watched) write(name, text string) {
	w.t.Helper()
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// sh runs commands in the directory.
func (w *watched) sh(script string) {
	w.t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "GIT_CONFIG_NOSYSTEM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Errorf("%s: %v\n%s", script, err, out)
	}
}

func (w *watched) follows(names ...string) {
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = w.path(n)
	}
	w.follow(paths, nil)
}

func (w *watched) next() savedFiles {
	w.t.Helper()
	select {
	case s := <-w.changes():
		if s.at.IsZero() || time.Since(s.at) < 0 {
			w.t.Errorf("the change is of %v", s.at)
		}
		return s
	case <-time.After(watchPatience):
		w.t.Fatalf("no change was told\n%s", w.log)
	}
	return savedFiles{}
}

// expect waits for one change of exactly these files.
func (w *watched) expect(names ...string) {
	w.t.Helper()
	if got := w.next().files; !slices.Equal(got, names) {
		w.t.Fatalf("changed: %q, want %q", got, names)
	}
}

// Whatever a program does to save a file is one change, told when it is done.
func TestWatchSaves(t *testing.T) {
	saves := map[string]string{
		"in place":           `printf 'return "two"\n' > app.lua`,
		"in two pieces":      `printf 'return ' > app.lua; printf '"two"\n' >> app.lua`,
		"emptied first":      `: > app.lua; sleep 0.1; printf 'return "two"\n' > app.lua`,
		"rename":             `printf 'return "two"\n' > .app.tmp; mv .app.tmp app.lua`,
		"rename from beside": `mkdir -p tmp; printf 'return "two"\n' > tmp/x; mv tmp/x app.lua`,
		"vim's way":          `touch 4913; rm 4913; mv app.lua app.lua~; sleep 0.1; printf 'return "two"\n' > app.lua; chmod 644 app.lua; rm app.lua~`,
		"emacs's way":        `cp -p app.lua app.lua~; printf 'return "two"\n' > '#app.lua#'; ln -s me@here .#app.lua; printf 'return "two"\n' > app.lua; rm .#app.lua '#app.lua#'`,
		"cp":                 `printf 'return "two"\n' > other; cp other app.lua`,
		"cp -p, older":       `printf 'return "two"\n' > other; touch -d 2001-01-01 other; cp -p other app.lua`,
		"removed and made":   `rm app.lua; sleep 0.1; printf 'return "two"\n' > app.lua`,
		"sed -i":             `sed -i s/one/two/ app.lua`,
		"install":            `printf 'return "two"\n' > other; install -m 600 other app.lua`,
		"same time and size": `touch -r app.lua stamp; printf 'return "two"\n' > app.lua; touch -r stamp app.lua`,
		"by a hard link":     `printf 'return "two"\n' > far/link.lua`,
		"vim":                `vim -es -u NONE -i NONE -c 'set backup writebackup backupcopy=no' -c '%s/one/two/' -c wq app.lua </dev/null`,
		"vim, copying":       `vim -es -u NONE -i NONE -c 'set writebackup backupcopy=yes' -c '%s/one/two/' -c wq app.lua </dev/null`,
		"ed":                 `printf '%%s/one/two/\nw\nq\n' | ed -s app.lua`,
	}
	for name, save := range saves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tool, _, _ := strings.Cut(save, " "); tool == "vim" || strings.Contains(save, "| ed") {
				if tool != "vim" {
					tool = "ed"
				}
				if _, err := exec.LookPath(tool); err != nil {
					t.Skip(tool + " is not installed; its way of saving is tried by hand above")
				}
			}
			bothWays(t, func(t *testing.T, w *watched) {
				w.write("app.lua", "return \"one\"\n")
				w.write("calm.lua", "return 1\n")
				w.sh("mkdir far; ln app.lua far/link.lua")
				w.follows("app.lua", "calm.lua")
				saved := make(chan struct{})
				go func() {
					defer close(saved)
					w.sh(save)
				}()
				if !strings.Contains(save, "sleep") {
					<-saved // what it does in between is short, but not on a busy machine
				}
				w.expect("app.lua")
				if b, err := os.ReadFile(w.path("app.lua")); string(b) != "return \"two\"\n" {
					t.Errorf("told while it reads %q, %v", b, err)
				}
				<-saved
				// And once more, so that it is the new file that is watched.
				w.write("app.lua", "return 3\n")
				w.expect("app.lua")
			})
		})
	}
}

// What leaves the content as it was is no change, and takes no part in the
// next one.
func TestWatchSameContent(t *testing.T) {
	for name, noise := range map[string]string{
		"nothing":          `:`,
		"touch":            `touch app.lua`,
		"chmod":            `chmod 600 app.lua`,
		"same in place":    `printf 'return 1\n' > app.lua`,
		"same by rename":   `cp app.lua new; mv new app.lua`,
		"sed -i":           `sed -i s/nowhere/anywhere/ app.lua`,
		"away and back":    `mv app.lua x; mv x app.lua`,
		"changed and back": `printf 'return 2\n' > app.lua; printf 'return 1\n' > app.lua`,
		"neighbours":       `printf x > app.lua~; printf x > app.lua.orig; mkdir app.lua.d; printf x >> log; printf x >> log`,
		"vanished":         `rm app.lua`,
		"made a directory": `rm app.lua; mkdir app.lua`,
		"made a pipe":      `rm app.lua; mkfifo app.lua`,
		"link to the same": `cp app.lua copy.lua; ln -sfn copy.lua app.lua`,
		"a loop of links":  `ln -sfn b a; ln -sfn a b; ln -sfn a app.lua`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothWays(t, func(t *testing.T, w *watched) {
				if strings.Contains(name, "vanish") || strings.Contains(name, "made a") || strings.Contains(name, "loop") {
					w.o.loud = 100 * time.Millisecond // it does not come back: do not wait for it
				}
				w.write("app.lua", "return 1\n")
				w.write("other.lua", "return 1\n")
				w.follows("app.lua", "other.lua")
				w.sh(noise)
				if name == "changed and back" {
					w.follows("app.lua", "other.lua") // a busy machine may have cut it in two
				}
				w.write("other.lua", "return 2\n")
				w.expect("other.lua")
			})
		})
	}
}

func TestWatchFileThatComesBack(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		w.o.loud = 50 * time.Millisecond
		w.write("app.lua", "return 1\n")
		w.write("other.lua", "return 1\n")
		w.follows("app.lua", "other.lua")
		w.sh("mv app.lua away")
		w.write("new.lua", "return 2\n")
		w.sh("mv new.lua other.lua") // in one piece: app.lua keeps it from waiting for the rest
		w.expect("other.lua")        // so it was quiet once without app.lua
		w.sh("mv away app.lua")
		w.expect("app.lua")
	})
}

// A file that a script looked for and did not find is a change when it comes,
// however many directories come with it.
func TestWatchFileThatComes(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		w.write("app.lua", "return 1\n")
		names := []string{"late.lua", "lib/late/init.lua", "a/b/c/d/e/f/late.lua"}
		w.follows(append(names, "app.lua")...)
		for _, name := range names {
			w.write(name, "return 1\n")
			w.expect(name)
			w.write(name, "return 2\n")
			w.expect(name)
		}
		w.sh("mkdir far; echo 'return 1' > far/f.lua")
		w.follows("app.lua", "sym/f.lua", "empty.lua")
		w.sh("ln -s far sym")
		w.expect("sym/f.lua")
		w.write("empty.lua", "")
		w.write("empty.lua", "return 1\n")
		w.expect("empty.lua")
	})
}

func TestWatchDirectoryMadeAnew(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		w.write("app.lua", "return 1\n")
		w.write("lib/deep/x.lua", "return 0\n")
		w.follows("app.lua", "lib/deep/x.lua")
		for i := range 20 {
			w.sh(fmt.Sprintf("rm -r lib; mkdir -p lib/deep; echo 'return %d' > lib/deep/x.lua", 2*i+1))
			w.expect("lib/deep/x.lua")
			w.write("lib/deep/x.lua", fmt.Sprintf("return %d\n", 2*i+2)) // seen in the new directory
			w.expect("lib/deep/x.lua")
		}
		w.sh("mkdir -p new/deep; echo 'return \"new\"' > new/deep/x.lua; mv lib old; mv new lib")
		w.expect("lib/deep/x.lua")
		w.sh("echo 'return \"old\"' > old/deep/x.lua; echo 'return \"new2\"' > lib/deep/x.lua")
		w.expect("lib/deep/x.lua")
	})
}

// A whole tree is exchanged above the directories that files lie in.
func TestWatchTreeExchanged(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		for _, v := range []string{"srv/app", "srv/app.new"} {
			w.write(v+"/src/main.lua", "return '"+v+"'\n")
			w.write(v+"/src/same.lua", "return 1\n")
		}
		w.follows("srv/app/src/main.lua", "srv/app/src/same.lua")
		w.sh("mv srv/app srv/app.old && mv srv/app.new srv/app")
		w.expect("srv/app/src/main.lua")
		w.write("srv/app/src/same.lua", "return 2\n")
		w.expect("srv/app/src/same.lua")
	})
}

func TestWatchLinks(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		for _, v := range []string{"1", "2", "3"} {
			w.write("releases/"+v+"/app.lua", "return "+v+"\n")
			w.write("releases/"+v+"/lib/x.lua", "return "+v+"\n")
			w.write("releases/"+v+"/same.lua", "return 1\n")
		}
		w.sh("ln -s releases/1 current; ln -s current/lib lib; ln -s ../releases/1/app.lua releases/app.lua; ln -s releases/app.lua app.lua")
		w.follows("current/app.lua", "current/same.lua", "lib/x.lua", "app.lua")
		w.write("releases/1/app.lua", "return '1b'\n") // two ways to one file
		w.expect("app.lua", "current/app.lua")
		w.sh("ln -sfn releases/2 current")
		w.expect("current/app.lua", "lib/x.lua")
		w.write("releases/2/lib/x.lua", "return '2b'\n")
		w.expect("lib/x.lua")
		w.sh("ln -s releases/3 current.new; mv -T current.new current") // capistrano's way
		w.expect("current/app.lua", "lib/x.lua")
		w.sh(`ln -sfn "$PWD/releases/3/app.lua" releases/app.lua`) // a link in the middle, absolute
		w.expect("app.lua")
		w.write("releases/3/app.lua", "return '3b'\n")
		w.expect("app.lua", "current/app.lua")
		// What the links pointed to before is nobody's any more.
		w.write("releases/1/app.lua", "return 'gone'\n")
		w.write("releases/2/lib/x.lua", "return 'gone'\n")
		w.write("releases/3/same.lua", "return 2\n")
		w.expect("current/same.lua")
		w.close()
		for path := range w.watched {
			if strings.Contains(path, "releases/2") {
				t.Errorf("still watched: %s", path)
			}
		}
	})
}

// A ConfigMap of Kubernetes: files are links into ..data, which is a link that
// is exchanged.
func TestWatchConfigMap(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		w.sh(`mkdir ..2024_1; echo 'return 1' > ..2024_1/app.lua; echo 'return 1' > ..2024_1/x.lua
			ln -s ..2024_1 ..data; ln -s ..data/app.lua app.lua; ln -s ..data/x.lua x.lua`)
		w.follows("app.lua", "x.lua")
		for i := 2; i < 6; i++ {
			w.sh(fmt.Sprintf(`mkdir ..2024_%d; echo 'return %d' > ..2024_%d/app.lua; echo 'return 1' > ..2024_%d/x.lua
				ln -s ..2024_%d ..data_tmp; mv -T ..data_tmp ..data; rm -r ..2024_%d`, i, i, i, i, i, i-1))
			w.expect("app.lua")
		}
	})
}

// git writes many files, one after the other, and all of it is one change.
func TestWatchGitCheckout(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	bothWays(t, func(t *testing.T, w *watched) {
		w.o.quiet = 200 * time.Microsecond // so that it is not by luck that it is one
		names := make([]string, 50)
		commit := func(version int) {
			for i := range names {
				names[i] = fmt.Sprintf("lib%d/f%02d.lua", i%5, i)
				w.write(names[i], fmt.Sprintf("return %d\n", version))
			}
			w.write("same.lua", "return 1\n")
			w.sh(fmt.Sprintf("git add -A; git -c user.name=t -c user.email=t@localhost commit -q -m %d; git branch v%d", version, version))
		}
		w.sh("git init -q .")
		commit(1)
		commit(2)
		w.follows(append(slices.Clone(names), "same.lua")...)
		slices.Sort(names)
		var done sync.WaitGroup
		done.Go(func() { w.sh("git checkout -q v1") })
		w.expect(names...) // while git may still be at work
		done.Wait()
		w.sh("git checkout -q v2; git checkout -q v1") // nothing has changed in the end
		w.write("same.lua", "return 2\n")
		if got := w.next().files; slices.Contains(got, "same.lua") && len(got) > 1 {
			t.Errorf("changed: %q", got)
		}
		w.sh("git checkout -q same.lua; git worktree add -q --detach wt v2")
		for i := range names {
			names[i] = "wt/" + names[i]
		}
		w.follows(names...)
		done.Go(func() { w.sh("cd wt; git checkout -q --detach v1") })
		w.expect(names...)
		done.Wait()
	})
}

func TestGitAtWork(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(dir string, want bool) {
		t.Helper()
		if got := gitAtWork(dir); got != want {
			t.Errorf("%s: %v", dir, got)
		}
	}
	must(os.MkdirAll(at("main/lib/deep"), 0o755))
	must(os.MkdirAll(at("main/.git/worktrees/two"), 0o755))
	must(os.MkdirAll(at("two/lib"), 0o755))
	must(os.WriteFile(at("two/.git"), []byte("gitdir: ../main/.git/worktrees/two\n"), 0o644))
	want(at("main/lib/deep"), false)
	want(at("two/lib"), false)
	must(os.WriteFile(at("main/.git/index.lock"), nil, 0o644))
	want(at("main/lib/deep"), true)
	want(at("main"), true)
	want(at("two/lib"), false)
	must(os.WriteFile(at("main/.git/worktrees/two/index.lock"), nil, 0o644))
	want(at("two/lib"), true)
	must(os.WriteFile(at("two/.git"), []byte("gitdir: "+at("main/.git/worktrees/two")), 0o644))
	want(at("two"), true)
	must(os.WriteFile(at("two/.git"), []byte("what?"), 0o644))
	want(at("two"), false)
	old := time.Now().Add(-2 * staleLock)
	must(os.Chtimes(at("main/.git/index.lock"), old, old))
	want(at("main/lib"), false)
	want(at("nowhere"), false)
}

// Two changes within one tick of the file system's clock leave the same stamp.
func TestStampsAreNotTrustedTooSoon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f := &watchedFile{path: path}
	for _, c := range []struct {
		text        string
		firm, doubt bool
		seen        bool
	}{
		{"one", false, false, true},
		{"two", false, false, true},
		{"six", true, false, false},
		{"ten", true, true, true},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		f.stamp, f.firm, f.doubt = stampFrom(&st), c.firm, c.doubt // as if it had been so before
		f.inspect()
		if f.now == contentOf(c.text) != c.seen || c.seen && f.firm {
			t.Errorf("%+v: %+v", c, f)
		}
	}
	f.stamp.ctime -= int64(time.Hour)
	f.inspect()
	if f.now != contentOf("ten") {
		t.Errorf("%+v", f)
	}
}

// What nobody has taken is gathered; what changes back is forgotten.
func TestWatchGathersWhileNobodyTakes(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		for _, n := range []string{"a.lua", "b.lua", "c.lua"} {
			w.write(n, "return 1\n")
		}
		w.follows("a.lua", "b.lua", "c.lua")
		w.write("a.lua", "return 2\n")
		w.write("c.lua", "return 2\n")
		w.write("b.lua", "return 2\n")
		w.write("c.lua", "return 1\n")
		got := w.next().files
		for !slices.Equal(got, []string{"a.lua", "b.lua"}) { // a busy machine may cut it in two
			more := w.next().files
			got = append(got, more...)
			slices.Sort(got)
			if got = slices.Compact(got); slices.Contains(got, "c.lua") && len(got) == 3 {
				return // c.lua was quiet for long enough between its two writes
			}
		}
	})
}

// What was loaded is what counts: a file that changed between being loaded and
// being followed is a change.
func TestWatchKnowsWhatWasLoaded(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		w.o.loud = 100 * time.Millisecond // gone.lua is not waited for
		w.write("app.lua", "return 2\n")
		w.write("same.lua", "return 1\n")
		w.write("came.lua", "return 1\n")
		loaded := map[string]string{"app.lua": "return 1\n", "same.lua": "return 1\n", "gone.lua": "return 1\n"}
		seen := func(path string) (string, bool, bool) {
			text, ok := loaded[filepath.Base(path)]
			return text, ok, filepath.Base(path) != "new.lua"
		}
		w.write("new.lua", "return 1\n")
		all := []string{w.path("app.lua"), w.path("same.lua"), w.path("came.lua"), w.path("gone.lua"), w.path("new.lua"), w.path("app.lua")}
		w.follow(all, seen)
		w.expect("app.lua", "came.lua")
		// It is told once, whatever the other side says it has loaded.
		w.follow(all, seen)
		w.write("new.lua", "return 2\n")
		w.expect("new.lua")
		// What was loaded meanwhile need not be loaded again.
		w.write("app.lua", "return 3\n")
		w.write("new.lua", "return 3\n")
		loaded["app.lua"] = "return 3\n"
		w.follow(all, seen)
		if got := w.next().files; !slices.Equal(got, []string{"new.lua"}) {
			t.Errorf("changed: %q", got)
		}
		w.follows("same.lua") // nobody asks for the others any more
		w.write("app.lua", "return 4\n")
		w.write("same.lua", "return 4\n")
		w.expect("same.lua")
	})
}

// A tree that is never quiet is told of nevertheless.
func TestWatchIsNotWaitedForLonger(t *testing.T) {
	w := newWatched(t, watchOptions{quiet: watchPatience, loud: 100 * time.Millisecond})
	w.write("app.lua", "return 1\n")
	w.follows("app.lua")
	w.write("app.lua", "return 2\n")
	w.expect("app.lua")
	w.write("app.lua", "")
	w.expect("app.lua") // in the end it is empty
}

// Events that the kernel had no room for lose nothing.
func TestWatchOverflow(t *testing.T) {
	w := newWatched(t, watchOptions{loud: watchPatience})
	w.write("app.lua", "return 1\n")
	room := 16384
	if b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events"); err == nil {
		fmt.Sscan(string(b), &room)
	}
	if room > 1<<17 {
		t.Skipf("the kernel's queue takes %d events", room)
	}
	w.write("x", "")
	w.follow([]string{w.path("app.lua")}, func(path string) (string, bool, bool) {
		for i := range room/2 + 8192 { // on the watch's own goroutine: nothing takes events meanwhile
			if err := os.Rename(w.path([]string{"x", "y"}[i%2]), w.path([]string{"y", "x"}[i%2])); err != nil {
				t.Error(err)
				break
			}
		}
		w.write("app.lua", "return 2\n") // no event tells of it
		return "return 1\n", true, true
	})
	w.expect("app.lua")
	for end := time.Now().Add(watchPatience); w.overflow.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the queue did not run over")
		}
	}
}

// A neighbour that is written without end neither hides a save nor costs an
// event for each write.
func TestWatchBesideALog(t *testing.T) {
	w := newWatched(t, watchOptions{})
	w.write("app.lua", "return 1\n")
	w.write("log", "")
	w.follows("app.lua")
	log, err := os.OpenFile(w.path("log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer log.Close()
		for {
			select {
			case <-stop:
				return
			default:
				log.WriteString("x")
				log.Seek(0, 0)
			}
		}
	}()
	for i := range 5 {
		w.write("app.lua", fmt.Sprintf("return %d\n", i+2))
		w.expect("app.lua")
	}
	close(stop)
	<-ended
}

func TestWatchCloses(t *testing.T) {
	bothWays(t, func(t *testing.T, w *watched) {
		w.write("app.lua", "return 1\n")
		w.follows("app.lua")
		w.write("app.lua", "return 2\n")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { w.follows("app.lua", "x.lua") })
			wg.Go(w.close)
		}
		wg.Wait()
		w.follows("app.lua") // of no use, and no harm
		w.close()
	})
}

func TestSavedNames(t *testing.T) {
	for want, files := range map[string][]string{
		"app.lua":            {"app.lua"},
		"a, b, c, d":         {"a", "b", "c", "d"},
		"a, b, c and 2 more": {"a", "b", "c", "d", "e"},
	} {
		if got := (savedFiles{files: files}).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for path, want := range map[string]string{"/a/b/c.lua": "c.lua", "/a/b/l/c.lua": "l/c.lua", "/a/c.lua": "/a/c.lua", "/a/b/..data/x": "..data/x"} {
		if got := nameBelow("/a/b", path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}
