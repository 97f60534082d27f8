package scripting

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// difference is one difference between two declarations: what a reload is to do,
// or to refuse.
type difference struct {
	name  string // of the setting, or "listener"
	port  string // whose it is: the address; empty: the server's or the primary port's
	from  string // empty: it was not there
	to    string // empty: it is not there any more
	fixed string // why it cannot be done while the server runs; empty: it can
}

func (c difference) String() string {
	name := c.name
	if c.port != "" {
		name = c.port + " " + name
	}
	switch {
	case c.from == "":
		return "+ " + name + " " + c.to
	case c.to == "":
		return "- " + name + " " + c.from
	}
	return fmt.Sprintf("%s: %s -> %s", name, c.from, c.to)
}

// changesTo lists what is different in b, by name.
func (a *Settings) changesTo(b *Settings) []difference {
	var list []difference
	for i := range settingTable {
		row := &settingTable[i]
		if row.isAddress() {
			continue // the primary listener's address, below
		}
		list = row.compare(list, "", a.Given[row.name], b.Given[row.name])
	}
	if a.Processes != b.Processes {
		list = append(list, difference{name: "processes", from: strconv.Itoa(a.Processes), to: strconv.Itoa(b.Processes)})
	}
	was := map[string]*PortSettings{}
	for _, p := range a.Ports {
		was[p.address()] = p
	}
	for i, p := range b.Ports {
		old := was[p.address()]
		if old == nil {
			list = append(list, difference{name: "listener", to: p.address()})
			continue
		}
		delete(was, p.address())
		if i > 0 && old != a.Ports[0] {
			for j := range settingTable {
				if row := &settingTable[j]; row.port != nil {
					list = row.compare(list, p.address(), old.Given[row.name], p.Given[row.name])
				}
			}
		}
	}
	for address := range was {
		list = append(list, difference{name: "listener", from: address})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].String() < list[j].String() })
	return list
}

// compare appends a change if the two values mean something different; nil is
// the default.
func (row *setting) compare(list []difference, port string, a, b lua.LValue) []difference {
	if row.same(a, b) {
		return list
	}
	return append(list, difference{row.name, port, show(a), show(b), row.fixed})
}

// same says whether two values set the same: "2M" is 2097152.
func (row *setting) same(a, b lua.LValue) bool {
	if a == nil && b == nil {
		return true
	}
	x, y := defaultSettings(), defaultSettings()
	for _, v := range []struct {
		s *Settings
		v lua.LValue
	}{{x, a}, {y, b}} {
		if v.v == nil {
			continue
		}
		var err error
		if row.port != nil {
			err = row.port(&v.s.PortSettings, v.v)
		} else {
			err = row.server(v.s, v.v)
		}
		if err != nil {
			return false
		}
	}
	return reflect.DeepEqual(x, y)
}

// refused are the changes that cannot be done while the server runs, each with
// its reason; empty: all can.
func refused(list []difference) string {
	var lines []string
	for _, c := range list {
		if c.fixed != "" {
			lines = append(lines, fmt.Sprintf("%s (%s)", c, c.fixed))
		}
	}
	return strings.Join(lines, "; ")
}

// changeTexts is the list as text, one entry for each.
func changeTexts(list []difference) []string {
	text := make([]string, len(list))
	for i, c := range list {
		text[i] = c.String()
	}
	return text
}
