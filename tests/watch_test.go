package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whatever happens to the files of a script, it is loaded again when their
// content has changed, and once.

// tree is a script with its files, and the server that watches them.
type tree struct {
	*server
	t   *testing.T
	dir string
}

// plant writes files, by name and text, and serves the first.
func plant(t *testing.T, s setup, files ...string) *tree {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		save(t, path, files[i+1])
	}
	return &tree{serveFile(t, s, filepath.Join(dir, files[0])), t, dir}
}

// sh runs commands beside the script.
func (tr *tree) sh(script string) {
	tr.t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = tr.dir
	cmd.Env = append(os.Environ(), "HOME="+tr.dir, "GIT_CONFIG_NOSYSTEM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		tr.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// reloaded waits for the next generation, and checks that it is because of
// these files.
func (tr *tree) reloaded(generation int, why string) {
	tr.t.Helper()
	tr.Log.wait(tr.t, fmt.Sprintf("reloaded generation=%d why=", generation))
	want := fmt.Sprintf(`reloaded generation=%d why="saved %s"`, generation, why)
	if !strings.Contains(tr.Log.String(), want) {
		tr.t.Fatalf("no %s:\n%s", want, tr.Log.tail())
	}
}

const greeter = `
local word = require "lib.word"
function onReceive(server, fd, reactor_id, data) server:send(fd, word .. " " .. server.generation .. "\n") end
`

func (c *client) greeted(want string) {
	c.t.Helper()
	c.say("hello\n")
	c.expect(want)
}

// What leaves the content as it was reloads nothing; asking always does.
func TestSameContentIsNoChange(t *testing.T) {
	t.Parallel()
	tr := plant(t, setup{mode: "base", workers: 1}, "app.lua", greeter, "lib/word.lua", `return "one"`)
	c := tr.dial(t)
	tr.sh(`touch app.lua lib/word.lua; cp lib/word.lua x; mv x lib/word.lua; chmod 600 app.lua
		sed -i s/nothing/something/ app.lua; echo noise > lib/noise; mkdir lib/more; rm -r lib/more`)
	c.greeted("one 1")
	tr.sh(`printf 'return "two"' > lib/word.lua`)
	tr.reloaded(2, "lib/word.lua")
	c.greeted("two 2")
	tr.cmd.Process.Signal(syscall.SIGUSR1)
	tr.Log.wait(t, "reloaded generation=3 why=SIGUSR1")
	c.greeted("two 3")
	if n := tr.Log.count("reload"); n != 2+1 { // and the banner
		t.Errorf("%d lines of reloads:\n%s", n, tr.Log)
	}
}

// Fifty files that git writes are one reload, of one state of the tree.
func TestGitCheckoutIsOneReload(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	const files = 50
	app := "local sum = {}\n"
	for i := range files {
		app += fmt.Sprintf("sum[%d] = require 'lib%d.f%d'\n", i+1, i%5, i)
	}
	app += `
for i = 2, #sum do if sum[i] ~= sum[1] then error("half a checkout: " .. sum[i] .. " beside " .. sum[1]) end end
function onReceive(server, fd, reactor_id, data) server:send(fd, sum[1] .. " " .. server.generation .. "\n") end`
	list := []string{"app.lua", app}
	for i := range files {
		list = append(list, fmt.Sprintf("lib%d/f%d.lua", i%5, i), "return 1")
	}
	tr := plant(t, setup{mode: "process", workers: 2}, list...)
	tr.sh(`git init -q .; commit() { git add -A; git -c user.name=t -c user.email=t@localhost commit -qm x; }
		commit; git branch one; mkdir ../copy; git worktree add -q ../copy/tree; cd ../copy/tree
		for f in lib*/*.lua; do echo 'return 2' > $f; done; git add -A; git -c user.name=t -c user.email=t@localhost commit -qm two; git branch two`)
	c := tr.dial(t)
	c.greeted("1 1")
	for i := range 6 {
		tr.sh("git checkout -q " + []string{"two", "one"}[i%2])
		tr.reloaded(i+2, "lib0/f0.lua, lib0/f10.lua, lib0/f15.lua and 47 more")
		c.greeted(fmt.Sprintf("%d %d", 2-i%2, i+2))
	}
	if tr.Log.count("half a checkout") != 0 || tr.Log.count("reloaded generation") != 6 {
		t.Errorf("log:\n%s", tr.Log)
	}
}

// Releases that a link chooses: switching it is a change, whichever way it is
// done, and the files behind it are watched from then on.
func TestLinkIsSwitched(t *testing.T) {
	t.Parallel()
	release := func(n string) []string {
		return []string{"releases/" + n + "/app.lua", greeter, "releases/" + n + "/lib/word.lua", `return "` + n + `"`}
	}
	dir := t.TempDir()
	for _, n := range []string{"1", "2", "3"} {
		r := release(n)
		for i := 0; i < len(r); i += 2 {
			path := filepath.Join(dir, r[i])
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			save(t, path, r[i+1])
		}
	}
	if err := os.Symlink("releases/1", filepath.Join(dir, "current")); err != nil {
		t.Fatal(err)
	}
	tr := &tree{serveFile(t, setup{mode: "base", workers: 2}, filepath.Join(dir, "current", "app.lua")), t, dir}
	c := tr.dial(t)
	c.greeted("1 1")
	tr.sh("ln -sfn releases/2 current")
	tr.reloaded(2, "lib/word.lua")
	c.greeted("2 2")
	tr.sh(`printf 'return "2b"' > releases/2/lib/word.lua`)
	tr.reloaded(3, "lib/word.lua")
	c.greeted("2b 3")
	tr.sh("ln -s releases/3 next; mv -T next current")
	tr.reloaded(4, "lib/word.lua")
	c.greeted("3 4")
	tr.sh("cp -r releases new; printf 'return \"3b\"' > new/3/lib/word.lua; mv releases old; mv new releases")
	eventually(t, "the new tree runs", func() bool {
		c.say("hello\n")
		return strings.HasPrefix(c.line(), "3b ")
	})
}

// Without inotify the server serves and reloads nevertheless, and says what it
// lacks.
func TestReloadWithoutInotify(t *testing.T) {
	path := script(t, greeter)
	word := filepath.Join(filepath.Dir(path), "lib", "word.lua")
	if err := os.Mkdir(filepath.Dir(word), 0o755); err != nil {
		t.Fatal(err)
	}
	save(t, word, `return "one"`)
	// A user namespace has limits of its own. (Those in /proc/sys/fs/inotify are
	// the whole machine's.)
	probe := exec.Command("unshare", "-U", "-r", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances")
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("no user namespace can be had: %v\n%s", err, out)
	}
	wrapped := filepath.Join(t.TempDir(), "swoon")
	text := fmt.Sprintf("#!/bin/sh\nexec unshare -U -r sh -c 'echo 0 > /proc/sys/user/max_inotify_instances; exec %s \"$@\"' swoon \"$@\"\n", binary(t, false))
	if err := os.WriteFile(wrapped, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SWOON_BIN", wrapped)
	tr := &tree{serveFile(t, setup{mode: "base", workers: 1}, path), t, filepath.Dir(path)}
	tr.Log.wait(t, "the script's files are looked at every 500ms instead of being watched: no inotify instance is left for this user (fs.inotify.max_user_instances")
	tr.Log.wait(t, "raise it, as with sysctl fs.inotify.max_user_instances=1024")
	c := tr.dial(t)
	c.greeted("one 1")
	for i := range 3 {
		save(t, word, fmt.Sprintf(`return "%d"`, i))
		tr.reloaded(i+2, "lib/word.lua")
		c.greeted(fmt.Sprintf("%d %d", i, i+2))
	}
	if n := tr.Log.count("inotify instance"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// A save while a reload warms, and many while one is under way: the last state
// is what runs.
func TestLastSaveWins(t *testing.T) {
	t.Parallel()
	tr := plant(t, setup{mode: "base", workers: 2}, "app.lua", greeter+"function onWorkerStart() require('co').sleep(0.05) end", "lib/word.lua", `return "0"`)
	c := tr.dial(t)
	for i := 1; i <= 30; i++ {
		save(t, filepath.Join(tr.dir, "lib/word.lua"), fmt.Sprintf(`return "%d"`, i))
		if i%7 == 0 {
			c.say("hello\n")
			c.line()
		}
	}
	eventually(t, "the last save runs", func() bool {
		c.say("hello\n")
		return strings.HasPrefix(c.line(), "30 ")
	})
}
