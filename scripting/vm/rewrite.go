package vm

import (
	"fmt"

	"github.com/yuin/gopher-lua/ast"
)

// gopher-lua compiles some statements into code that does something else:
//
//   - `x = f() and y` leaves a local x as it was when f() is false;
//   - `x, t[i] = a, b` and the like mix up registers;
//   - a loop that begins with a jump, as `if false then ... end` makes one,
//     goes on anywhere when it starts again.
//
// rewrite puts equivalent statements in their place before the compiler sees
// them, in all statement lists of a chunk. The names it brings in cannot be
// written in Lua.
func rewrite(lists [][]ast.Stmt) {
	for _, list := range lists {
		for i, s := range list {
			if a, ok := s.(*ast.AssignStmt); ok && confuses(a) {
				list[i] = viaLocals(a)
			}
		}
	}
	for _, list := range lists {
		for _, s := range list {
			switch s := s.(type) {
			case *ast.GenericForStmt:
				s.Stmts = padded(s, s.Stmts)
			case *ast.WhileStmt:
				if constantFirst([]ast.Expr{s.Condition}) {
					until := at(s, &ast.IfStmt{Condition: s.Condition, Else: []ast.Stmt{at(s, &ast.BreakStmt{})}})
					s.Stmts = append([]ast.Stmt{until}, s.Stmts...)
					s.Condition = at(s, &ast.TrueExpr{})
				}
				s.Stmts = padded(s, s.Stmts)
			case *ast.RepeatStmt:
				s.Stmts = padded(s, s.Stmts)
			}
		}
	}
}

// confuses says whether the compiler may get an assignment wrong.
func confuses(a *ast.AssignStmt) bool {
	return len(a.Lhs) > 1 || len(a.Rhs) > 1 || logical(a.Rhs...)
}

// logical says whether an expression has and, or, not or a comparison in it.
func logical(list ...ast.Expr) bool {
	for _, e := range list {
		switch x := e.(type) {
		case *ast.LogicalOpExpr, *ast.RelationalOpExpr, *ast.UnaryNotOpExpr:
			return true
		case *ast.AttrGetExpr:
			if logical(x.Object, x.Key) {
				return true
			}
		case *ast.FuncCallExpr:
			if logical(x.Func, x.Receiver) || logical(x.Args...) {
				return true
			}
		case *ast.StringConcatOpExpr:
			if logical(x.Lhs, x.Rhs) {
				return true
			}
		case *ast.ArithmeticOpExpr:
			if logical(x.Lhs, x.Rhs) {
				return true
			}
		case *ast.UnaryMinusOpExpr:
			if logical(x.Expr) {
				return true
			}
		case *ast.UnaryLenOpExpr:
			if logical(x.Expr) {
				return true
			}
		case *ast.TableExpr:
			for _, f := range x.Fields {
				if logical(f.Key, f.Value) {
					return true
				}
			}
		}
	}
	return false
}

// viaLocals evaluates all of an assignment into locals, in Lua's order, and
// assigns from these, the last first as Lua does.
func viaLocals(a *ast.AssignStmt) ast.Stmt {
	var names []string
	var exprs []ast.Expr
	save := func(e ast.Expr) ast.Expr {
		switch e.(type) {
		case *ast.StringExpr, *ast.NumberExpr:
			return e
		}
		names = append(names, fmt.Sprintf("(%d)", len(names)))
		exprs = append(exprs, e)
		return at(e, &ast.IdentExpr{Value: names[len(names)-1]})
	}
	lhs := make([]ast.Expr, len(a.Lhs))
	for i, e := range a.Lhs {
		lhs[i] = e
		if attr, ok := e.(*ast.AttrGetExpr); ok && len(a.Lhs) > 1 {
			lhs[i] = at(e, &ast.AttrGetExpr{Object: save(attr.Object), Key: save(attr.Key)})
		}
	}
	block := &ast.DoBlockStmt{}
	if len(names) > 0 {
		block.Stmts = append(block.Stmts, at(a, &ast.LocalAssignStmt{Names: names, Exprs: exprs}))
	}
	names = nil
	values := make([]ast.Expr, len(lhs))
	for i := range lhs {
		names = append(names, fmt.Sprintf("(=%d)", i))
		values[i] = at(a.Lhs[i], &ast.IdentExpr{Value: names[i]})
	}
	block.Stmts = append(block.Stmts, at(a, &ast.LocalAssignStmt{Names: names, Exprs: a.Rhs}))
	for i := len(lhs) - 1; i >= 0; i-- {
		block.Stmts = append(block.Stmts, at(a, &ast.AssignStmt{Lhs: lhs[i : i+1], Rhs: values[i : i+1]}))
	}
	return at(a, block)
}

// at gives a new node the place of an old one.
func at[N ast.PositionHolder](old ast.PositionHolder, n N) N {
	n.SetLine(old.Line())
	n.SetLastLine(old.LastLine())
	return n
}

// padded puts a declaration in front of a loop body that begins with a jump.
func padded(loop ast.Stmt, body []ast.Stmt) []ast.Stmt {
	if !beginsWithJump(body) {
		return body
	}
	return append([]ast.Stmt{at(loop, &ast.LocalAssignStmt{Names: []string{"(pad)"}})}, body...)
}

func beginsWithJump(list []ast.Stmt) bool {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.LabelStmt:
			continue
		case *ast.DoBlockStmt:
			if len(s.Stmts) == 0 {
				continue
			}
			return beginsWithJump(s.Stmts)
		case *ast.FuncCallStmt, *ast.FuncDefStmt, *ast.ReturnStmt, *ast.NumberForStmt:
			return false
		case *ast.AssignStmt:
			return constantFirst(s.Rhs)
		case *ast.LocalAssignStmt:
			return constantFirst(s.Exprs)
		case *ast.GenericForStmt:
			return constantFirst(s.Exprs)
		case *ast.RepeatStmt:
			return beginsWithJump(s.Stmts)
		case *ast.IfStmt:
			return constantFirst([]ast.Expr{s.Condition})
		}
		return true // break, goto, while
	}
	return false
}

// constantFirst says whether what is evaluated first is a constant: as an
// operand of and, or, not it compiles to a jump.
func constantFirst(list []ast.Expr) bool {
	if len(list) == 0 {
		return false
	}
	for e := list[0]; ; {
		switch x := e.(type) {
		case *ast.LogicalOpExpr:
			e = x.Lhs
		case *ast.UnaryNotOpExpr:
			e = x.Expr
		case ast.ConstExpr:
			return true
		default:
			return false
		}
	}
}
