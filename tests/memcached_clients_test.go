package tests

import (
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The clients that people use: libmemcached's tools, and those of Python and
// PHP.
func TestMemcachedClients(t *testing.T) {
	t.Parallel()
	sv := serveFile(t, setup{mode: "process", workers: 2}, memcachedScript)
	dir := t.TempDir()
	file := filepath.Join(dir, "greeting")
	save(t, file, "hello, world")
	at := "--servers=" + sv.Addr
	host, port, _ := net.SplitHostPort(sv.Addr)
	for _, do := range []struct {
		fails bool
		want  string // as a pattern
		cmd   []string
	}{
		{want: "", cmd: []string{"memcping", at}},
		{want: "", cmd: []string{"memccp", at, file}},
		{want: "hello, world", cmd: []string{"memccat", at, "greeting"}},
		{want: "", cmd: []string{"memcexist", at, "greeting"}},
		{want: "", cmd: []string{"memctouch", at, "--expire=100", "greeting"}},
		{want: `curr_items: 1\n`, cmd: []string{"memcstat", at}},
		{want: "", cmd: []string{"memcrm", at, "greeting"}},
		{fails: true, cmd: []string{"memcexist", at, "greeting"}},
		{fails: true, cmd: []string{"memccat", at, "greeting"}},
		{want: "", cmd: []string{"memcflush", at}},
		{want: "ascii prepend noreply +\\[pass\\]\nascii stat +\\[pass\\]\nAll tests passed", cmd: []string{"memccapable", "-h", host, "-p", port, "-a"}},
		{want: "all is well", cmd: []string{"/usr/bin/python3", "-c", pythonClient, port}},
		{want: "all is well", cmd: []string{"php", "-r", phpClient, "--", port}},
	} {
		out, err := exec.Command(do.cmd[0], do.cmd[1:]...).CombinedOutput()
		if (err != nil) != do.fails || !regexp.MustCompile(do.want).Match(out) {
			t.Errorf("%s: %v\n%s", do.cmd[0], err, out)
		}
	}
}

const pythonClient = `
import sys
from pymemcache.client.base import Client
c = Client(("127.0.0.1", int(sys.argv[1])), default_noreply=False, timeout=30)
assert c.set("a", b"\r\nEND\r\n\x00\xff", expire=100, flags=7)
assert c.get("a") == b"\r\nEND\r\n\x00\xff"
assert c.set_many({"k%d" % i: b"x" * i * 100 for i in range(100)}) == []
got = c.get_many(["k%d" % i for i in range(100)] + ["none"])
assert len(got) == 100 and all(len(got["k%d" % i]) == i * 100 for i in range(100))
assert c.add("a", b"1") is False and c.replace("none", b"1") is False
assert c.set("n", b"41") and c.incr("n", 1) == 42 and c.decr("n", 100) == 0 and c.incr("none", 1) is None
value, unique = c.gets("n")
assert c.cas("n", b"5", unique) is True and c.cas("n", b"6", unique) is False and c.cas("none", b"6", unique) is None
assert c.append("n", b"0") and c.prepend("n", b"1") and c.get("n") == b"150"
assert c.touch("n", 100) and not c.touch("none", 100)
assert c.delete("n") is True and c.delete("n") is False
c.set("big", b"z" * 1000000, noreply=True)
assert c.get("big") == b"z" * 1000000
try:
    c.set("big", b"z" * 2000000)
    assert False
except Exception as e:
    assert "too large" in str(e), e
assert c.get("big") is None
assert c.version().startswith(b"1.6.0")
stats = c.stats()
assert stats[b"cmd_set"] > 100 and stats[b"threads"] == 2, stats
assert c.flush_all() and c.get("a") is None
c.quit()
print("all is well")
`

const phpClient = `
$m = new Memcached;
$m->setOption(Memcached::OPT_COMPRESSION, false);
$m->addServer("127.0.0.1", (int) $argv[1]);
function must($ok, $what) { global $m; if (!$ok) { echo "$what: ", $m->getResultMessage(), "\n"; exit(1); } }
must($m->set("list", [1, 2, "x" => ["y"]]), "set");
must($m->get("list") === [1, 2, "x" => ["y"]], "get");
must($m->setMulti(["a" => "1", "b" => "2"], 100), "setMulti");
must($m->getMulti(["a", "b", "none"]) === ["a" => "1", "b" => "2"], "getMulti");
must(!$m->add("a", "3") && $m->getResultCode() === Memcached::RES_NOTSTORED, "add");
must($m->append("a", "0") && $m->increment("a", 5) === 15 && $m->decrement("a", 20) === 0, "counting");
$got = $m->get("b", null, Memcached::GET_EXTENDED);
must($m->cas($got["cas"], "b", "3") && !$m->cas($got["cas"], "b", "4"), "cas");
must($m->touch("b", 100) && $m->delete("b") && $m->get("b") === false, "delete");
must($m->getStats()["127.0.0.1:" . $argv[1]]["curr_items"] == 2, "stats");
must($m->flush() && $m->get("a") === false, "flush");
echo "all is well\n";
`
