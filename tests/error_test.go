package tests

import (
	"fmt"
	"strings"
	"testing"
)

// evalScript is a server that runs the Lua lines it is sent, with server and
// fd, and answers with the results, | between them.
const evalScript = `
local part = {}
function onClose(server, fd, reactor_id, reason) part[fd] = nil end
function onReceive(server, fd, reactor_id, data)
  local text = (part[fd] or "") .. data
  while true do
    local line, rest = text:match("^([^\n]*)\n(.*)$")
    if not line then break end
    text = rest
    local fn, err = loadstring("local server, fd, reactor_id = ... " .. line, "=eval")
    local r = fn and { n = 0, fn(server, fd, reactor_id) } or { err }
    local top = 0
    for i in pairs(r) do if type(i) == "number" and i > top then top = i end end
    for i = 1, top do r[i] = tostring(r[i]) end
    server:send(fd, table.concat(r, "|") .. "\n")
  end
  part[fd] = text
end
`

// ask runs a line on an evalScript and compares the answer. A position before
// an error message is left out.
func (c *client) ask(code, want string) {
	c.t.Helper()
	if got := c.eval(code); got != want {
		c.t.Errorf("%s\n got %q\nwant %q", code, got, want)
	}
}

func (c *client) eval(code string) string {
	c.t.Helper()
	c.say(code + "\n")
	return strings.ReplaceAll(c.line(), "eval:1: ", "")
}

// until asks until the expression is true.
func (c *client) until(expr string) {
	c.t.Helper()
	eventually(c.t, expr, func() bool { return c.eval("return not not ("+expr+")") == "true" })
}

// lineOf is the number of the script's first line that contains text.
func lineOf(t testing.TB, sv *server, text string) string {
	t.Helper()
	for i, l := range strings.Split(read(t, sv.Script), "\n") {
		if strings.Contains(l, text) {
			return fmt.Sprint(i + 1)
		}
	}
	t.Fatalf("no line of the script has %q", text)
	return ""
}
