package engine

// Reason says why a session ended, or why a client was refused. The same word
// goes to onClose, the log and the counters.
type Reason uint8

// The reasons. Those up to PortRemoved reach onClose; the last four are
// refusals before onConnect and reach only the log and the counters.
const (
	NoReason         Reason = iota
	ClientClosed            // the peer closed its side
	ServerClosed            // the script called close
	Reset                   // the peer reset the connection
	FrameTooLarge           // a frame over the port's limit
	FrameMalformed          // bytes that are no frame
	KeepaliveLost           // the peer no longer answered the kernel's keepalive probes
	ErrorInCallback         // a callback threw, error_policy = "close"
	InternalError           // a fault of Swoon's own on this session
	ShutdownReason          // the server is stopping
	ReadError               // the kernel refused a read
	WriteError              // the kernel refused a write
	TimeoutSilent           // its client has said nothing for first_data_timeout
	TimeoutHeartbeat        // nothing came for heartbeat_idle_time
	TimeoutIdle             // nothing came and nothing left for max_idle_time
	SlowReader              // the peer took none of its output for max_idle_time
	SendfileFailed          // a file could not be sent to its end
	PortRemoved             // its port was removed, and port_drain_time is over
	MaxConnection           // refused: max_connection sessions are open
	MaxPerAddress           // refused: max_connection_per_ip sessions of that address are open
	OutOfDescriptors        // refused or delayed: no file descriptor left
	ShuttingDown            // refused: the server is stopping
	numReasons
)

var reasonNames = [numReasons]string{
	NoReason: "", ClientClosed: "client_closed", ServerClosed: "server_closed", Reset: "reset",
	FrameTooLarge: "frame_too_large", FrameMalformed: "frame_malformed",
	ErrorInCallback: "error_in_callback", InternalError: "internal_error", KeepaliveLost: "keepalive_lost",
	ShutdownReason: "shutdown",
	ReadError:      "read_error", WriteError: "write_error",
	TimeoutSilent: "timeout_silent", TimeoutHeartbeat: "timeout_heartbeat", TimeoutIdle: "timeout_idle", SlowReader: "slow_reader", SendfileFailed: "sendfile_failed",
	PortRemoved:   "port_removed",
	MaxConnection: "max_connection", MaxPerAddress: "max_connection_per_ip", OutOfDescriptors: "out_of_descriptors", ShuttingDown: "shutting_down",
}

// Reasons are all reasons.
func Reasons() []Reason {
	list := make([]Reason, 0, numReasons-1)
	for r := NoReason + 1; r < numReasons; r++ {
		list = append(list, r)
	}
	return list
}

// String is the name scripts, logs and counters show.
func (r Reason) String() string { return reasonNames[r] }
