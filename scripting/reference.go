package scripting

import (
	"slices"
	"strings"
)

// Reference is what a script can use, as it is declared: what the editor stubs
// and the reference pages are written from.
type Reference struct {
	Modules   []Module
	Server    Reflected
	Types     []*Type // objects of the server
	Callbacks []Func
	Settings  []SettingDoc
}

// Reflected is an object with fields that each have a doc.
type Reflected struct {
	Doc     string
	Methods []Func
	Aliases map[string]string // old names and what they stand for
	Fields  []Field
}

// Field is one field of an object.
type Field struct{ Name, Type, Doc string }

// SettingDoc is one setting.
type SettingDoc struct{ Name, Default, Doc string }

// NewReference describes the server and these modules.
func NewReference(modules []Module) Reference {
	r := Reference{Modules: modules, Types: []*Type{portType, taskType}}
	r.Server = Reflected{
		Doc:     "The server, a global variable. A method that fails answers false, the name of a reason and a message; wrong arguments raise an error.",
		Aliases: methodAliases, Fields: serverFields,
	}
	r.Server.Methods = slices.Clone(handBound)
	for _, m := range serverMethods {
		r.Server.Methods = append(r.Server.Methods, Func{Name: m.name, Params: m.params, Doc: m.doc, Returns: methodReturns[m.name]})
	}
	slices.SortFunc(r.Server.Methods, func(a, b Func) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range callbackDocs {
		if _, _, ok := findEvent(c.Name); ok {
			r.Callbacks = append(r.Callbacks, c)
		}
	}
	for _, s := range settingTable {
		r.Settings = append(r.Settings, SettingDoc{s.name, s.def, s.doc})
	}
	return r
}

// handBound are the methods that server.go binds without a declaration.
var handBound = []Func{
	{Name: "send", Params: []Param{{"fd", "number"}, {"data", "string"}}, Returns: "boolean, string?, string?",
		Doc: "Send data to a session. It leaves at the end of the callback, or at its next wait. A callback that sends to its own session waits while the session's outbox is full."},
	{Name: "close", Params: []Param{{"fd", "number"}, {"reset", "boolean?"}}, Returns: "boolean, string?, string?",
		Doc: "Close a session when what was sent has left; with reset at once, and what was not sent is lost."},
}

// done is what most methods answer.
const done = "boolean, string?, string?"

// methodReturns are the results of the server's methods, for stubs.
var methodReturns = map[string]string{
	"set": "boolean", "on": "boolean", "start": "boolean", "listen": "port",
	"sendto": done, "sendwait": done, "sendfile": done, "pause": done, "resume": done, "confirm": done, "protect": done,
	"broadcast": "number|false, table|string, string?", "heartbeat": "table|false, string?, string?",
	"exists": "boolean", "getClientInfo": "table|false, string?, string?", "getClientList": "table|false, string?, string?",
	"recv": "string|false, string?, string?", "session": "table|nil, string?, string?",
	"task": "number|false, string?, string?", "finish": done,
	"tick": "number", "after": "number", "clearTimer": "boolean", "stats": "table",
	"reload": done, "watch": "boolean", "shutdown": "boolean", "getLastError": "number", "getWorkerId": "number|false",
	"getWorkerPid": "number", "getMasterPid": "number", "getManagerPid": "number",
	"taskwait": "any, string?, string?", "taskWaitMulti": "table, table?", "taskCo": "table, table?",
	"task_after": "number|false, string?, string?", "deadTasks": "table|number|false, string?, string?, number?",
	"sendMessage": done, "addProcess": "number", "addCommand": "boolean", "command": "any, string?, string?", "defer": "boolean", "stop": done, "bind": done, "getWorkerStatus": "number|false, string?, string?",
	"addtimer": done, "deltimer": done, "getCallback": "function?", "getSocket": "boolean, string, string",
}

var serverFields = []Field{
	{"host", "string", "The address that the server listens on."},
	{"port", "number", "The port that it listens on; the real one once it does, where the setting is 0."},
	{"type", "number", "The kind of its socket, one of the SOCK_ constants of the module swoole."},
	{"mode", "string", `"base" or "process".`},
	{"setting", "table", "The settings that were given, and how many workers and connections there may be."},
	{"ports", "port[]", "All ports, the server's own first."},
	{"connections", "table", "The ids of the open sessions."},
	{"master_pid", "number", "The process id."},
	{"manager_pid", "number", "The process id."},
	{"worker_pid", "number", "The process id."},
	{"worker_id", "number", "The number of this worker, from 0; task workers come behind the workers. -1 in the control VM."},
	{"taskworker", "boolean", "Whether this is a task worker."},
	{"generation", "number", "The number of this version of the script: 1, and one more with each reload."},
}

var (
	theServer = Param{"server", "server"}
	theFD     = Param{"fd", "number"}
	reactor   = Param{"reactor_id", "number"}
	workerID  = Param{"worker_id", "number"}
)

// callbackDocs are the callbacks in the order of a server's life. Those that
// this version does not call are left out of the reference.
var callbackDocs = []Func{
	{Name: "onStart", Params: []Param{theServer}, Doc: "The server is about to let clients in. Runs in the control VM, once."},
	{Name: "onManagerStart", Params: []Param{theServer}, Doc: "As onStart, where Swoole's manager starts its workers. Runs in the control VM."},
	{Name: "onManagerStop", Params: []Param{theServer}, Doc: "As onShutdown, where Swoole's manager ends. Runs in the control VM."},
	{Name: "onBeforeShutdown", Params: []Param{theServer}, Doc: "The server is asked to stop; the sessions are still there. Runs in the control VM."},
	{Name: "onShutdown", Params: []Param{theServer}, Doc: "The server has stopped. Runs in the control VM."},
	{Name: "onWorkerStart", Params: []Param{theServer, workerID}, Doc: "A worker or task worker has loaded the script: the place to set things up. Sessions come when all have returned."},
	{Name: "onWorkerStop", Params: []Param{theServer, workerID}, Doc: "A worker ends, or its version of the script does."},
	{Name: "onWorkerExit", Params: []Param{theServer, workerID}, Doc: "A worker is about to end: a newer version of the script takes over, the worker gets a fresh VM, or the server stops. Fibers of its own that still run are cancelled afterwards. Once for each end."},
	{Name: "onWorkerError", Params: []Param{theServer, workerID, {"pid", "number"}, {"exit_code", "number"}, {"signal", "number"}, {"err", "string"}}, Doc: "The VM of a worker was replaced after a fault. Runs in the control VM."},
	{Name: "onPipeMessage", Params: []Param{theServer, {"src_worker_id", "number"}, {"message", "any"}}, Doc: "Another worker has sent a message with server:sendMessage."},
	{Name: "onConnect", Params: []Param{theServer, theFD, reactor}, Doc: "A client has connected; fd is the id of its session."},
	{Name: "onReceive", Params: []Param{theServer, theFD, reactor, {"data", "string"}}, Doc: "A message has arrived: what the port's framing says is one, or whatever was there to read."},
	{Name: "onPacket", Params: []Param{theServer, {"data", "string"}, {"client", "table"}}, Doc: "A packet has arrived at a port for packets. client has address, port, server_port, server_socket and dispatch_time."},
	{Name: "onClose", Params: []Param{theServer, theFD, reactor, {"reason", "string"}}, Doc: "A session has ended, and why. reactor_id is -1 when the script closed it."},
	{Name: "onBufferFull", Params: []Param{theServer, theFD}, Doc: "What a session has not taken yet has passed the high watermark."},
	{Name: "onBufferEmpty", Params: []Param{theServer, theFD}, Doc: "What a session has not taken yet has fallen below the low watermark again."},
	{Name: "onTask", Params: []Param{theServer, {"task_id", "number"}, {"src_worker_id", "number"}, {"data", "any"}}, Returns: "any", Doc: "Runs in a task worker what server:task gave it. What it returns goes to onFinish."},
	{Name: "onFinish", Params: []Param{theServer, {"task_id", "number"}, {"result", "any"}}, Doc: "A task of this worker has been done."},
	{Name: "onBeforeReload", Params: []Param{theServer, {"generation", "number"}, {"changes", "table"}}, Doc: "A new version of the script is ready and about to take over; changes lists the settings that differ, and has why and files. Runs in the control VM."},
	{Name: "onAfterReload", Params: []Param{theServer, {"generation", "number"}, {"changes", "table"}}, Doc: "A new version of the script has taken over; changes as in onBeforeReload. Runs in the control VM."},
	{Name: "onTimer", Params: []Param{theServer, {"interval", "number"}}, Doc: "A timer of server:addtimer is due; interval are its milliseconds."},
	{Name: "onError", Params: []Param{theServer, {"event", "string"}, {"err", "table"}}, Doc: "A callback has failed. err has message, traceback, file, line, generation, worker_id and fd."},
}
