package scripting

import (
	"fmt"
	"strings"
	"time"
)

// ReloadReport says how a reload went.
type ReloadReport struct {
	Generation uint64    `json:"generation"` // live afterwards
	OK         bool      `json:"ok"`
	TasksOnly  bool      `json:"tasks_only,omitempty"`
	Recovered  int       `json:"recovered,omitempty"` // failed reloads before this good one
	Why        string    `json:"why"`
	Phase      string    `json:"phase,omitempty"` // where it failed
	Error      string    `json:"error,omitempty"` // with file, line and the source line
	Files      []string  `json:"files,omitempty"` // that changed, relative to the script
	Changes    []string  `json:"changes,omitempty"`
	At         time.Time `json:"at"`
	// How long each phase took: all of it, the files and the control VM's top
	// level, onWorkerStart on all workers, the switch of all loops.
	Took  time.Duration `json:"took"`
	Build time.Duration `json:"build"`
	Warm  time.Duration `json:"warm"`
	Swap  time.Duration `json:"swap"`
	// Draining counts the callbacks that go on on the old code.
	Draining int `json:"draining"`
}

// String is the line for the console.
func (r ReloadReport) String() string {
	if !r.OK {
		return fmt.Sprintf("reload failed, generation %d goes on: %s: %s", r.Generation, r.Phase, r.Error)
	}
	var b strings.Builder
	what := "reloaded"
	if r.TasksOnly {
		what = "task workers reloaded"
	}
	fmt.Fprintf(&b, "%s: generation %d, %s", what, r.Generation, r.Why)
	if r.Recovered > 0 {
		fmt.Fprintf(&b, ", recovered after %s", count(r.Recovered, "failed reload"))
	}
	if len(r.Changes) > 0 {
		fmt.Fprintf(&b, ", %s", strings.Join(r.Changes, ", "))
	}
	fmt.Fprintf(&b, "; build %s, warm %s, swap %s", ms(r.Build), ms(r.Warm), ms(r.Swap))
	if r.Draining > 0 {
		fmt.Fprintf(&b, "; %s on old code", count(r.Draining, "callback"))
	}
	return b.String()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
