package vm

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"swoon/scripting/vm/internal/inside"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// Limits on source text. Beyond them gopher-lua's compiler can exhaust memory
// or the Go stack, which no recover catches.
const (
	maxFile    = 4 << 20   // a script file
	maxText    = 256 << 10 // text given to load and loadstring
	maxNesting = 200       // blocks, brackets and signs inside each other
	maxDepth   = 5000      // operators in a row, which nest in the syntax tree
)

// Chunk is compiled code. It is never changed, and shared by all VMs.
type Chunk struct {
	Name  string // as it appears in messages
	Path  string // the file, empty for text
	Proto *lua.FunctionProto
}

// Function makes the chunk's main function for v.
func (c *Chunk) Function(v *VM) *lua.LFunction { return v.L.NewFunctionFromProto(c.Proto) }

// displayName makes a chunk name readable as luaO_chunkid does: "=name" and
// "@name" stand for themselves, anything else is program text.
func displayName(name string) string {
	if name == "" {
		return `[string ""]`
	}
	if name[0] == '=' || name[0] == '@' {
		return name[1:]
	}
	const room = 60 - len(`[string "..."]`) - 3
	text, cut := name, false
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		text, cut = text[:i], true
	}
	if len(text) > room {
		text, cut = text[:room], true
	}
	if cut {
		text += "..."
	}
	return `[string "` + text + `"]`
}

// Compile turns source text into a chunk. The name follows Lua's convention:
// "@file", "=name", or the text itself; an empty name means the path.
func Compile(path, name string, src []byte) (*Chunk, *Error) {
	if name == "" {
		name = "@" + filepath.Base(path)
	}
	name = displayName(name)
	if path != "" && len(src) > 0 && src[0] == '#' {
		// A file's first line may be for the shell. Its newline stays, for the line numbers.
		if i := bytes.IndexByte(src, '\n'); i >= 0 {
			src = src[i:]
		} else {
			src = nil
		}
	}
	if len(src) > maxFile {
		return nil, syntaxError(name, src, 0, 0, fmt.Sprintf("source too large (%d bytes, limit %d)", len(src), maxFile))
	}
	methods, fail := checkTokens(name, src)
	if fail != nil {
		return nil, fail
	}
	stmts, err := parse.Parse(bytes.NewReader(src), name)
	if err != nil {
		return nil, parseError(name, src, err)
	}
	lists, line, deep := tooDeep(stmts)
	if deep {
		return nil, syntaxError(name, src, line, 0, fmt.Sprintf("expression too complex (more than %d operators in a row)", maxDepth))
	}
	rewrite(lists)
	s := &scoper{methods: methods, fail: func(line int, msg string) *Error { return syntaxError(name, src, line, 0, msg) }}
	s.number(stmts)
	if s.bad != nil {
		return nil, s.bad
	}
	proto, cerr := compileAST(name, src, stmts)
	if cerr != nil {
		// Its lines are ours; have the error told again in the real ones.
		if stmts, err := parse.Parse(bytes.NewReader(src), name); err == nil {
			_, cerr = compileAST(name, src, stmts)
		}
		return nil, cerr
	}
	s.settle(proto)
	if err := checkProto(name, src, proto); err != nil {
		return nil, err
	}
	return &Chunk{Name: name, Path: path, Proto: proto}, nil
}

func compileAST(name string, src []byte, stmts []ast.Stmt) (proto *lua.FunctionProto, fail *Error) {
	defer func() {
		if r := recover(); r != nil {
			// gopher-lua's compiler gives up with a Go panic on some input.
			fail = syntaxError(name, src, 0, 0, fmt.Sprintf("cannot compile: %v", r))
		}
	}()
	proto, err := lua.Compile(stmts, name)
	if err != nil {
		var ce *lua.CompileError
		if errors.As(err, &ce) {
			return nil, syntaxError(name, src, ce.Line, 0, ce.Message)
		}
		return nil, syntaxError(name, src, 0, 0, err.Error())
	}
	return proto, nil
}

// checkProto refuses functions that gopher-lua's instruction format cannot
// hold (it would wrap around silently), and cuts the slices to size: they are
// made with room for more, most of a bundle's memory.
func checkProto(name string, src []byte, p *lua.FunctionProto) *Error {
	const maxConst, maxJump = 1<<18 - 1, 1<<17 - 1
	if len(p.Constants) > maxConst {
		return syntaxError(name, src, p.LineDefined, 0, fmt.Sprintf("function has too many constants (%d, limit %d)", len(p.Constants), maxConst))
	}
	if len(p.FunctionPrototypes) > maxConst {
		return syntaxError(name, src, p.LineDefined, 0, "function has too many inner functions")
	}
	if len(p.Code) > maxJump {
		for _, inst := range p.Code {
			switch int(inst >> 26) {
			case inside.OpJmp, inside.OpForLoop, inside.OpForPrep:
				return syntaxError(name, src, p.LineDefined, 0, fmt.Sprintf("function too large (%d instructions, limit %d)", len(p.Code), maxJump))
			}
		}
	}
	p.Code = slices.Clip(slices.Clone(p.Code))
	p.Constants = slices.Clip(slices.Clone(p.Constants))
	p.FunctionPrototypes = slices.Clip(slices.Clone(p.FunctionPrototypes))
	p.DbgSourcePositions = slices.Clip(slices.Clone(p.DbgSourcePositions))
	p.DbgLocals = slices.Clip(slices.Clone(p.DbgLocals))
	p.DbgCalls = slices.Clip(slices.Clone(p.DbgCalls))
	p.DbgUpvalues = slices.Clip(slices.Clone(p.DbgUpvalues))
	for _, q := range p.FunctionPrototypes {
		if err := checkProto(name, src, q); err != nil {
			return err
		}
	}
	return nil
}

// parseError translates an error of gopher-lua's parser.
func parseError(name string, src []byte, err error) *Error {
	var pe *parse.Error
	if !errors.As(err, &pe) {
		return syntaxError(name, src, 0, 0, err.Error())
	}
	msg := strings.ToLower(pe.Message)
	line, column := pe.Pos.Line, pe.Pos.Column
	if line < 0 {
		line, column = lastLine(src)
		return syntaxError(name, src, line, column, msg+" near '<eof>'")
	}
	if len(pe.Token) > 0 {
		tok := pe.Token
		// The parser stands behind the token it did not expect.
		if !strings.Contains(tok, "\n") {
			column = max(1, column-len(tok)+1)
		}
		if len(tok) > 40 {
			tok = tok[:40] + "..."
		}
		msg += " near '" + tok + "'"
	}
	return syntaxError(name, src, line, column, msg)
}

// lastLine is the place behind the last character.
func lastLine(src []byte) (line, column int) {
	text := strings.TrimRight(string(src), " \t\r\n")
	return strings.Count(text, "\n") + 1, len(text) - strings.LastIndexByte(text, '\n')
}

func syntaxError(name string, src []byte, line, column int, msg string) *Error {
	e := &Error{Kind: KindSyntax, File: name, Line: line, Column: column}
	if line > 0 {
		e.Message = fmt.Sprintf("%s:%d: %s", name, line, msg)
		e.Source = sourceLineOf(string(src), line)
	} else {
		e.Message = name + ": " + msg
	}
	e.Value = lua.LString(e.Message)
	return e
}
