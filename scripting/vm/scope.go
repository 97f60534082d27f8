package vm

import (
	"math"
	"strconv"

	"github.com/yuin/gopher-lua/ast"

	lua "github.com/yuin/gopher-lua"
)

// gopher-lua's compiler loses track of where a local variable's scope ends as
// soon as a function has two blocks, and gives every instruction the line its
// whole expression begins on. So the source positions are replaced before
// compiling by numbers that stand for a line and the local variables visible
// there; every instruction then says which of them it was made from, and
// settle writes the lines and the true scopes into the compiled code. It also
// rewrites numerals that the compiler would read in its own way.

// scope is the innermost visible local variable, by its place in DbgLocals,
// and the ones around it.
type scope struct {
	up    *scope
	local int
}

type position struct {
	line int
	sc   *scope
}

// method is a name behind a colon, as the scanner saw it.
type method struct {
	name string
	line int
}

type scoper struct {
	at      []position
	methods []method // in the order of the source
	sc      *scope
	count   int // locals of the function so far
	bad     *Error
	fail    func(line int, msg string) *Error
}

// number replaces the positions in a tree.
func (s *scoper) number(stmts []ast.Stmt) {
	s.at = append(s.at, position{})
	s.block(stmts)
}

// id stands for a line and the current scope. Ids are even: the compiler adds
// one to the last line of a chunk.
func (s *scoper) id(line int) int {
	s.at = append(s.at, position{line, s.sc})
	return 2 * (len(s.at) - 1)
}

func (s *scoper) mark(n ast.PositionHolder, line int) {
	n.SetLine(s.id(line))
	if last := n.LastLine(); last != 0 {
		// Of a function this is the line of its last return, where the variables
		// around it mean nothing.
		s.at = append(s.at, position{line: last})
		n.SetLastLine(2 * (len(s.at) - 1))
	}
}

func (s *scoper) declare(names ...string) {
	for range names {
		s.sc = &scope{s.sc, s.count}
		s.count++
	}
}

func (s *scoper) block(stmts []ast.Stmt) {
	keep := s.sc
	s.open(stmts)
	s.sc = keep
}

// open is a block whose variables stay visible: repeat's are seen by until.
func (s *scoper) open(stmts []ast.Stmt) {
	for _, st := range stmts {
		s.stmt(st)
	}
}

func (s *scoper) exprs(list []ast.Expr) (end int) {
	for _, e := range list {
		end = max(end, s.expr(e))
	}
	return end
}

func (s *scoper) stmt(st ast.Stmt) {
	line := st.Line()
	keep := s.sc
	switch n := st.(type) {
	case *ast.AssignStmt:
		for _, e := range n.Lhs {
			s.expr(e)
		}
		end := s.exprs(n.Rhs)
		for _, e := range n.Lhs {
			// The store comes last, after the values on the right.
			e.SetLine(s.id(max(end, s.at[e.Line()/2].line)))
		}
	case *ast.LocalAssignStmt:
		if _, ok := only(n.Exprs).(*ast.FunctionExpr); ok && len(n.Names) == 1 {
			s.mark(n, line)
			s.declare(n.Names...)
			s.exprs(n.Exprs)
			return
		}
		s.exprs(n.Exprs)
		s.mark(n, line)
		s.declare(n.Names...)
		return
	case *ast.FuncCallStmt:
		s.expr(n.Expr)
	case *ast.DoBlockStmt:
		s.block(n.Stmts)
	case *ast.WhileStmt:
		s.expr(n.Condition)
		s.block(n.Stmts)
	case *ast.RepeatStmt:
		s.open(n.Stmts)
		s.expr(n.Condition)
	case *ast.IfStmt:
		s.expr(n.Condition)
		s.block(n.Then)
		s.block(n.Else)
	case *ast.NumberForStmt:
		s.expr(n.Init)
		s.expr(n.Limit)
		if n.Step != nil {
			s.expr(n.Step)
		}
		s.declare("(for index)", "(for limit)", "(for step)", n.Name)
		s.open(n.Stmts)
	case *ast.GenericForStmt:
		s.exprs(n.Exprs)
		s.declare("(for generator)", "(for state)", "(for control)")
		s.declare(n.Names...)
		s.open(n.Stmts)
	case *ast.FuncDefStmt:
		if n.Name.Func != nil {
			s.expr(n.Name.Func)
		} else {
			s.expr(n.Name.Receiver)
			s.method(n.Name.Method, 0)
		}
		s.function(n.Func, n.Name.Func == nil)
	case *ast.ReturnStmt:
		s.exprs(n.Exprs)
	}
	s.sc = keep
	s.mark(st, line)
}

func only(list []ast.Expr) ast.Expr {
	if len(list) == 1 {
		return list[0]
	}
	return nil
}

// method is the line of the next name behind a colon, or line when the two
// views of the source do not agree.
func (s *scoper) method(name string, line int) int {
	if len(s.methods) > 0 && s.methods[0].name == name {
		line = s.methods[0].line
		s.methods = s.methods[1:]
	}
	return line
}

// expr returns the line on which the expression ends, as far as the tree tells.
// An instruction stands on the last line of its operands, as in PUC Lua.
func (s *scoper) expr(e ast.Expr) int {
	line := e.Line()
	switch n := e.(type) {
	case *ast.NumberExpr:
		s.numeral(n)
	case *ast.AttrGetExpr:
		line = max(line, s.expr(n.Object), s.expr(n.Key))
	case *ast.TableExpr:
		end := line
		for _, f := range n.Fields {
			if f.Key != nil {
				end = max(end, s.expr(f.Key))
			}
			end = max(end, s.expr(f.Value))
		}
		s.mark(n, line)
		return end
	case *ast.FuncCallExpr:
		if n.Func != nil {
			line = max(line, s.expr(n.Func))
		} else {
			line = s.method(n.Method, max(line, s.expr(n.Receiver)))
		}
		end := max(line, s.exprs(n.Args))
		s.mark(n, line)
		return end
	case *ast.LogicalOpExpr:
		line = max(line, s.expr(n.Lhs), s.expr(n.Rhs))
	case *ast.RelationalOpExpr:
		line = max(line, s.expr(n.Lhs), s.expr(n.Rhs))
	case *ast.StringConcatOpExpr:
		line = max(line, s.expr(n.Lhs), s.expr(n.Rhs))
	case *ast.ArithmeticOpExpr:
		line = max(line, s.expr(n.Lhs), s.expr(n.Rhs))
	case *ast.UnaryMinusOpExpr:
		line = max(line, s.expr(n.Expr))
	case *ast.UnaryNotOpExpr:
		line = max(line, s.expr(n.Expr))
	case *ast.UnaryLenOpExpr:
		line = max(line, s.expr(n.Expr))
	case *ast.FunctionExpr:
		return s.function(n, false)
	}
	s.mark(e, line)
	return line
}

func (s *scoper) function(n *ast.FunctionExpr, self bool) int {
	line, last := n.Line(), n.LastLine()
	sc, count := s.sc, s.count
	s.sc, s.count = nil, 0
	if self {
		s.declare("self")
	}
	s.declare(n.ParList.Names...)
	if n.ParList.HasVargs {
		s.declare("arg")
	}
	s.open(n.Stmts)
	s.sc, s.count = sc, count
	s.mark(n, line)
	return max(line, last)
}

// numeral writes a number in the one form the compiler does not misread: it
// takes 0010 for octal and large hexadecimal or decimal numbers for NaN.
func (s *scoper) numeral(n *ast.NumberExpr) {
	f, ok := parseNumber(n.Value)
	if !ok {
		if s.bad == nil {
			s.bad = s.fail(n.Line(), "malformed number near '"+n.Value+"'")
		}
		return
	}
	if math.IsInf(f, 0) {
		n.Value = "Inf"
		return
	}
	n.Value = strconv.FormatFloat(f, 'g', -1, 64)
}

// settle turns the numbers in compiled code back into lines and scopes.
func (s *scoper) settle(p *lua.FunctionProto) {
	p.LineDefined, p.LastLineDefined = s.line(p.LineDefined), s.line(p.LastLineDefined)
	for _, v := range p.DbgLocals {
		v.EndPc = -1
	}
	line := p.LineDefined
	for pc, id := range p.DbgSourcePositions {
		if n := s.line(id); n > 0 {
			line = n
		}
		p.DbgSourcePositions[pc] = line
		for sc := s.at[id/2].sc; sc != nil; sc = sc.up {
			if sc.local < len(p.DbgLocals) {
				p.DbgLocals[sc.local].EndPc = pc
			}
		}
	}
	for _, q := range p.FunctionPrototypes {
		s.settle(q)
	}
}

func (s *scoper) line(id int) int {
	line := s.at[id/2].line
	if line > 0 {
		line += id % 2
	}
	return line
}
