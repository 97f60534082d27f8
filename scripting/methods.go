package scripting

import (
	"math"
	"os"
	"time"

	"swoon/engine"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// serverMethods are the methods of `server` but for send and close, which
// server.go binds by hand.
var serverMethods = []method{
	{"set", []Param{{"settings", "table"}}, "Settings by name. At the top level of the script only.", (*Instance).doSet},
	{"on", []Param{{"event", "string"}, {"callback", "any"}}, "A callback by the name of its event. At the top level only.", (*Instance).doOn},
	{"listen", []Param{{"host", "string"}, {"port", "number?"}, {"type", "any"}}, "One more port, with settings and callbacks of its own if it sets any. At the top level only.", (*Instance).doListen},
	{"start", nil, "Start the server when the script has loaded. Optional: reaching the end of the script does too.", (*Instance).doStart},
	{"sendto", []Param{{"ip", "string"}, {"port", "number?"}, {"data", "string"}, {"server_socket", "number?"}}, "Send one packet to an address: an IP, or the path of a unix socket. In onPacket it leaves through the port that the packet came in by, elsewhere through the first that reaches the address; server_socket names another.", (*Instance).doSendto},
	{"exists", []Param{{"fd", "number"}}, "Whether the session is open: false as soon as it is closing.", (*Instance).doExists},
	{"bind", []Param{{"fd", "number"}, {"uid", "number"}}, "Gives a session a number of its user, once; with dispatch_mode = 5 all sessions of a user share a worker.", (*Instance).doBind},
	{"getClientInfo", []Param{{"fd", "number"}}, "What is known of a session, as a table.", (*Instance).doClientInfo},
	{"getClientList", []Param{{"start_fd", "number?"}, {"count", "number?"}}, "Up to count (10, at most 100) session ids above start_fd, in order; false at the end.", (*Instance).doClientList},
	{"recv", []Param{{"fd", "number"}, {"timeout", "number?"}}, "Wait for the session's next message inside a callback, timeout in seconds.", (*Instance).doRecv},
	{"sendwait", []Param{{"fd", "number"}, {"data", "string"}}, "Send, and wait until the kernel has taken everything.", (*Instance).doSendwait},
	{"sendfile", []Param{{"fd", "number"}, {"path", "string"}, {"offset", "number?"}, {"length", "number?"}}, "Send length bytes of a file from offset (0); without length, up to its end.", (*Instance).doSendfile},
	{"broadcast", []Param{{"data", "string"}, {"filter", "any"}}, "Send to every session that the filter lets pass: a function of fd, a port, or a list of fds. Returns how many it was sent to, and a table of how many refused it by reason.", (*Instance).doBroadcast},
	{"pause", []Param{{"fd", "number"}}, "Read no more of the session. What has been read already is still delivered.", (*Instance).doPause},
	{"resume", []Param{{"fd", "number"}}, "Read the session again.", (*Instance).doResume},
	{"confirm", []Param{{"fd", "number"}}, "With enable_delay_receive: begin to read the session.", (*Instance).doResume},
	{"protect", []Param{{"fd", "number"}, {"on", "boolean?"}}, "Exempt the session from heartbeat_idle_time and max_idle_time, or end that.", (*Instance).doProtect},
	{"heartbeat", []Param{{"close", "boolean?"}}, "The sessions that are over heartbeat_idle_time, by fd; with close, close them.", (*Instance).doHeartbeat},
	{"session", []Param{{"fd", "number"}}, "A table of plain data that lives with the session and survives reloads.", (*Instance).doSession},
	{"task", []Param{{"data", "any"}, {"dst", "any"}, {"callback", "any"}, {"options", "any"}}, "Give data to a task worker; returns the task's id. Options: wait, priority, delay, deadline, retry; they may stand in the place of dst.", (*Instance).doTask},
	{"task_after", []Param{{"ms", "number"}, {"data", "any"}, {"dst", "any"}, {"callback", "any"}, {"options", "any"}}, "Give data to a task worker after ms milliseconds; returns the task's id.", (*Instance).doTaskAfter},
	{"taskwait", []Param{{"data", "any"}, {"timeout", "number?"}, {"dst", "any"}, {"options", "any"}}, "Give data to a task worker and wait for the result, timeout (0.5) in seconds.", (*Instance).doTaskwait},
	{"taskWaitMulti", []Param{{"list", "table"}, {"timeout", "number?"}, {"options", "any"}}, "Give each value of list to a task worker and wait for the results, by the keys of list; where there is none, a second table has the reason.", (*Instance).doTaskWaitMulti},
	{"taskCo", []Param{{"list", "table"}, {"timeout", "number?"}, {"options", "any"}}, "The same, with false where there is no result.", (*Instance).doTaskCo},
	{"deadTasks", []Param{{"action", "string?"}, {"id", "number?"}}, "The tasks that failed for good, as a list; or requeue or drop them, all or one.", (*Instance).doDeadTasks},
	{"finish", []Param{{"data", "any"}}, "In onTask: send a result to onFinish before the callback returns.", (*Instance).doFinish},
	{"addProcess", []Param{{"fn", "function"}}, "Run fn(server, worker_id) in a VM and on a loop of its own, again whenever it ends. At the top level only; returns its number, from 0.", (*Instance).doAddProcess},
	{"addCommand", []Param{{"name", "string"}, {"types", "number"}, {"fn", "function"}}, "Declare a command: fn(server, data) may be run by server:command where types says, a sum of swoole.SERVER_COMMAND_ constants. At the top level only.", (*Instance).doAddCommand},
	{"command", []Param{{"name", "string"}, {"process_id", "number"}, {"process_type", "number"}, {"data", "any"}, {"timeout", "any"}}, "Run a command in the VM of a worker, of a task worker (counted from 0), of the master or manager (the control VM), and wait for what it returns, timeout (none) in seconds.", (*Instance).doCommand},
	{"sendMessage", []Param{{"message", "any"}, {"dst_worker_id", "number"}}, "Send plain data to the onPipeMessage of a worker or task worker.", (*Instance).doSendMessage},
	{"tick", []Param{{"ms", "any"}, {"callback", "any"}, {"...", "any"}}, "Call callback(id, ...) every ms milliseconds.", (*Instance).doTick},
	{"after", []Param{{"ms", "any"}, {"callback", "any"}, {"...", "any"}}, "Call callback(...) once, after ms milliseconds.", (*Instance).doAfter},
	{"addtimer", []Param{{"ms", "number"}}, "Call onTimer(server, ms) every ms milliseconds; one timer for each ms.", (*Instance).doAddTimer},
	{"deltimer", []Param{{"ms", "number"}}, "Stop what addtimer has started; false if there was none.", (*Instance).doDelTimer},
	{"defer", []Param{{"callback", "function"}, {"...", "any"}}, "Call callback(...) at the end of this turn of the loop.", (*Instance).doDefer},
	{"clearTimer", []Param{{"id", "number"}}, "Stop a timer of this worker.", (*Instance).doClearTimer},
	{"stats", nil, "Counters of the server, as a table.", (*Instance).doStats},
	{"stop", []Param{{"worker_id", "number?"}}, "Replace the VM of a worker, without an id the own, by a fresh one; sessions stay.", (*Instance).doStop},
	{"getWorkerStatus", []Param{{"worker_id", "number?"}}, "How a worker is: 1 busy, 2 idle, 3 exiting.", (*Instance).doWorkerStatus},
	{"getCallback", []Param{{"event", "string"}}, "The callback that the script gave for an event; nil: none.", (*Instance).doGetCallback},
	{"getSocket", []Param{{"port", "number?"}}, "Not for scripts: false, and why.", (*Instance).doGetSocket},
	{"reload", []Param{{"only_task", "boolean?"}}, "Load the script again; with only_task, on the task workers alone.", (*Instance).doReload},
	{"watch", []Param{{"path", "string"}}, "Load the script again when this file changes, too. A relative path starts at the script.", (*Instance).doWatch},
	{"shutdown", nil, "Stop the server gracefully.", (*Instance).doShutdown},
	{"getLastError", nil, "The number of the last failure of a server method on this worker.", (*Instance).doLastError},
	{"getWorkerId", nil, "The id of this worker; false in the control VM.", (*Instance).doWorkerID},
	{"getWorkerPid", nil, "The process id.", (*Instance).doPid},
	{"getMasterPid", nil, "The process id.", (*Instance).doPid},
	{"getManagerPid", nil, "The process id.", (*Instance).doPid},
}

func (in *Instance) doSet(L *lua.LState) int {
	in.mustDeclare(L, "server:set")
	t := L.CheckTable(2)
	in.decl.values = append(in.decl.values, in.decl.rows(t, "server:set", place(L))...)
	if t.RawGetString("strict") == lua.LTrue {
		in.makeStrict() // from here on, also for what the top level calls
	}
	L.Push(lua.LTrue)
	return 1
}

func (in *Instance) doOn(L *lua.LState) int {
	in.mustDeclare(L, "server:on")
	in.decl.onEvent(L.CheckString(2), L.Get(3), place(L))
	L.Push(lua.LTrue)
	return 1
}

func (in *Instance) doStart(L *lua.LState) int {
	if in.stage != declaring {
		vm.Raise(L, "server:start: the server is running")
	}
	if in.decl.started != "" {
		vm.Raise(L, "server:start was called before, at %s", in.decl.started)
	}
	in.decl.started = place(L)
	L.Push(lua.LTrue)
	return 1
}

// NewServer is swoole.Server(host, port, mode, type): the one server of the
// script, with these settings.
func (in *Instance) NewServer(L *lua.LState) int {
	d := in.decl
	if in.stage != declaring && in.lone != nil {
		in.lone.refuse(L, "swoole.Server")
	}
	if in.stage != declaring {
		vm.Raise(L, "swoole.Server: the server is running; a script has one server")
	}
	if d.created != "" {
		vm.Raise(L, "swoole.Server: a script has one server, and it was made at %s", d.created)
	}
	d.created = place(L)
	for i, name := range []string{"host", "port", "mode", "sock_type"} {
		if v := L.Get(i + 1); v != lua.LNil {
			d.values = append(d.values, given{name, v, d.created})
		}
	}
	L.Push(in.server.value)
	return 1
}

func (in *Instance) doExists(L *lua.LState) int {
	in.mustRun(L, "server:exists")
	s, err := in.server.session(L, 2)
	L.Push(lua.LBool(err == nil && s.Alive()))
	return 1
}

func (in *Instance) doClientInfo(L *lua.LState) int {
	in.mustRun(L, "server:getClientInfo")
	s, err := in.server.session(L, 2)
	if err != nil {
		return in.server.fail(L, err)
	}
	i := s.Info()
	t := L.CreateTable(0, 16)
	num := func(name string, v float64) { t.RawSetString(name, lua.LNumber(v)) }
	t.RawSetString("remote_ip", lua.LString(i.RemoteIP))
	num("remote_port", float64(i.RemotePort))
	num("server_port", float64(i.ServerPort))
	num("socket_fd", float64(i.FD))
	num("server_fd", float64(i.ServerFD))
	num("socket_type", float64(i.Kind))
	num("reactor_id", float64(i.ReactorID))
	num("worker_id", float64(i.WorkerID))
	num("connect_time", math.Floor(float64(i.Connected)/1e9))
	num("last_time", math.Floor(float64(i.LastRecv)/1e9))
	num("last_recv_time", float64(i.LastRecv)/1e9)
	if i.LastSent != 0 {
		num("last_send_time", float64(i.LastSent)/1e9)
	}
	if i.LastFrame != 0 {
		num("last_dispatch_time", float64(i.LastFrame)/1e9)
	}
	num("close_errno", float64(i.Errno))
	num("send_queued_bytes", float64(i.SendQueued))
	num("recv_queued_bytes", float64(i.RecvQueued))
	if i.UID != 0 {
		num("uid", float64(i.UID))
	}
	if i.Reason != engine.NoReason {
		t.RawSetString("close_reason", lua.LString(i.Reason.String()))
	}
	L.Push(t)
	return 1
}

func (in *Instance) doClientList(L *lua.LState) int {
	in.mustRun(L, "server:getClientList")
	start, count := L.OptNumber(2, 0), L.OptInt(3, 10)
	if start < 0 || count < 1 || count > 100 {
		vm.Raise(L, "server:getClientList: start_fd must be 0 or more, and count in 1..100 (got %v, %d)", start, count)
	}
	list := in.host.engine.Sessions(engine.SessionID(start), count)
	if len(list) == 0 {
		L.Push(lua.LFalse)
		return 1
	}
	t := L.CreateTable(len(list), 0)
	for i, s := range list {
		t.RawSetInt(i+1, lua.LNumber(s.ID()))
	}
	L.Push(t)
	return 1
}

// seconds turns an optional time-out argument into a duration; 0 means none.
func seconds(L *lua.LState, n int, what string) time.Duration {
	v := L.Get(n)
	if v == lua.LNil {
		return 0
	}
	f, ok := number(v)
	if !ok {
		argFault(L, n, "timeout", "number", v)
	}
	if f < 0 {
		return 0 // Swoole's -1: without limit
	}
	if f == 0 {
		return 1 // now or never
	}
	if f > 1e9 {
		vm.Raise(L, "%s: %v seconds are more than thirty years", what, f)
	}
	return time.Duration(f * float64(time.Second))
}

func (in *Instance) doRecv(L *lua.LState) int {
	f := in.mustWait(L, "server:recv")
	s, err := in.server.session(L, 2)
	if err != nil {
		return in.server.fail(L, err)
	}
	timeout := seconds(L, 3, "server:recv")
	p := in.park(L)
	data, err := f.Recv(s, timeout)
	p.back()
	if err != nil {
		raiseCancel(L, f, err)
		return in.server.fail(L, err)
	}
	L.Push(lua.LString(data))
	return 1
}

func (in *Instance) doSession(L *lua.LState) int {
	in.mustRun(L, "server:session")
	s, err := in.server.session(L, 2)
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(engine.ErrClosed.Name))
		L.Push(lua.LString(err.Error()))
		return 3
	}
	st := in.host.store(s)
	L.Push(in.wrap(st, st.root))
	return 1
}

func (in *Instance) doReload(L *lua.LState) int {
	in.mustRun(L, "server:reload")
	in.host.Reload("server:reload", L.ToBool(2))
	L.Push(lua.LTrue)
	return 1
}

func (in *Instance) doShutdown(L *lua.LState) int {
	in.mustRun(L, "server:shutdown")
	in.host.RequestStop(0)
	L.Push(lua.LTrue)
	return 1
}

func (in *Instance) doLastError(L *lua.LState) int {
	L.Push(lua.LNumber(in.server.lastError))
	return 1
}

func (in *Instance) doWorkerID(L *lua.LState) int {
	if in.number < 0 {
		L.Push(lua.LFalse)
	} else {
		L.Push(in.id)
	}
	return 1
}

func (in *Instance) doPid(L *lua.LState) int {
	L.Push(lua.LNumber(os.Getpid()))
	return 1
}
