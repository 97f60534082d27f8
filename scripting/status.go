package scripting

import (
	"fmt"
	"strings"
	"time"
)

// Status is what a server is about to do or has done, for whoever supervises
// the process.
type Status uint8

// The statuses, in the order in which they come; Reloading and then Ready come
// again with each reload, also with one that fails.
const (
	Ready     Status = iota // clients are let in
	Reloading               // another version is being made ready; this one serves on
	Stopping                // no more clients are let in
)

// tell passes a status on, with a line for people.
func (h *Host) tell(s Status, text string) {
	if h.status != nil && (s == Stopping || !h.stopping.Load()) {
		h.status(s, text)
	}
}

// serving is the status of a server that serves.
func (h *Host) serving() string {
	var at []string
	for _, a := range h.Addrs() {
		at = append(at, a.String())
	}
	return fmt.Sprintf("generation %d serves %s", h.gen.Load().id, strings.Join(at, ", "))
}

// Answers says whether at least one worker comes to its next turn within d. Any
// goroutine, once the server has started.
func (h *Host) Answers(d time.Duration) bool { return h.engine.Answers(d) }
