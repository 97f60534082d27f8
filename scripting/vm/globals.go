package vm

import (
	"sort"

	lua "github.com/yuin/gopher-lua"
)

// GlobalUse is one place in the code that reads or writes a global variable.
type GlobalUse struct {
	File   string
	Line   int
	Name   string
	Write  bool
	Inside bool // in a function, not in the file's main chunk
}

// Globals lists every use of a global variable in the files loaded so far, in
// the order of files and lines.
func (l *Loader) Globals() []GlobalUse {
	l.mu.Lock()
	defer l.mu.Unlock()
	var uses []GlobalUse
	for _, path := range l.files {
		if c := l.chunks[path].chunk; c != nil {
			uses = globalsOf(c.Proto, false, uses)
		}
	}
	sort.SliceStable(uses, func(i, j int) bool {
		return uses[i].File == uses[j].File && uses[i].Line < uses[j].Line
	})
	return uses
}

func globalsOf(p *lua.FunctionProto, inside bool, uses []GlobalUse) []GlobalUse {
	for pc, inst := range p.Code {
		op := int(inst >> 26)
		if op != lua.OP_GETGLOBAL && op != lua.OP_SETGLOBAL {
			continue
		}
		name, ok := p.Constants[inst&0x3ffff].(lua.LString)
		if !ok {
			continue
		}
		uses = append(uses, GlobalUse{p.SourceName, p.DbgSourcePositions[pc], string(name), op == lua.OP_SETGLOBAL, inside})
	}
	for _, child := range p.FunctionPrototypes {
		uses = globalsOf(child, true, uses)
	}
	return uses
}
