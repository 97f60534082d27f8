package scripting

import (
	"context"
	"slices"

	"swoon/engine"
)

// What a reload does with settings that are not what they were. Whatever can
// fail is done, or bound, before anything moves.

// apply puts the settings of g in force. It cannot fail. The reloader's.
func (h *Host) apply(g *Generation, diff []difference) {
	h.notice(h.Settings(), g.settings)
	if len(diff) == 0 {
		return
	}
	h.engine.SetLimits(h.limits(g.settings))
	h.stats.set(g.settings.StatsSettings)
	if h.applied != nil {
		h.applied(g.settings)
	}
}

// notice logs what is new to say about settings.
func (h *Host) notice(old, s *Settings) {
	for _, text := range s.Notices {
		if old == nil || !slices.Contains(old.Notices, text) {
			h.log.Log(context.Background(), LevelNotice, text)
		}
	}
}

// portChange is what a reload does to the ports.
type portChange struct {
	all     []*engine.Port // of the new generation, in its order
	added   []*engine.Port // of these, bound and not yet open
	removed []*engine.Port
}

// preparePorts binds the ports that s has and old has not. The declared address
// tells a port from others.
func (h *Host) preparePorts(old *Generation, s *Settings) (c portChange, err error) {
	have := map[string]*engine.Port{}
	for i, p := range old.settings.Ports {
		have[p.address()] = old.ports[i]
	}
	c.all = make([]*engine.Port, len(s.Ports))
	for i, p := range s.Ports {
		c.all[i] = have[p.address()]
		delete(have, p.address())
	}
	for _, p := range old.ports {
		for _, left := range have {
			if left == p {
				c.removed = append(c.removed, p)
			}
		}
	}
	for i, p := range s.Ports {
		if c.all[i] != nil {
			continue
		}
		if c.all[i], err = h.engine.BindPort(h.portOptions(p), c.removed); err != nil {
			for _, p := range c.added {
				h.engine.UnbindPort(p)
			}
			return portChange{}, err
		}
		c.added = append(c.added, c.all[i])
	}
	return c, nil
}

// tunePorts gives the ports that stay their new options, all of them or none:
// but for the framing, which waits for the code that knows it.
func (h *Host) tunePorts(c *portChange, s *Settings) error {
	type undo struct {
		p *engine.Port
		o engine.PortOptions
	}
	var done []undo
	for i, p := range c.all {
		if slices.Contains(c.added, p) {
			continue
		}
		before := *p.Options()
		o := h.portOptions(s.Ports[i])
		o.Framer, o.FramerOf = before.Framer, before.FramerOf
		if err := p.Set(o); err != nil {
			for _, u := range done {
				u.p.Set(u.o)
			}
			return err
		}
		done = append(done, undo{p, before})
	}
	return nil
}

// framePorts gives all ports their new framing, for sessions that begin from now
// on. The new code is live.
func (h *Host) framePorts(g *Generation) {
	for i, p := range g.ports {
		o := h.portOptions(g.settings.Ports[i])
		p.SetFraming(o.Framer, o.FramerOf)
	}
}

// exchangePorts lets the clients of new ports in, and those of removed ones no
// more. The new code is live.
func (h *Host) exchangePorts(c *portChange, s *Settings) {
	for _, p := range c.added {
		h.engine.AddPort(p)
	}
	for _, p := range c.removed {
		h.engine.RemovePort(p, s.PortDrain)
	}
}
