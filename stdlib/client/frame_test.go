package client

import (
	"net"
	"strings"
	"testing"
)

// dribble sends what it is told to byte by byte, or in one piece.
func dribble(text string, whole bool) func(c *net.TCPConn) {
	return func(c *net.TCPConn) {
		c.SetNoDelay(true)
		if whole {
			c.Write([]byte(text))
		} else {
			for i := range len(text) {
				c.Write([]byte(text[i : i+1]))
			}
		}
		c.CloseWrite()
		c.Read(make([]byte, 1)) // until the client has closed
	}
}

// Every framing of a server's port is one of a client, however the bytes come,
// waiting and with callbacks.
func TestFraming(t *testing.T) {
	for name, c := range map[string]struct{ options, stream, frames, reason string }{
		"eof split": {`open_eof_split = true, package_eof = "||"`, "one||two||||th|ree||rest", `{"one||", "two||", "||", "th|ree||"}`, "server_closed"},
		"eof check": {`open_eof_check = true, package_eof = "."`, "a.b.", ``, "server_closed"},
		"length":    {`open_length_check = true, package_length_type = "n", package_body_offset = 2`, "\x00\x03abc\x00\x00\x00\x01z\x00\x09x", `{"\0\3abc", "\0\0", "\0\1z"}`, "server_closed"},
		"body":      {`open_length_check = true, package_length_type = "C", package_length_offset = 2, package_body_start = 3`, "..\x02ab--\x00", `{"..\2ab", "--\0"}`, "server_closed"},
		"text": {`package_length_text = { prefix = "length:", digits = 13, words = { "HeartBeat" } }`,
			"length:0000000000002okHeartBeatlength:0000000000000length:0000000000001x", `{"length:0000000000002ok", "HeartBeat", "length:0000000000000", "length:0000000000001x"}`, "server_closed"},
		"func": {`open_length_check = true, package_length_func = function(data)
			local head = data:match("^(%d+):") return head and #head + 1 + tonumber(head) or #data > 5 and -1 or 0 end`,
			"3:abc0:12:abcdefghijkl", `{"3:abc", "0:", "12:abcdefghijkl"}`, "server_closed"},
		"too large": {`open_eof_split = true, package_eof = ".", package_max_length = 8`, "short.123456789.", `{"short."}`, "frame_too_large"},
		"malformed": {`package_length_text = { prefix = "L", digits = 2 }`, "L02okX", `{"L02ok"}`, "frame_malformed"},
		"bad func":  {`open_length_check = true, package_length_func = function(data) return #data > 2 and "many" or 0 end`, "abc", `{}`, "frame_malformed"},
		"negative":  {`open_length_check = true, package_length_func = function(data) return -1 end`, "abc", `{}`, "frame_malformed"},
		"throws":    {`open_length_check = true, package_length_func = function(data) error("no length") end`, "abc", `{}`, "frame_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			ways := []bool{true, false}
			if c.frames == "" { // glued ends stay glued: only the whole says how
				c.frames, ways = `{"a.b."}`, ways[:1]
			}
			for _, whole := range ways {
				run(t, strings.NewReplacer("OPTIONS", c.options, "FRAMES", c.frames, "REASON", c.reason).Replace(`
local frames, reason = FRAMES, "REASON"
local c = client.new("tcp", { OPTIONS })
assert(c:connect("127.0.0.1", port, 30))
for i = 1, #frames do eq(c:recv(30), frames[i]) end
local data, name = c:recv(30)
eq(name, reason) eq(data, reason == "server_closed" and "" or false)
eq(c.connected, reason == "server_closed")
if c.connected then c:close() end
local got, done = {}, co.channel(1)
c = client.new()
c:set{ OPTIONS }
c:on("receive", function(c, data) got[#got + 1] = data end)
c:on("close", function(c, why) done:push(why) end)
assert(c:connect("127.0.0.1", port))
eq(done:pop(30), reason)
eq(got, frames)
`), peer(t, dribble(c.stream, whole)))
			}
		})
	}
}

func TestOptions(t *testing.T) {
	run(t, `
local function bad(text, options) raises(text, client.new, "tcp", options) end
bad("client.new: there is no option 'timeuot' (did you mean 'timeout'?)", { timeuot = 1 })
bad("option 'ssl_cafile' is not in this version", { ssl_cafile = "x" })
bad("option 'timeout': a number of seconds above 0, or -1 for no limit, expected, got 0", { timeout = 0 })
bad("option 'open_eof_check': true or false expected, got 1", { open_eof_check = 1 })
bad("package_eof: neither open_eof_check nor open_eof_split is on", { package_eof = "x" })
bad("open_length_check: open_eof_check is on, too", { open_eof_check = true, open_length_check = true })
bad("the name of an option must be a string, not number", { 1 })
bad("option 'package_length_text': it has no 'digit' (prefix, digits, words)", { package_length_text = { digit = 3 } })
bad("option 'package_length_text': digits: a whole number from 1 to 18 expected, got 0", { package_length_text = { digits = 0 } })
bad("option 'socket_buffer_size': 4096 to 1073741824 bytes expected, got 5", { socket_buffer_size = 5 })
bad("buffer_low_watermark 0 < buffer_high_watermark 5000 <= socket_buffer_size 4096 does not hold", { socket_buffer_size = "4K", buffer_high_watermark = 5000 })
bad("option 'bind_address': an address expected", { bind_address = 5 })
raises("package_length_type", client.new, nil, { open_length_check = true, package_length_type = "Z" })
local c = client.new("tcp", { timeout = 5, read_timeout = 0.01, bind_address = "127.0.0.1", open_tcp_keepalive = true, tcp_keepidle = 7, tcp_keepinterval = 3, tcp_keepcount = 2, open_tcp_nodelay = false })
eq(c.setting.timeout, 5)
assert(c:connect("127.0.0.1", port))
fails("timeout", c:recv())
c:set{ read_timeout = 10, open_eof_split = true, package_eof = "\n" }
c:send("ab\nc") eq(c:recv(), "ab\n")
raises("package_eof: it is empty", c.set, c, { package_eof = "" })
c:send("d\n") eq(c:recv(), "cd\n")
c:set{ open_eof_split = false, open_eof_check = true }
c:send("x\ny\n") 
local got = "" while #got < 4 do got = got .. c:recv() end eq(got, "x\ny\n")
c:close()
`, peer(t, echo))
}
