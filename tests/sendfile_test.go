package tests

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

const fileScript = `
server:set{ socket_buffer_size = "256K", buffer_high_watermark = "128K" }
local dir = arg[1]
local function say(...)
  local t = { ... }
  for i = 1, select("#", ...) do t[i] = tostring(t[i]) end
  return table.concat(t, " ")
end
function onReceive(server, fd, reactor_id, data)
  for line in data:gmatch("[^\n]+") do
    local what, a, b, c = line:match("^(%S+)%s*(%S*)%s*(%S*)%s*(%S*)$")
    if what == "get" then
      local ok, name, text = server:sendfile(fd, dir .. "/" .. a, tonumber(b), tonumber(c))
      if not ok then server:send(fd, say("no:", name, server:getLastError(), text:match("[^/]*$")) .. "\n") end
    elseif what == "mixed" then
      for i = 1, 20 do
        assert(server:send(fd, ("<%06d>"):format(i)))
        assert(server:sendfile(fd, dir .. "/" .. a, i * 1000, 50000))
      end
    elseif what == "end" then
      server:close(fd)
    end
  end
end
function onBufferFull(server, fd) print("full", fd) end
function onBufferEmpty(server, fd) print("empty", fd) end
function onClose(server, fd, reactor_id, reason) print("gone", fd, reason) end`

// random bytes, so that a piece in the wrong place is seen.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{7})
	r.Read(b)
	return b
}

// Files arrive whole, in order with what else is sent, to quick and to slow
// readers; a file far larger than the outbox costs no memory.
func TestSendfile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large, small := noise(24<<20), noise(100_000)
	for name, text := range map[string][]byte{"large": large, "small": small} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	everyMode(t, func(t *testing.T, s setup) {
		s.args = []string{dir}
		sv := serve(t, s, fileScript)
		c := sv.dial(t)
		c.say("get large\n")
		sv.Out.wait(t, "full\t1\n")
		sum := sha256.New()
		if n, err := io.CopyN(sum, c, int64(len(large))); err != nil || !bytes.Equal(sum.Sum(nil), hash(large)) {
			t.Fatalf("the large file: %d bytes, %v, or others", n, err)
		}
		sv.Out.wait(t, "empty\t1\n")
		c.say("get small 99990\nget small 5 10\n")
		if got, want := c.take(20), string(small[99990:])+string(small[5:15]); got != want {
			t.Errorf("pieces of the small file: %q, want %q", got, want)
		}
		slow := sv.dial(t)
		slow.SetReadBuffer(64 << 10)
		slow.say("mixed small\nend\n")
		var want []byte
		for i := 1; i <= 20; i++ {
			want = fmt.Appendf(want, "<%06d>", i)
			want = append(want, small[i*1000:i*1000+50000]...)
		}
		got, err := io.ReadAll(slow)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the mixture: %d bytes of %d, %v, or others", len(got), len(want), err)
		}
		for _, step := range [][2]string{
			{"get none", "no: no_such_file 2 none: no such file or directory"},
			{"get .", "no: not_a_regular_file 22 . is not a regular file"},
			{"get small 100000", "no: file_range 505 small has 100000 bytes: offset 100000, length 0 is not in it"},
			{"get small 0 100001", "no: file_range 505 small has 100000 bytes: offset 0, length 100001 is not in it"},
			{"get small -1", "no: file_range 505 offset -1, length 0: neither may be negative"},
		} {
			c.say(step[0] + "\n")
			c.expect(step[1])
		}
	})
}

func hash(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}

// A file that becomes shorter while it is sent: the client sees a broken
// connection, the log says why, the server goes on.
func TestSendfileOfAFileThatShrinks(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		dir := t.TempDir()
		path := filepath.Join(dir, "shrinks")
		if err := os.WriteFile(path, make([]byte, 64<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		s.args = []string{dir}
		sv := serve(t, s, fileScript)
		c := sv.dial(t)
		c.say("get shrinks\n")
		sv.Out.wait(t, "full\t1\n")
		if err := os.Truncate(path, 10); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, c); err == nil || n >= 64<<20 {
			t.Errorf("%d bytes, and then %v", n, err)
		}
		sv.Out.wait(t, "gone\t1\tsendfile_failed\n")
		sv.Log.wait(t, "sendfile: it has become shorter while it was sent fd=1 reason=sendfile_failed file="+path)
		c = sv.dial(t)
		c.say("get shrinks\n")
		c.take(10)
	})
}

// sendwait returns when the kernel has taken everything, and tells of a client
// that goes away meanwhile; send_timeout ends it.
func TestSendwait(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "socket_buffer_size=64M")
		sv := serve(t, s, `
			local large = ("x"):rep(32 * 2 ^ 20)
			function onReceive(server, fd, reactor_id, data)
			  print("begins", fd)
			  local ok, name = server:sendwait(fd, large)
			  local info = server:getClientInfo(fd)
			  print("ends", fd, ok, name, info and info.send_queued_bytes)
			end`)
		c := sv.dial(t)
		c.SetReadBuffer(128 << 10) // or the kernel might take all that is left
		c.say("go")
		sv.Out.wait(t, "begins\t1\n")
		if _, err := io.CopyN(io.Discard, c, 16<<20); err != nil {
			t.Error(err)
		}
		if n := sv.Out.count("ends"); n != 0 {
			t.Errorf("it has returned with %d MB unread", 16)
		}
		if _, err := io.CopyN(io.Discard, c, 16<<20); err != nil {
			t.Error(err)
		}
		sv.Out.wait(t, "ends\t1\ttrue\tnil\t0\n")
		c = sv.dial(t)
		c.say("go")
		sv.Out.wait(t, "begins\t2\n")
		c.take(1)
		c.reset()
		sv.Out.wait(t, "ends\t2\tfalse\tsession_closed\t")
	})
}

// A send waits for another session only with send_yield, and then not for ever.
func TestSendYieldAndTimeout(t *testing.T) {
	t.Parallel()
	const script = `
		local piece = ("x"):rep(60000)
		function onReceive(server, fd, reactor_id, data)
		  if data == "fill" then
		    server:send(fd, "!")
		    -- two in a row: of a busy machine one may be late
		    while server:send(fd, piece) or server:send(fd, piece) do end
		    print("own session", (select(2, server:send(fd, piece))), server:getLastError())
		  else
		    print("other session", (select(2, server:send(1, piece))), server:getLastError())
		  end
		end`
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "socket_buffer_size=64K", "--set", "send_timeout=0.2")
		for _, yield := range []bool{false, true} {
			if yield {
				s.flags = append(s.flags, "--set", "send_yield=true")
			}
			sv := serve(t, s, script)
			full := sv.dial(t)
			full.say("fill")
			sv.Out.wait(t, "own session\ttimeout\t110\n")
			sv.dial(t).say("send")
			if want := "other session\toutbox_full\t1009\n"; !yield {
				sv.Out.wait(t, want)
			} else {
				sv.Out.wait(t, "other session\ttimeout\t110\n")
			}
		}
	})
}

// One send has a limit of its own.
func TestOutputBufferSize(t *testing.T) {
	t.Parallel()
	sv := serve(t, setup{workers: 1}, `
		server:set{ output_buffer_size = 1000 }
		function onReceive(server, fd, reactor_id, data)
		  local function tell(...) server:send(fd, table.concat({ ... }, " ", 1, 3) .. "\n") end
		  local ok, name, text = server:send(fd, ("x"):rep(1001))
		  tell(tostring(ok), name, server:getLastError() .. " " .. text)
		  local sent, refused = server:broadcast(("x"):rep(1001))
		  tell(sent, "sent", refused.data_length_too_large .. " refused")
		  assert(server:send(fd, ("x"):rep(1000)))
		end`)
	c := sv.dial(t)
	c.say("go")
	c.expect("false data_length_too_large 1203 the data is larger than output_buffer_size")
	c.expect("0 sent 1 refused")
	c.take(1000)
}

// pause stops delivery at once, in every mode; what the client sends meanwhile
// comes when reading goes on. confirm ends the delay of a new session.
func TestPauseAndConfirm(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "enable_delay_receive=true")
		sv := serve(t, s, `
			local count = {}
			function onConnect(server, fd)
			  server:send(fd, "hello\n")
			  if fd == 2 then server:confirm(2) end
			end
			function onReceive(server, fd, reactor_id, data)
			  print("from", fd, data)
			  if data == "pause" then
			    print("paused", server:pause(fd))
			    server:send(fd, "ok\n")
			  elseif data:sub(1, 7) == "resume " then
			    print("resumed", server:resume(tonumber(data:sub(8))))
			  end
			end
			function onClose(server, fd, reactor_id, reason) print("gone", fd, reason) end`)
		c := sv.dial(t)
		c.say("impatient")
		c.expect("hello")
		other := sv.dial(t)
		other.expect("hello")
		other.say("y")
		sv.Out.wait(t, "from\t2\ty\n")
		if sv.Out.count("impatient") != 0 {
			t.Fatal("a session was read before it was confirmed")
		}
		other.say("resume 1")
		sv.Out.wait(t, "resumed\ttrue\n")
		sv.Out.wait(t, "from\t1\timpatient\n")
		for round := range 5 {
			c.say("pause")
			c.expect("ok")
			c.say("later")
			other.say("x")
			sv.Out.waitCount(t, "from\t2\tx\n", round+1)
			if n := sv.Out.count("later"); n != round {
				t.Fatal("a paused session was read")
			}
			other.say("resume 1")
			sv.Out.waitCount(t, "from\t1\tlater\n", round+1)
		}
		c.say("pause")
		c.expect("ok")
		c.reset()
		sv.Out.wait(t, "gone\t1\treset\n")
		eventually(t, "nobody resumes a session that has gone", func() bool {
			n := sv.Out.count("resumed\tfalse\t")
			other.say("resume 1")
			sv.Out.waitCount(t, "resumed\tfalse\t", n+1)
			return sv.Out.count("resumed\tfalse\tno_such_session\t") > 0
		})
	})
}

// Over max_queued_bytes a session is not read, and is again at half.
func TestMaxQueuedBytes(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "max_queued_bytes=100K")
		sv := serve(t, s, gate+`
			local got = {}
			function onReceive(server, fd, reactor_id, data)
			  if data:sub(1, 4) == "open" then open(server, tonumber(data:sub(6))) return end
			  if not got[fd] then got[fd] = 0 hold(server, fd) end
			  got[fd] = got[fd] + #data
			  if got[fd] == 8 * 2 ^ 20 then server:send(fd, "all\n") end
			end
			function onWorkerStart(server) -- how much waits once nothing more comes in
			  local co, last = require "co", -1
			  co.go(function()
			    while true do
			      local i = server:getClientInfo(1)
			      if i and i.recv_queued_bytes > 0 and i.recv_queued_bytes == last then print("queued", last) end
			      last = i and i.recv_queued_bytes
			      co.sleep(0.1)
			    end
			  end)
			end`)
		c := sv.dial(t)
		go func() {
			b := bytes.Repeat([]byte("x"), 64<<10)
			for range 128 {
				if _, err := c.Write(b); err != nil {
					t.Error(err)
				}
			}
		}()
		c.expect("holding")
		sv.Out.wait(t, "queued\t")
		for _, m := range regexp.MustCompile(`queued\t(\d+)`).FindAllStringSubmatch(sv.Out.String(), -1) {
			// Up to one read more than the limit.
			if n, _ := strconv.Atoi(m[1]); n > 100<<10+64<<10 {
				t.Errorf("%d bytes are queued", n)
			}
		}
		other := sv.dial(t)
		other.say("open 1")
		c.expect("all")
	})
}

// close(fd, true) makes a reset of a close that waits for its client.
func TestResetOfAClosingSession(t *testing.T) {
	t.Parallel()
	everyMode(t, func(t *testing.T, s setup) {
		s.flags = append(s.flags, "--set", "close_timeout=3600")
		sv := serve(t, s, `
			local large = ("x"):rep(2 ^ 20)
			function onReceive(server, fd, reactor_id, data)
			  if data == "close" then
			    server:after(1, function()
			      while server:send(fd, large) do end
			      print("closed", server:close(fd))
			      print("again", select(2, server:close(fd)))
			    end)
			  else
			    print("reset", server:close(1, true))
			  end
			end
			function onClose(server, fd, reactor_id, reason) print("gone", fd, reason) end`)
		c := sv.dial(t)
		c.say("close")
		sv.Out.wait(t, "again\tsession_closing")
		sv.Out.wait(t, "gone\t1\tserver_closed\n")
		sv.dial(t).say("reset")
		sv.Out.wait(t, "reset\ttrue\n")
		if _, err := io.Copy(io.Discard, c); err == nil {
			t.Error("the client saw no reset")
		}
	})
}
