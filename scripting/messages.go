package scripting

import (
	"math"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// errNoPipeMessage: a message to code that does not take any.
var errNoPipeMessage = &engine.Errno{Name: "no_on_pipe_message", Code: 509, Text: "there is no onPipeMessage"}

// doSendMessage is server:sendMessage(message, dst_worker_id). What
// onWorkerStart sends leaves when its worker is live.
func (in *Instance) doSendMessage(L *lua.LState) int {
	in.mustRun(L, "server:sendMessage")
	message, bad := toPlain(L.Get(2))
	if bad != nil {
		vm.Raise(L, "%s", bad.message("message", "a worker"))
	}
	id, _ := number(L.Get(3))
	dst := in.host.loopOf(id)
	switch {
	case dst == nil:
		return in.server.fail(L, engine.ErrBadWorker)
	case in.on[evPipeMessage] == nil:
		return in.server.fail(L, errNoPipeMessage)
	}
	h, src := in.host, in.id
	send := func() error {
		return dst.Message(func(f *engine.Fiber) { h.message(f, src, message) })
	}
	if in.stage == warming {
		in.held = append(in.held, func() {
			if err := send(); err != nil {
				in.host.log.Error("a message that onWorkerStart has sent is lost", "from", in.number, "to", int(id), "why", err)
			}
		})
	} else if err := send(); err != nil {
		return in.server.fail(L, err)
	}
	L.Push(lua.LTrue)
	return 1
}

// loopOf is the loop of a worker or task worker, or nil.
func (h *Host) loopOf(id float64) *engine.Loop {
	if id < 0 || id != math.Trunc(id) {
		return nil
	}
	for _, l := range h.loops() {
		if l.ID() == int(id) {
			return l
		}
	}
	return nil
}

// message runs onPipeMessage.
func (h *Host) message(f *engine.Fiber, src lua.LValue, message any) {
	in := h.liveOn(f)
	if in == nil {
		return
	}
	fn := in.on[evPipeMessage]
	if fn == nil {
		in.failed(f, evPipeMessage.String(), 0, &vm.Error{Message: "there is no onPipeMessage in this generation: a message is lost"})
		return
	}
	c := in.begin(f, evPipeMessage, "", fn)
	c.th.Push(in.server.value)
	if data := toLua(c.th.State(), message); in.objects() {
		c.th.Push(in.messageObject(src, data))
	} else {
		c.th.Push(src)
		c.th.Push(data)
	}
	err := c.th.Run(0)
	c.end()
	if err != nil {
		in.failed(f, evPipeMessage.String(), 0, err)
	}
}
