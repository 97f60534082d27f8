package vm

import (
	"bytes"
	"fmt"

	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// checkTokens refuses source whose blocks, brackets or signs nest too deeply,
// before the parser builds anything. It uses the parser's own scanner, so both
// always see the same tokens. On the way it notes the names behind colons, whose
// lines the parser forgets.
func checkTokens(name string, src []byte) (methods []method, fail *Error) {
	defer func() {
		if r := recover(); r != nil {
			fail = syntaxError(name, src, 0, 0, fmt.Sprintf("cannot read: %v", r))
		}
	}()
	sc := parse.NewScanner(bytes.NewReader(src), name)
	lexer := &parse.Lexer{}
	depth, signs := 0, 0
	prev := parse.TNil
	for {
		tok, err := sc.Scan(lexer)
		if err != nil {
			return nil, parseError(name, src, err)
		}
		if tok.Type == parse.EOF {
			return methods, nil
		}
		lexer.PrevTokenType = tok.Type
		if prev == ':' && tok.Type == parse.TIdent {
			methods = append(methods, method{tok.Str, tok.Pos.Line})
		}
		switch tok.Type {
		case '(', '{', '[', parse.TDo, parse.TThen, parse.TRepeat, parse.TFunction:
			depth++
		case ')', '}', ']', parse.TEnd, parse.TUntil:
			depth--
		case parse.TElseIf:
			depth-- // its `then` opens the block again
		}
		if unary(tok.Type, prev) {
			signs++
		} else {
			signs = 0
		}
		prev = tok.Type
		if depth > maxNesting || signs > maxNesting {
			return nil, syntaxError(name, src, tok.Pos.Line, tok.Pos.Column,
				fmt.Sprintf("chunk has too many syntax levels (limit %d)", maxNesting))
		}
	}
}

// unary reports whether a sign continues a run of prefix operators.
func unary(typ, prev int) bool {
	switch typ {
	case parse.TNot, '#':
		return true
	case '-', '^', parse.T2Comma:
		return prev == typ || prev == parse.TNot || prev == '#' || prev == '-'
	}
	return false
}

// tooDeep walks the syntax tree without recursion and reports whether it is
// deeper than the compiler's own recursion may go. Operators written one after
// another nest although no bracket shows it. It also returns every statement
// list it met.
func tooDeep(stmts []ast.Stmt) (lists [][]ast.Stmt, line int, deep bool) {
	type item struct {
		node  any
		depth int
	}
	var todo []item
	push := func(depth int, nodes ...any) {
		for _, n := range nodes {
			if n != nil {
				todo = append(todo, item{n, depth})
			}
		}
	}
	block := func(depth int, list []ast.Stmt) {
		lists = append(lists, list)
		for _, s := range list {
			push(depth, s)
		}
	}
	exprs := func(depth int, list []ast.Expr) {
		for _, e := range list {
			push(depth, e)
		}
	}
	block(1, stmts)
	for len(todo) > 0 {
		it := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		d := it.depth + 1
		if d > maxDepth {
			if p, ok := it.node.(ast.PositionHolder); ok {
				line = p.Line()
			}
			return nil, line, true
		}
		switch n := it.node.(type) {
		case *ast.AssignStmt:
			exprs(d, n.Lhs)
			exprs(d, n.Rhs)
		case *ast.LocalAssignStmt:
			exprs(d, n.Exprs)
		case *ast.FuncCallStmt:
			push(d, n.Expr)
		case *ast.DoBlockStmt:
			block(d, n.Stmts)
		case *ast.WhileStmt:
			push(d, n.Condition)
			block(d, n.Stmts)
		case *ast.RepeatStmt:
			push(d, n.Condition)
			block(d, n.Stmts)
		case *ast.IfStmt:
			push(d, n.Condition)
			block(d, n.Then)
			block(d, n.Else)
		case *ast.NumberForStmt:
			push(d, n.Init, n.Limit, n.Step)
			block(d, n.Stmts)
		case *ast.GenericForStmt:
			completeFor(n)
			exprs(d, n.Exprs)
			block(d, n.Stmts)
		case *ast.FuncDefStmt:
			push(d, n.Name.Func, n.Name.Receiver, n.Func)
		case *ast.ReturnStmt:
			exprs(d, n.Exprs)
		case *ast.AttrGetExpr:
			push(d, n.Object, n.Key)
		case *ast.TableExpr:
			for _, f := range n.Fields {
				push(d, f.Key, f.Value)
			}
		case *ast.FuncCallExpr:
			push(d, n.Func, n.Receiver)
			exprs(d, n.Args)
		case *ast.LogicalOpExpr:
			push(d, n.Lhs, n.Rhs)
		case *ast.RelationalOpExpr:
			push(d, n.Lhs, n.Rhs)
		case *ast.StringConcatOpExpr:
			push(d, n.Lhs, n.Rhs)
		case *ast.ArithmeticOpExpr:
			push(d, n.Lhs, n.Rhs)
		case *ast.UnaryMinusOpExpr:
			push(d, n.Expr)
		case *ast.UnaryNotOpExpr:
			push(d, n.Expr)
		case *ast.UnaryLenOpExpr:
			push(d, n.Expr)
		case *ast.FunctionExpr:
			block(d, n.Stmts)
		}
	}
	return lists, 0, false
}

// completeFor writes out the values that `for k, v in next, t` leaves out:
// gopher-lua's compiler counts the variables of the loop where it should count
// to three, and would start with what the registers held.
func completeFor(n *ast.GenericForStmt) {
	one := true // the last expression is one value
	var adjust *bool
	switch x := n.Exprs[len(n.Exprs)-1].(type) {
	case *ast.FuncCallExpr:
		one, adjust = x.AdjustRet, &x.AdjustRet
	case *ast.Comma3Expr:
		one, adjust = x.AdjustRet, &x.AdjustRet
	}
	if !one && len(n.Exprs) >= 3 {
		*adjust = true
	}
	for !one && len(n.Names) < len(n.Exprs) && len(n.Exprs) < 3 {
		n.Names = append(n.Names, "(unused)")
	}
	for one && len(n.Exprs) < 3 {
		missing := &ast.NilExpr{}
		missing.SetLine(n.Line())
		n.Exprs = append(n.Exprs, missing)
	}
}
