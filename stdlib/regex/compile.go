package regex

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"swoon/scripting"
	"swoon/scripting/vm"

	lua "github.com/yuin/gopher-lua"
)

// Limits of a pattern.
const (
	maxPattern = 32 << 10 // bytes
	maxProgram = 50_000   // instructions
)

// compiled is a pattern ready to be used. It never changes: all VMs share it.
type compiled struct {
	re      *regexp.Regexp
	pattern string
	flags   string
	names   []string // of the groups, from 1 on; empty for those without
	program int      // instructions: what one byte of text may cost
}

// known keeps what has been compiled, for every VM of the process.
var known = struct {
	sync.RWMutex
	patterns map[string]*compiled
}{patterns: map[string]*compiled{}}

// maxKnown is how many patterns are kept; then arbitrary ones go.
const maxKnown = 1000

// compile compiles a pattern, or finds it among those known.
func compile(pattern, flags string) (*compiled, error) {
	key := pattern
	if flags != "" {
		key = flags + "/" + pattern
	}
	known.RLock()
	c := known.patterns[key]
	known.RUnlock()
	if c != nil && c.pattern == pattern && c.flags == flags {
		return c, nil
	}
	c, err := newCompiled(pattern, flags)
	if err != nil {
		return nil, err
	}
	known.Lock()
	defer known.Unlock()
	for k := range known.patterns {
		if len(known.patterns) < maxKnown {
			break
		}
		delete(known.patterns, k)
	}
	known.patterns[strings.Clone(key)] = c
	return c, nil
}

func newCompiled(pattern, flags string) (*compiled, error) {
	for i := range len(flags) {
		if strings.IndexByte("imsU", flags[i]) < 0 {
			return nil, fmt.Errorf("there is no flag %q; the flags are i (any case), m (^ and $ at lines), s (. matches newlines) and U (as little as possible)", flags[i:i+1])
		}
	}
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, more than %d", len(pattern), maxPattern)
	}
	prefix := ""
	if flags != "" {
		prefix = "(?" + flags + ")"
	}
	tree, err := syntax.Parse(prefix+pattern, syntax.Perl)
	if err != nil {
		return nil, explain(err, pattern, prefix)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, explain(err, pattern, prefix)
	}
	if n := len(program.Inst); n > maxProgram {
		return nil, fmt.Errorf("the pattern is too large: it takes %d steps for each byte, more than %d", n, maxProgram)
	}
	re, err := regexp.Compile(prefix + pattern)
	if err != nil {
		return nil, explain(err, pattern, prefix)
	}
	return &compiled{re: re, pattern: strings.Clone(pattern), flags: strings.Clone(flags),
		names: re.SubexpNames()[1:], program: len(program.Inst)}, nil
}

// explain puts an error of regexp into words with its place.
func explain(err error, pattern, prefix string) error {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return err
	}
	part := strings.TrimPrefix(e.Expr, prefix)
	text := string(e.Code)
	if part != "" && part != pattern {
		text += " " + part
		if strings.Count(pattern, part) == 1 {
			text += fmt.Sprintf(" at byte %d", strings.Index(pattern, part)+1)
		}
	}
	switch {
	case strings.HasPrefix(part, "(?=") || strings.HasPrefix(part, "(?!") || strings.HasPrefix(part, "(?<=") || strings.HasPrefix(part, "(?<!"):
		text += " (there is no looking ahead or behind: it cannot be done in linear time)"
	case e.Code == syntax.ErrInvalidEscape && len(part) > 1 && part[1] >= '1' && part[1] <= '9':
		text += " (there are no back references: they cannot be done in linear time)"
	}
	return fmt.Errorf("%s in the pattern %q", text, shorten(pattern))
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}

// mustCompile compiles arguments n and n+1, a pattern and its flags, or raises.
func mustCompile(L *lua.LState, what string, n int, flags bool) *compiled {
	f := ""
	if flags && L.Get(n+1) != lua.LNil {
		f = L.ToString(n + 1)
	}
	c, err := compile(L.ToString(n), f)
	if err != nil {
		vm.Raise(L, "%s: %v", what, err)
	}
	return c
}

// What a match may cost: instructions of the pattern times bytes of the text.
const (
	atOnce = 1 << 22 // on the loop; a tenth of a second at worst
	atAll  = 1 << 33
)

// work runs f, which matches c against size bytes: at once, or, where that could
// hold up the other clients of the worker, on a goroutine while the fiber waits.
// f touches no Lua value.
func (c *compiled) work(in *scripting.Instance, L *lua.LState, size int, f func()) {
	cost := c.program * (size + 1)
	if cost <= atOnce {
		f()
		return
	}
	if cost > atAll {
		vm.Raise(L, "regex: %d bytes of text are too many for the pattern %q, which takes %d steps for each", size, shorten(c.pattern), c.program)
	}
	if err := in.Block(L, "regex", elsewhere(f)); err != nil {
		vm.Raise(L, "%s", err.Error())
	}
}
