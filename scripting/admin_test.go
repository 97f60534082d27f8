package scripting

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// admin is an Admin of a server that has not started, and a way to connect.
func admin(t *testing.T) (*Admin, func() (net.Conn, *bufio.Reader)) {
	t.Helper()
	h, _, err := load(t, receives)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	a := h.ServeAdmin(l, "1.2.3", slog.New(slog.DiscardHandler))
	t.Cleanup(a.Close)
	return a, func() (net.Conn, *bufio.Reader) {
		t.Helper()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c, bufio.NewReader(c)
	}
}

func TestAdminAnswers(t *testing.T) {
	a, dial := admin(t)
	c, in := dial()
	for range 3 { // one connection may ask many times
		answer, err := Ask(c, in, AdminRequest{Cmd: "who"}, watchPatience)
		if err != nil || answer.Script != a.h.script || answer.PID == 0 {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
	answer, err := Ask(c, in, AdminRequest{Cmd: "status"}, watchPatience)
	if s := answer.Status; err != nil || s == nil || s.State != "starting" || s.Version != "1.2.3" || s.Memory.Heap == 0 || s.Memory.Resident == 0 || s.Goroutines < 2 {
		t.Errorf("%+v, %v", answer.Status, err)
	}
	if _, err := Ask(c, in, AdminRequest{Cmd: "stpo"}, watchPatience); err == nil || err.Error() != "unknown request 'stpo' (did you mean 'stop'?)" {
		t.Errorf("%v", err)
	}
	for line, want := range map[string]string{
		`{"v":7,"cmd":"who"}`:              "speaks version 1 of the control protocol, the command version 7",
		`{"cmd":"stop"}`:                   "the command version 0",
		`who`:                              "not a request: ",
		`[]`:                               "not a request: ",
		strings.Repeat("x", longestAsk+10): "a request is longer than 4096 bytes",
	} {
		c, in := dial()
		io.WriteString(c, line+"\n")
		if _, err := ReadAnswer(c, in, watchPatience); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v", line, err)
		}
	}
	if a.h.stopping.Load() {
		t.Error("it stops")
	}
}

// Who asks nothing, and who asks too much, are in nobody's way.
func TestAdminIsNotStalled(t *testing.T) {
	a, dial := admin(t)
	var idle []net.Conn
	for range mostAdmins - 1 {
		c, _ := dial()
		io.WriteString(c, `{"v":1,`)
		idle = append(idle, c)
	}
	c, in := dial()
	if _, err := Ask(c, in, AdminRequest{Cmd: "who"}, watchPatience); err != nil {
		t.Error(err)
	}
	over, overIn := dial()
	if _, err := ReadAnswer(over, overIn, watchPatience); err == nil || err.Error() != "too many commands at once" {
		t.Errorf("%v", err)
	}
	for _, c := range idle {
		c.Close()
	}
	deadline := time.Now().Add(watchPatience)
	for err := errors.New("none yet"); err != nil; {
		c, in := dial()
		if _, err = Ask(c, in, AdminRequest{Cmd: "who"}, watchPatience); time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	slow, _ := dial()
	begun := time.Now()
	a.Close() // who is in the middle of a question is not waited for
	if took := time.Since(begun); took > adminPatience/2 {
		t.Errorf("closing took %v", took)
	}
	if _, err := slow.Read(make([]byte, 1)); err == nil {
		t.Error("the connection stays")
	}
}

func TestAdminStop(t *testing.T) {
	a, dial := admin(t)
	c, in := dial()
	answer, err := Ask(c, in, AdminRequest{Cmd: "stop"}, watchPatience)
	if err != nil || answer.Within != 3 || answer.Exit != nil {
		t.Fatalf("%+v, %v", answer, err)
	}
	if code := <-a.h.stopCode; code != 0 || !a.h.stopping.Load() {
		t.Errorf("stop asked for with code %d", code)
	}
	other, otherIn := dial() // one that comes too late for the end
	if _, err := Ask(other, otherIn, AdminRequest{Cmd: "stop"}, watchPatience); err != nil {
		t.Fatal(err)
	}
	a.Stopped(4, []string{"onReceive"})
	a.Close()
	for _, in := range []*bufio.Reader{in, otherIn} {
		answer, err = ReadAnswer(c, in, watchPatience)
		if err != nil || answer.Exit == nil || *answer.Exit != 4 || !reflect.DeepEqual(answer.Cut, []string{"onReceive"}) {
			t.Errorf("%+v, %v", answer, err)
		}
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the connection ends before the process: %v", err)
	}
	for _, c := range a.held {
		c.Close()
	}
}

// A stop that is under way when the server cannot go on says nothing: the
// connection ends.
func TestAdminClosesUnanswered(t *testing.T) {
	a, dial := admin(t)
	c, in := dial()
	if _, err := Ask(c, in, AdminRequest{Cmd: "stop"}, watchPatience); err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, err := ReadAnswer(c, in, watchPatience); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	var none *Admin
	none.Started()
	none.Stopped(0, nil)
	none.Close()
}

func TestTrustedPeers(t *testing.T) {
	me := uint32(os.Geteuid())
	for uid, want := range map[uint32]bool{0: true, me: true, me + 1: false, 65534: me == 65534} {
		if got := (peer{&syscall.Ucred{Uid: uid}}).trusted(); got != want {
			t.Errorf("user %d: %v", uid, got)
		}
	}
}

// The names in the JSON are a contract: programs read them. Lists are never
// null.
func TestStatusJSON(t *testing.T) {
	s := ServerStatus{Listeners: []string{}, Workers: []WorkerStatus{{}}, LastReload: ReloadReport{}.status(),
		Waiting: waitTable{{}: {}}.list(), Draining: drainTable{0: {waits: waitTable{}}}.list()}
	got, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const never = `"0001-01-01T00:00:00Z"`
	want := `{"pid":0,"version":"","script":"","state":"","mode":"","generation":0,"started":` + never + `,"uptime":0,"listeners":[],` +
		`"workers":[{"id":0,"kind":"","state":"","generation":null,"sessions":0,"fibers":0,"requests":0,"timers":null}],` +
		`"sessions":{"open":0,"accepted":0,"closed":0},"requests":0,"fibers":0,` +
		`"waiting":[{"what":"","in":"","place":"","generation":0,"count":0,"longest":0}],` +
		`"draining":[{"generation":0,"workers":[],"callbacks":0,"left":0,"waiting":[]}],` +
		`"last_reload":{"generation":0,"ok":false,"tasks_only":false,"recovered":0,"why":"","phase":"","error":"","files":[],"changes":[],` +
		`"at":` + never + `,"took":0,"build":0,"warm":0,"swap":0,"draining":0},` +
		`"timers":0,"tasks":{"queued":0,"running":0,"total":0},"memory":{"heap":0,"runtime":0,"resident":0},"goroutines":0}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	h, _, err := load(t, receives)
	if err != nil {
		t.Fatal(err)
	}
	if got, err = json.Marshal(h.ServerStatus()); err != nil || strings.Count(string(got), "null") != 1 { // last_reload
		t.Errorf("%s, %v", got, err)
	}
}
