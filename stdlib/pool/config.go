package pool

import (
	"math"
	"strings"
	"time"

	"swoon/scripting"
	"swoon/scripting/vm"
	"swoon/stdlib/client"
	"swoon/stdlib/internal/option"

	lua "github.com/yuin/gopher-lua"
)

// config is what a pool is like.
type config struct {
	name   string
	key    string         // that the script has given; see handover.go
	create *lua.LFunction // nil: maker makes clients
	check  *lua.LFunction // nil: a client is looked at, anything else is taken to be good
	close  *lua.LFunction // nil: a client is closed, anything else is forgotten
	maker  *client.Maker

	min, max      int
	autostart     bool
	lifo          bool
	priorities    int
	acquire       time.Duration // 0: none
	maxWaiting    int           // negative: no limit
	checkBorrow   bool
	checkReturn   bool
	evictInterval time.Duration // 0: never
	evictBatch    int
	idleTime      time.Duration // 0: for ever
	softIdleTime  time.Duration // 0: for ever
	lifetime      time.Duration // 0: for ever
	leakTime      time.Duration // 0: nobody is told
}

const optionDoc = "create (a function that returns a new object, or false, a name and a text; it may wait), or in its place host, port and client (options of client:set) for clients; " +
	"check (a function: is this object good?; without it clients must be connected, with nothing unread), close (a function; without it clients are closed); " +
	"name (for the log and for people), key (see above), " +
	"min (0) and max (10) objects, autostart (true; false: the first are made at the first use), order (\"lifo\": what was given back last is lent first; or \"fifo\"), " +
	"priorities (1: how many there are; 0 is served first), acquire_timeout (10), max_waiting (-1: how many fibers may wait for what others have), " +
	"check_on_borrow (true), check_on_return (false), evict_interval (10: how often idle objects are looked at), evict_batch (3: how many each time), " +
	"idle_time (60: after which an idle object is closed), soft_idle_time (-1: the same while there are more than min), " +
	"max_lifetime (-1: after which an object is lent no more), leak_time (-1: after which the log names who has an object still)"

// readConfig reads the options; what is wrong with them raises.
func readConfig(in *scripting.Instance, L *lua.LState) config {
	const what = "pool.new"
	s := option.Read(L, 1, what)
	c := config{name: text(s, "name"), key: text(s, "key"), create: function(s, "create"), check: function(s, "check"), close: function(s, "close")}
	host, port, opts := text(s, "host"), s.Int("port", 0, 0, 65535), s.Value("client")
	c.min, c.max = s.Int("min", 0, 0, 1<<20), s.Int("max", 10, 1, 1<<20)
	c.autostart = s.Bool("autostart", true)
	c.lifo = s.Choice("order", "lifo", "fifo") == 0
	c.priorities = s.Int("priorities", 1, 1, 100)
	c.acquire = seconds(s, "acquire_timeout", 10)
	c.maxWaiting = s.Int("max_waiting", -1, -1, 1<<30)
	c.checkBorrow, c.checkReturn = s.Bool("check_on_borrow", true), s.Bool("check_on_return", false)
	c.evictInterval, c.evictBatch = seconds(s, "evict_interval", 10), s.Int("evict_batch", 3, 1, 1<<20)
	c.idleTime, c.softIdleTime = seconds(s, "idle_time", 60), seconds(s, "soft_idle_time", -1)
	c.lifetime, c.leakTime = seconds(s, "max_lifetime", -1), seconds(s, "leak_time", -1)
	s.Done()
	t, isTable := opts.(*lua.LTable)
	switch {
	case opts != lua.LNil && !isTable:
		s.Bad("client", "a table of options", opts)
	case c.create == nil && host == "":
		vm.Raise(L, "%s: option 'create' is missing (or 'host' and 'port', for clients)", what)
	case c.create != nil && (host != "" || port != 0 || isTable):
		vm.Raise(L, "%s: option 'create' makes the objects: 'host', 'port' and 'client' mean nothing beside it", what)
	case c.create == nil && c.key != "":
		vm.Raise(L, "%s: option 'key' goes with 'create': 'host', 'port' and 'client' are a key themselves", what)
	case c.min > c.max:
		vm.Raise(L, "%s: option 'min' is %d, more than 'max' %d", what, c.min, c.max)
	}
	if host != "" {
		var err error
		if c.maker, err = client.NewMaker(in, L, what, host, port, t); err != nil {
			vm.Raise(L, "%s: %v", what, err)
		}
	}
	switch {
	case c.name == "" && c.maker != nil:
		c.name = c.maker.String()
	case c.name == "":
		c.name = scripting.Place(L)
	}
	return c
}

func function(s *option.Set, name string) *lua.LFunction {
	v := s.Value(name)
	fn, ok := v.(*lua.LFunction)
	if !ok && v != lua.LNil {
		s.Bad(name, "a function", v)
	}
	return fn
}

func text(s *option.Set, name string) string {
	v := s.Value(name)
	if v == lua.LNil {
		return ""
	}
	t, ok := v.(lua.LString)
	if !ok || strings.TrimSpace(string(t)) == "" {
		s.Bad(name, "a string that is not empty", v)
	}
	return string(t)
}

// seconds reads a time; a negative one is 0.
func seconds(s *option.Set, name string, def float64) time.Duration {
	f := def
	if v := s.Value(name); v != lua.LNil {
		n, ok := v.(lua.LNumber)
		if f = float64(n); !ok || f == 0 || math.IsNaN(f) || f > 1e9 {
			s.Bad(name, "a number of seconds above 0, or a negative one for never", v)
		}
	}
	if f < 0 {
		return 0
	}
	return max(time.Duration(f*float64(time.Second)), 1)
}
