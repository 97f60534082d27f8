package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// memcached.lua, held against memcached itself, and met by its clients.

const memcachedScript = "../scripts/memcached.lua"

// memcachedRows are the ways in which messages reach workers.
var memcachedRows = []setup{
	{mode: "base", workers: 3},
	{mode: "process", workers: 3},
	{mode: "process", workers: 3, flags: []string{"--set", "dispatch_mode=1"}, race: true},
	{mode: "process", workers: 3, flags: []string{"--set", "dispatch_mode=3"}},
	{mode: "process", workers: 3, flags: []string{"--set", "dispatch_mode=4"}},
	{mode: "process", workers: 3, flags: []string{"--set", "dispatch_mode=5"}},
	{mode: "process", workers: 3, flags: []string{"--set", "dispatch_mode=8"}},
	{mode: "process", workers: 3, flags: []string{"--set", "dispatch_mode=9"}},
	{mode: "process", workers: 3, flags: []string{"--set", "dispatch_mode=10"}},
}

func everyDispatch(t *testing.T, story func(t *testing.T, s setup)) {
	for _, s := range memcachedRows {
		name := fmt.Sprint(s.mode, s.workers)
		if len(s.flags) > 0 {
			name += "," + s.flags[1]
		}
		if s.race {
			name += "race"
		}
		t.Run(name, func(t *testing.T) { story(t, s) })
	}
}

// theOriginal runs memcached and returns its address.
func theOriginal(t *testing.T) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	ports := filepath.Join(t.TempDir(), "ports")
	cmd := exec.Command("memcached", "-l", "127.0.0.1", "-p", "-1", "-U", "0", "-t", "1", "-u", me.Username)
	cmd.Env = append(os.Environ(), "MEMCACHED_PORT_FILENAME="+ports)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	var port string
	eventually(t, "memcached names its port", func() bool {
		b, _ := os.ReadFile(ports)
		if m := regexp.MustCompile(`TCP INET: (\d+)\n`).FindSubmatch(b); m != nil {
			port = string(m[1])
		}
		return port != ""
	})
	return "127.0.0.1:" + port
}

// conversation says all of it, then quit, and returns the answers.
func conversation(t *testing.T, addr string, parts ...string) string {
	t.Helper()
	c, err := dialTCP(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	heard := make(chan string)
	go func() {
		var b bytes.Buffer
		b.ReadFrom(c)
		heard <- b.String()
	}()
	for _, part := range append(parts, "quit\r\n") {
		if _, err := c.Write([]byte(part)); err != nil {
			t.Errorf("write: %v", err)
		}
	}
	return regexp.MustCompile(`VERSION .*`).ReplaceAllString(<-heard, "VERSION")
}

// key is a key that is as long as may be.
var key = strings.Repeat("k", 250)

// said is what the two are told, one after the other. What one of them stores
// the next ones find.
var said = []string{
	// No commands, and odd lines.
	"\r\n", "\n", " \r\n", "foo\r\n", "GET a\r\n", "get\r\n", "gets\r\n", "gat\r\n", "x\r\n" + strings.Repeat("x", 1500) + "\r\n",
	"version\r\nversion x\r\nversion\r\r\n\r\nversion\n", "set a\t0 0 3\r\nabc\r\n", "set a\x00b 0 0 3\r\nabc\r\nget a\r\n", "get a\x00 b\r\n",
	// Retrieval.
	"get " + key + "\r\nget " + key + "k\r\n", "set a 5 0 3\r\nabc\r\nget a\r\nget a " + key + "k\r\n", "  get   a   b a \r\n", "get a\n", "gets a b\r\n", "get noreply\r\n",
	"get " + strings.Repeat("a ", 5000) + "\r\n", "get " + strings.Repeat("0123456789 ", 30) + "a\r\n",
	// Storage, and what is wrong with a line or a block.
	"set a\r\n", "set a 0 0\r\n", "set a 0 0 3 x\r\nabc\r\n", "set a 0 0 3 noreply x\r\nabc\r\n", "set a 0 0 3 noreply\r\nxyz\r\nget a\r\n", "set a 0 0 3\nabc\r\n", " set a 0 0 3 \r\nabc\r\n",
	"set a b 0 3\r\nabc\r\n", "set a -1 0 3\r\nabc\r\n", "set a 4294967295 0 3\r\nabc\r\nget a\r\n", "set a 0x10 0 3\r\nabc\r\n", "set a 010 0 3\r\nabc\r\nget a\r\n", "set a +7 0 +3\r\nabc\r\nget a\r\n",
	"set a 0 b 3\r\nabc\r\n", "set a 0 99999999999999999999 3\r\nabc\r\n", "set a 0 0 b\r\nabc\r\n", "set a 0 0 3x\r\nabc\r\n", "set a 0 0 -1\r\nabc\r\n", "set a 0 0 -1 noreply\r\nabc\r\n", "set a 0 0 2147483647\r\n",
	"set a 0 0 3\r\nabcdef\r\nget a\r\n", "set a 0 0 3 noreply\r\nabcdef\r\n", "set a 0 0 5\r\nabc\r\n\r\nget a\r\n", "set a 0 0 3\r\nabc\n\nversion\r\n",
	"set " + key + "k 0 0 3\r\nabc\r\n", "set " + key + "k 0 0 3 noreply\r\nabc\r\n", "set " + key + " 0 0 3\r\nabc\r\nget " + key + "\r\n",
	"set a 0 0 0\r\n\r\nget a\r\n", "set noreply 0 0 1\r\n1\r\nget noreply\r\n", "set bin 0 0 12\r\n\r\nget a\x00\r\n\xff\n\r\r\nget bin\r\n",
	"add b 1 0 1\r\n1\r\nadd b 1 0 1\r\n2\r\nreplace b 2 0 1\r\n3\r\nreplace c 2 0 1\r\n3\r\nappend b 9 9 1\r\n4\r\nprepend b 9 9 1\r\n5\r\nappend c 0 0 1\r\n1\r\nprepend c 0 0 1\r\n1\r\ngets b c\r\n",
	"append a 0 0\r\n", "append a b c 3\r\nabc\r\nget a\r\n", "append a 0 0 3\r\nabcd\r\n", "add a 0 0 1 noreply\r\n1\r\nversion\r\n", "add q 0 0 1 noreply\r\n1\r\nreplace q 0 0 1 noreply\r\n2\r\nappend q 0 0 1 noreply\r\n3\r\nprepend q 0 0 1 noreply\r\n1\r\ngets q\r\n",
	"add w 0 -1 1\r\n1\r\nget w\r\nadd w 0 0 1\r\n2\r\nget w\r\nset w 0 -1 1\r\n1\r\nget w\r\ncas w 0 0 1 1\r\n1\r\n",
	"set e 0 2592001 1\r\n1\r\nget e\r\nset e 0 2592000 1\r\n1\r\nget e\r\nset e 0 2147483647 1\r\n2\r\nget e\r\n",
	// Compare and swap.
	"cas b 0 0 1\r\n", "cas b 0 0 1 x\r\n1\r\n", "cas b 0 0 1 -1\r\n1\r\n", "cas b 0 0 1 99999\r\n1\r\n", "cas c 0 0 1 1\r\n1\r\n", "cas b 0 0 1 18446744073709551615\r\n1\r\n", "cas b 0 0 1 18446744073709551616\r\n1\r\n",
	"cas b 0 0 1 1 noreply\r\n1\r\n", "cas b 0 0 1 1 2\r\n1\r\n", "cas b 0 0 1 1 2 3\r\n1\r\n", "cas b 0 0 1 0\r\nz\r\nget b\r\n",
	// Counters.
	"set n 0 0 2\r\n10\r\nincr n 1\r\nincr n\r\nincr n x\r\nincr n -1\r\ndecr n 100\r\nget n\r\nincr n 18446744073709551615\r\nincr n 1\r\nincr n 18446744073709551616\r\nget n\r\nincr none 1\r\ndecr none 1\r\n",
	"set n 3 0 2\r\n10\r\ndecr n 1\r\nget n\r\ndecr n 5\r\nget n\r\nincr n 100\r\ngets n\r\ndecr n 91 noreply\r\nget n\r\n",
	"set n 0 0 20\r\n18446744073709551610\r\nincr n 5\r\nincr n 1\r\nincr n 9007199254740993\r\ndecr n 9007199254740992\r\nincr n 12345678901234567890\r\nincr n 12345678901234567890\r\ndecr n 12345678\r\ndecr n 6244613728747238486\r\nincr n 9999999999\r\nincr n 1\r\ndecr n 1\r\nincr n 999999999999999\r\nincr n 9000000000000000\r\ndecr n 10009999999999\r\nget n\r\n",
	"set n 0 0 3\r\nabc\r\nincr n 1\r\nset n 0 0 2\r\n1 \r\nincr n 1\r\nget n\r\nset n 0 0 2\r\n 1\r\nincr n 1\r\nset n 0 0 0\r\n\r\nincr n 1\r\nset n 0 0 3\r\n1 2\r\nincr n 1\r\nset n 0 0 2\r\n-1\r\nincr n 1\r\n",
	"set n 0 0 20\r\n18446744073709551616\r\nincr n 1\r\nset n 0 0 21\r\n000000000000000000001\r\nincr n 1\r\nset n 0 0 20\r\n00000000000000000001\r\nincr n 1\r\nget n\r\nset n 0 0 3\r\n+10\r\nincr n +1\r\nset n 0 0 3\r\n1a0\r\nincr n 1\r\n",
	"incr n 0x10\r\nincr n 1 noreply\r\nincr n 1 2\r\nincr n 1 2 3\r\nincr n 1 noreply noreply\r\nincr " + key + "k 1\r\n",
	// Times.
	"touch a 0\r\ntouch a\r\ntouch a x\r\ntouch none 0\r\ntouch a 0 noreply\r\ntouch a 0 x\r\ntouch a 0 x y\r\ntouch " + key + "k 0\r\ntouch a -1\r\nget a\r\n",
	"set a 7 0 1\r\n1\r\ngat 0 a b\r\ngats 0 b a\r\ngat -1 a\r\nget a\r\n", "gat x a\r\n", "gat 0 " + key + "k\r\n", "gat 0\r\n",
	// The rest.
	"set d 0 0 1\r\n1\r\ndelete d\r\ndelete d\r\nset d 0 0 1\r\n1\r\ndelete d 0\r\nset d 0 0 1\r\n1\r\ndelete d 5\r\ndelete d noreply\r\nget d\r\ndelete\r\ndelete d 0 noreply\r\ndelete d x y\r\ndelete d 0 x\r\ndelete d 5 noreply\r\ndelete " + key + "k\r\ndelete d 1 2 3\r\n",
	"flush_all x\r\nflush_all -1\r\nflush_all 0\r\nget q\r\nset q 0 0 1\r\n1\r\nflush_all noreply\r\nflush_all 0 noreply\r\nget q\r\nflush_all 0 0\r\nflush_all 0 0 0\r\nset q 0 0 1\r\n1\r\ngets q\r\n",
	"verbosity\r\nverbosity 1\r\nverbosity x\r\nverbosity x noreply\r\nverbosity 1 noreply\r\nverbosity 1 2\r\nverbosity noreply\r\nverbosity 1 2 3\r\nverbosity 0\r\n",
	"stats foo\r\nstats noreply\r\nstats reset\r\n", "quit x\r\nversion\r\n", "version\r\nquit\r\nversion\r\n",
}

// large are blocks over the limit, which are passed over.
var large = []string{
	"set a 0 0 3\r\nabc\r\nset a 0 0 1048577\r\n" + strings.Repeat("x", 1048577) + "\r\nget a\r\n",
	"set a 0 0 3\r\nabc\r\nset a 0 0 5000000 noreply\r\n" + strings.Repeat("x", 5000000) + "\r\nget a\r\n",
	"set a 0 0 1048400\r\n" + strings.Repeat("y", 1048400) + "\r\nappend a 0 0 200\r\n" + strings.Repeat("z", 200) + "\r\ngets a\r\n",
	"set a 0 0 3 noreply\r\nabc\r\n" + strings.Repeat("get a\r\n", 3000),
}

// Both are told the same, and answer the same, byte for byte: each conversation
// at once, all of them torn after every byte, and all of them glued.
func TestMemcachedAnswersLikeTheOriginal(t *testing.T) {
	t.Parallel()
	original := theOriginal(t)
	var want []string
	for range 3 { // three times, as the numbers of versions go on
		for _, text := range append([]string{"flush_all\r\n"}, said...) {
			want = append(want, conversation(t, original, text))
		}
	}
	for _, text := range large {
		want = append(want, conversation(t, original, text))
	}
	everyDispatch(t, func(t *testing.T, s setup) {
		sv := serveFile(t, s, memcachedScript)
		left := want
		compare := func(how, text, got string) {
			t.Helper()
			if got != left[0] {
				t.Errorf("%s, %.200q:\n got %.600q\nwant %.600q", how, text, got, left[0])
			}
			left = left[1:]
		}
		for _, text := range append([]string{"flush_all\r\n"}, said...) {
			compare("at once", text, conversation(t, sv.Addr, text))
		}
		// Every byte is read before the next one is sent: the other client has
		// had its answer. Long lines are torn in hundreds.
		other := sv.dial(t)
		for _, text := range append([]string{"flush_all\r\n"}, said...) {
			c := sv.dial(t)
			step := max(1, len(text)/400*100)
			if s.race {
				step = max(step, len(text)/10) // it is slow
			}
			for i := 0; i < len(text); i += step {
				c.say(text[i:min(i+step, len(text))])
				if i%4 == 0 {
					other.say("verbosity 0\r\n")
					other.expect("OK\r")
				}
			}
			if !strings.Contains(text, "quit") {
				c.say("quit\r\n")
			}
			got, _ := c.rest()
			compare("byte by byte", text, regexp.MustCompile(`VERSION .*`).ReplaceAllString(got, "VERSION"))
		}
		all, wanted := "", ""
		for i, text := range append([]string{"flush_all\r\n"}, said...) {
			if !strings.Contains(text, "quit") {
				all += text
				wanted += left[i]
			}
		}
		if got := conversation(t, sv.Addr, all); got != wanted {
			t.Errorf("all glued: got %d bytes, want %d", len(got), len(wanted))
		}
		left = left[len(said)+1:]
		for _, text := range large {
			compare("large", text, conversation(t, sv.Addr, text))
		}
	})
}

// A line that has no end is not waited for, unless it is one of many keys.
func TestMemcachedEndlessLines(t *testing.T) {
	t.Parallel()
	original := theOriginal(t)
	sv := serveFile(t, setup{workers: 2}, memcachedScript)
	for _, addr := range []string{original, sv.Addr} {
		at := *sv
		at.Addr = addr
		c := at.dial(t)
		c.say(strings.Repeat("x", 2049))
		if got, _ := c.rest(); got != "" {
			t.Errorf("%s answered %q", addr, got)
		}
		c = at.dial(t)
		c.say("get ")
		for range 100 {
			c.say(strings.Repeat("some keys ", 100))
		}
		c.say("\r\n")
		c.expect("END\r")
	}
	c := sv.dial(t)
	c.say("get " + strings.Repeat("x", 1<<20))
	if got, _ := c.rest(); got != "" {
		t.Errorf("answered %q", got)
	}
}

// Clients at the same time: nothing is lost, nothing is done twice.
func TestMemcachedChangesAreOneStep(t *testing.T) {
	t.Parallel()
	const clients, each = 6, 40
	everyDispatch(t, func(t *testing.T, s setup) {
		sv := serveFile(t, s, memcachedScript)
		first := sv.dial(t)
		first.say("set count 0 0 1\r\n0\r\nset sum 0 0 1\r\n0\r\nset text 0 0 0\r\n\r\n")
		for range 3 {
			first.expect("STORED\r")
		}
		var wg sync.WaitGroup
		var adds sync.Map
		for i := range clients {
			c := sv.dial(t)
			wg.Go(func() {
				for n := range each {
					c.say("incr count 3\r\ndecr count 1\r\n")
					c.line()
					c.line()
					c.say("append text 0 0 1 noreply\r\n" + string(rune('a'+i)) + "\r\n")
					c.say(fmt.Sprintf("add key%d 0 0 1\r\n%d\r\n", n, i))
					if c.line() == "STORED\r" {
						if who, taken := adds.LoadOrStore(n, i); taken {
							t.Errorf("key%d was added by %v and %d", n, who, i)
						}
					}
					for done := false; !done; { // until nobody was faster
						c.say("gets sum\r\n")
						var size, sum int
						var unique uint64
						fmt.Sscanf(c.line(), "VALUE sum 0 %d %d", &size, &unique)
						fmt.Sscan(c.line(), &sum)
						c.expect("END\r")
						text := fmt.Sprint(sum + 1)
						c.say(fmt.Sprintf("cas sum 0 0 %d %d\r\n%s\r\n", len(text), unique, text))
						switch answer := c.line(); answer {
						case "STORED\r":
							done = true
						case "EXISTS\r":
						default:
							t.Errorf("cas answered %q", answer)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		first.say("get count sum text\r\n")
		first.line()
		first.expect(fmt.Sprint(clients*each*2) + "\r")
		first.line()
		first.expect(fmt.Sprint(clients*each) + "\r")
		first.line()
		text := first.line()
		for i := range clients {
			if n := strings.Count(text, string(rune('a'+i))); n != each {
				t.Errorf("client %d appended %d times, want %d", i, n, each)
			}
		}
		first.expect("END\r")
		for n := range each {
			if _, ok := adds.Load(n); !ok {
				t.Errorf("nobody added key%d", n)
			}
		}
	})
}

// Items end at their time, and flush_all may come later.
func TestMemcachedTimes(t *testing.T) {
	t.Parallel()
	gone := func(c *client, what, key string) {
		t.Helper()
		eventually(t, what, func() bool {
			c.say("get " + key + "\r\n")
			if c.line() == "END\r" {
				return true
			}
			c.line()
			c.expect("END\r")
			return false
		})
	}
	s := setup{mode: "process", workers: 2}
	flushed := serveFile(t, s, memcachedScript).dial(t)
	flushed.say("set a 0 0 1\r\n1\r\nflush_all 1\r\nget a\r\n")
	for _, want := range []string{"STORED\r", "OK\r", "VALUE a 0 1\r", "1\r", "END\r"} {
		flushed.expect(want)
	}
	c := serveFile(t, s, memcachedScript).dial(t)
	begin := time.Now()
	c.say("set a 0 1 1\r\n1\r\nset b 0 1 1\r\n2\r\n")
	c.say("touch b 100\r\nincr a 4\r\nappend a 0 0 1\r\n0\r\n") // a change keeps the time
	c.say(fmt.Sprintf("set c 0 %d 1\r\n3\r\nset d 0 %d 1\r\n4\r\nget c d\r\nget a\r\n", begin.Unix()-1, begin.Unix()+100))
	for _, want := range []string{"STORED\r", "STORED\r", "TOUCHED\r", "5\r", "STORED\r", "STORED\r", "STORED\r",
		"VALUE d 0 1\r", "4\r", "END\r", "VALUE a 0 2\r", "50\r", "END\r"} {
		c.expect(want)
	}
	gone(c, "a ends", "a")
	if d := time.Since(begin); d < time.Second {
		t.Errorf("a second was over after %v", d)
	}
	c.say("get b\r\n")
	c.expect("VALUE b 0 1\r")
	gone(flushed, "flush_all comes", "a")
	flushed.say("set a 0 0 1\r\n1\r\nget a\r\n")
	flushed.expect("STORED\r")
	flushed.expect("VALUE a 0 1\r")
}

// With -m memory ends at a limit: what was not used for longest goes. -l names
// addresses, and what is stored through one of them is there for all.
func TestMemcachedMemoryAndAddresses(t *testing.T) {
	t.Parallel()
	s := setup{mode: "process", workers: 2, args: []string{"-l", "127.0.0.1:0,[::1]:0", "-m", "2"}}
	sv := serveFile(t, s, memcachedScript)
	var addrs []string
	for _, m := range regexp.MustCompile(`(127\.0\.0\.1|\[::1\]):\d+`).FindAllString(sv.Log.String(), -1) {
		addrs = append(addrs, m)
	}
	if len(addrs) != 2 {
		t.Fatalf("the banner names %v", addrs)
	}
	six := *sv
	six.Addr = addrs[1]
	c, d := sv.dial(t), six.dial(t)
	block := strings.Repeat("x", 100<<10)
	c.say("set kept 0 0 1\r\n1\r\n")
	c.expect("STORED\r")
	for i := range 60 {
		c.say(fmt.Sprintf("set k%d 0 0 %d\r\n%s\r\n", i, len(block), block))
		c.expect("STORED\r")
		d.say("get kept\r\n")
		d.expect("VALUE kept 0 1\r")
		d.expect("1\r")
		d.expect("END\r")
	}
	d.say("get k0\r\nstats\r\n")
	d.expect("END\r")
	var held, evicted int
	for line := d.line(); line != "END\r"; line = d.line() {
		fmt.Sscanf(line, "STAT bytes %d", &held)
		fmt.Sscanf(line, "STAT evictions %d", &evicted)
	}
	if held > 2<<20 || held < 1<<20 || evicted < 40 {
		t.Errorf("%d bytes are held, %d items went", held, evicted)
	}
}

// An edit of the script loses nothing, not even half a command.
func TestMemcachedAcrossAReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := read(t, memcachedScript)
	path := filepath.Join(dir, "memcached.lua")
	save(t, path, text)
	sv := serveFile(t, setup{mode: "process", workers: 2}, path)
	c, half := sv.dial(t), sv.dial(t)
	c.say("set a 0 0 5\r\nhello\r\nverbosity 2\r\n")
	c.expect("STORED\r")
	c.expect("OK\r")
	half.say("version\r\nset b 0 0 5\r\nwo")
	half.line()
	sv.Log.wait(t, "says set b 0 0 5")
	sv.save(t, text+"\nfunction commands.version() return \"VERSION 2\" end\n")
	sv.Log.wait(t, "reloaded generation=2")
	half.say("rld\r\n")
	half.expect("STORED\r")
	half.say("version\r\nget a b\r\n")
	for _, want := range []string{"VERSION 2\r", "VALUE a 0 5\r", "hello\r", "VALUE b 0 5\r", "world\r", "END\r"} {
		half.expect(want)
	}
}
