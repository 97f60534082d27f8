package scripting

import (
	"errors"
	"math"

	"swoon/engine"
	"swoon/engine/frame"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// package_length_func: the one part of a framing that is the script's. The
// reactor of a session asks it in the middle of a read, in the VM that it has:
// in base mode the worker's own, in process mode one made for this alone, see
// reactorvm.go.

const lengthFunc = "package_length_func"

// lengthFramer is the framer of one session of a port with package_length_func.
type lengthFramer struct{ frame.Framer }

// portOptions are the settings of a port as the engine wants them.
func (h *Host) portOptions(p *PortSettings) engine.PortOptions {
	o := p.engineOptions()
	if limit := p.maxLength(); p.LengthFunc {
		o.FramerOf = func(s *engine.Session) frame.Framer {
			return lengthFramer{frame.Func(func(b []byte) (int, error) { return h.packageLength(s, b) }, limit)}
		}
	}
	return o
}

var errInFraming = errors.New("internal error, see above")

// packageLength asks the script how long the message is that begins with b. The
// reactor's.
func (h *Host) packageLength(s *engine.Session, b []byte) (total int, err error) {
	err = errInFraming
	stay := s.Reactor().Inline(s)
	defer stay.End()
	in, fn, err := h.lengthFuncOf(s)
	if err == nil {
		total, err = in.measure(fn, b)
	}
	var script *vm.Error
	if errors.As(err, &script) {
		// onError belongs where the session's other callbacks are, and may wait.
		s.Worker().Spawn(engine.RootSession, func(f *engine.Fiber) {
			if in := current(f); in != nil {
				in.failed(f, lengthFunc, s.ID(), script)
			}
		})
	}
	return total, err
}

// measure calls the function. Baton holder; nothing may wait.
func (in *Instance) measure(fn *lua.LFunction, b []byte) (total int, err error) {
	c := in.begin(in.loop.Current(), evError, lengthFunc, fn)
	in.asked = lengthFunc
	c.th.Push(lua.LString(b))
	if verr := c.th.Run(1); verr != nil {
		err = verr
	} else if n, ok := c.th.Get(1).(lua.LNumber); ok && float64(n) == math.Trunc(float64(n)) {
		total = int(max(math.MinInt32, min(float64(n), math.MaxInt32+1)))
	} else {
		err = &vm.Error{Message: placeOf(fn) + ": package_length_func must return a whole number, not " + show(c.th.Get(1))}
	}
	in.asked = ""
	c.end()
	return total, err
}

// lengthFunc is the package_length_func of a port, nil where this code has none.
func (in *Instance) lengthFunc(p *engine.Port) *lua.LFunction {
	for i, q := range in.gen.ports {
		if q == p && i < len(in.lengths) {
			return in.lengths[i]
		}
	}
	return nil
}

// collectLengths notes the package_length_func of each port, the primary one
// first.
func (in *Instance) collectLengths() {
	own := func(values []given) *lua.LFunction {
		fn, _ := lastGiven(values, lengthFunc).(*lua.LFunction)
		return fn
	}
	in.lengths = []*lua.LFunction{own(in.decl.values)}
	for _, d := range in.decl.ports {
		fn := in.lengths[0]
		if d.hasSet {
			fn = own(d.values)
		}
		in.lengths = append(in.lengths, fn)
	}
}
