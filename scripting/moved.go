package scripting

import "swoon/engine"

// Moved forgets what was kept of a session as Lua values: a session that goes
// to another worker may get another reactor id.
func (h *Host) Moved(s *engine.Session) { s.Local = nil }
