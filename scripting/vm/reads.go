package vm

import lua "github.com/yuin/gopher-lua"

// Reads reports whether the chunk, or a function in it, reads a field of this
// name from anything, as in x.Name and x["Name"].
func (c *Chunk) Reads(name string) bool { return reads(c.Proto, lua.LString(name)) }

func reads(p *lua.FunctionProto, name lua.LValue) bool {
	// An operand that is a constant has its highest bit set; a constant that is
	// too far down the list for one is loaded into a register first.
	const constant = 1 << 8
	for _, inst := range p.Code {
		switch int(inst >> 26) {
		case lua.OP_GETTABLEKS:
			if c := int(inst >> 9 & 0x1ff); c&constant != 0 && p.Constants[c&^constant] == name {
				return true
			}
		case lua.OP_LOADK:
			if k := int(inst & 0x3ffff); k >= constant && p.Constants[k] == name {
				return true
			}
		}
	}
	for _, q := range p.FunctionPrototypes {
		if reads(q, name) {
			return true
		}
	}
	return false
}
