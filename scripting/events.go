package scripting

import "strings"

// event is a callback of a script. This is the one table that maps Swoole's
// names to ours.
type event uint8

const (
	evStart event = iota
	evShutdown
	evWorkerStart
	evWorkerStop
	evWorkerError
	evConnect
	evReceive
	evClose
	evBufferFull
	evBufferEmpty
	evTask
	evFinish
	evPipeMessage
	evTimer
	evError
	evPacket
	evWorkerExit
	evBeforeReload
	evAfterReload
	evBeforeShutdown
	evManagerStart
	evManagerStop
	numEvents
)

var eventNames = [numEvents]string{
	"Start", "Shutdown", "WorkerStart", "WorkerStop", "WorkerError",
	"Connect", "Receive", "Close", "BufferFull", "BufferEmpty", "Task", "Finish", "PipeMessage", "Timer", "Error", "Packet",
	"WorkerExit", "BeforeReload", "AfterReload", "BeforeShutdown", "ManagerStart", "ManagerStop",
}

// laterEvents have a meaning that this version does not give them yet.
var laterEvents = []string{
	"Request", "Message", "Open", "HandShake", "Disconnect",
	"BeforeHandshakeResponse",
}

func (e event) String() string { return "on" + eventNames[e] }

// findEvent resolves a name, with or without "on", in any case. later says
// that the name is right but not in this version.
func findEvent(name string) (e event, later, ok bool) {
	bare := name
	if len(bare) > 2 && strings.EqualFold(bare[:2], "on") {
		bare = bare[2:]
	}
	for i, n := range eventNames {
		if strings.EqualFold(bare, n) {
			return event(i), false, true
		}
	}
	for _, n := range laterEvents {
		if strings.EqualFold(bare, n) {
			return 0, true, false
		}
	}
	return 0, false, false
}

func allEventNames() []string {
	return append(append([]string(nil), eventNames[:]...), laterEvents...)
}
