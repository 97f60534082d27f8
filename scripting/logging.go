package scripting

import (
	"context"
	"log/slog"
	"time"
)

// maxEarly is how many lines are kept for a log that is not open yet.
const maxEarly = 1000

// Log writes a line of the script or of a module to the host's log, with worker
// and generation. attrs are keys and values, as slog takes them. Baton holder.
func (in *Instance) Log(level slog.Level, msg string, attrs ...any) {
	h := in.host
	r := slog.NewRecord(time.Now(), level, msg, 0)
	r.Add(attrs...)
	if in.loop == nil { // the first run of the top level: where the log goes is not known yet
		if len(h.early) < maxEarly {
			r.AddAttrs(slog.Uint64("generation", in.gen.id))
			h.early = append(h.early, r)
		}
		return
	}
	r.AddAttrs(slog.Int("worker", in.loop.ID()), slog.Uint64("generation", in.gen.id))
	if log := h.log.Handler(); log.Enabled(context.Background(), level) {
		_ = log.Handle(context.Background(), r)
	}
}

// Logs reports whether lines of this level are written. Before the log is open
// all are kept.
func (in *Instance) Logs(level slog.Level) bool {
	return in.loop == nil || in.host.log.Enabled(context.Background(), level)
}

// flushEarly writes what was logged before the log was open.
func (h *Host) flushEarly() {
	for _, r := range h.early {
		if log := h.log.Handler(); log.Enabled(context.Background(), r.Level) {
			_ = log.Handle(context.Background(), r)
		}
	}
	if len(h.early) == maxEarly {
		h.log.Warn("the top level logged too much before the log was open: the rest is not shown", "shown", maxEarly)
	}
	h.early = nil
}
