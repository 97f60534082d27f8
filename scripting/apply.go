package scripting

// apply puts the settings of g in force where they are not those of old. It
// cannot fail: what could was refused, or bound, before anything moved. The
// reloader's.
func (h *Host) apply(old, g *Generation, diff []difference) {
	g.bindPorts(old.ports)
	if len(diff) == 0 {
		return
	}
	s := g.settings
	h.engine.SetLimits(s.limits())
	for i, p := range g.ports {
		if err := p.Set(s.Ports[i].engineOptions()); err != nil {
			h.log.Error("a port keeps its settings", "port", s.Ports[i].address(), "error", err)
		}
	}
	if h.applied != nil {
		h.applied(s)
	}
}
