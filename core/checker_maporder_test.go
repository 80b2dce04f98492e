package core_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// mapIterators give what a map holds in its own order.
var mapIterators = []string{"maps.All", "maps.Keys", "maps.Values"}

// sorters put their first argument in order.
var sorters = []string{
	"slices.Sort", "slices.SortFunc", "slices.SortStableFunc",
	"sort.Ints", "sort.Slice", "sort.SliceStable", "sort.Strings",
}

// isMap reports whether t is a map, or a type parameter that can be one.
func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Map:
		return true
	case *types.Interface:
		for i := range u.NumEmbeddeds() {
			switch embedded := u.EmbeddedType(i).(type) {
			case *types.Union:
				for j := range embedded.Len() {
					if isMap(embedded.Term(j).Type()) {
						return true
					}
				}
			default:
				if isMap(embedded) {
					return true
				}
			}
		}
	}
	return false
}

// rangeOver judges a range over a map: it must be order-free by its comment,
// or only collect what the next statement sorts.
func (c *checker) rangeOver(n *ast.RangeStmt, path []ast.Node) {
	if !isMap(c.info.TypeOf(n.X)) || isBlank(n.Key) && isBlank(n.Value) || c.orderFree(n) {
		return
	}
	if len(n.Body.List) == 1 {
		if assignment, ok := n.Body.List[0].(*ast.AssignStmt); ok && c.appendsToItself(assignment) {
			// Keys are distinct. Values may tie, and then only a sort of the
			// whole values is sure.
			if c.sortedNext(assignment.Lhs[0], path, isBlank(n.Value)) {
				return
			}
		}
	}
	c.report(n, "map order", "walks a map in its own order: range over slices.Sorted(maps.Keys(m)), "+
		"or say why the order cannot be seen: // order-free: <reason>")
}

func isBlank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return e == nil || ok && id.Name == "_"
}

// appendsToItself matches x = append(x, …).
func (c *checker) appendsToItself(assignment *ast.AssignStmt) bool {
	if assignment.Tok != token.ASSIGN || len(assignment.Lhs) != 1 || len(assignment.Rhs) != 1 {
		return false
	}
	call, ok := assignment.Rhs[0].(*ast.CallExpr)
	return ok && c.callee(call) == "append" && types.ExprString(call.Args[0]) == types.ExprString(assignment.Lhs[0])
}

// sortedNext reports whether the statement after the one at the end of the
// path sorts list. Only distinct entries may be sorted by a function: it may
// hold two of the others equal that can be told apart.
func (c *checker) sortedNext(list ast.Expr, path []ast.Node, distinct bool) bool {
	next, ok := following(path).(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := next.X.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 || !slices.Contains(sorters, c.callee(call)) {
		return false
	}
	byFunction := len(call.Args) > 1
	return types.ExprString(call.Args[0]) == types.ExprString(list) && (distinct || !byFunction)
}

// following returns the statement after the innermost one on the path.
func following(path []ast.Node) ast.Stmt {
	for i := len(path) - 1; i > 0; i-- {
		statement, ok := path[i].(ast.Stmt)
		if !ok {
			continue
		}
		var list []ast.Stmt
		switch parent := path[i-1].(type) {
		case *ast.BlockStmt:
			list = parent.List
		case *ast.CaseClause:
			list = parent.Body
		}
		if j := slices.Index(list, statement); j >= 0 && j+1 < len(list) {
			return list[j+1]
		}
		return nil
	}
	return nil
}

// mapIterator judges a use of maps.Keys, maps.Values or maps.All.
func (c *checker) mapIterator(id *ast.Ident, name string, path []ast.Node) {
	if c.orderFree(id) {
		return
	}
	call, above := calledAs(path)
	if call != nil && len(above) > 0 {
		if consumer, ok := above[len(above)-1].(*ast.CallExpr); ok {
			switch by := c.callee(consumer); by {
			case "slices.Sorted":
				return
			case "slices.SortedFunc", "slices.SortedStableFunc":
				if name == "maps.Keys" {
					return
				}
			case "slices.Collect", "slices.AppendSeq":
				if c.collectedAndSorted(above, name == "maps.Keys") {
					return
				}
			case "maps.Collect", "maps.Insert":
				return
			}
		}
	}
	c.report(id, "map order", "%s gives a map in its own order: give it to slices.Sorted, "+
		"or say why the order cannot be seen: // order-free: <reason>", name)
}

// collectedAndSorted matches x := slices.Collect(…), with the call at the end
// of the path, and the next statement sorting x.
func (c *checker) collectedAndSorted(path []ast.Node, distinct bool) bool {
	if len(path) < 2 {
		return false
	}
	assignment, ok := path[len(path)-2].(*ast.AssignStmt)
	return ok && len(assignment.Lhs) == 1 && c.sortedNext(assignment.Lhs[0], path[:len(path)-1], distinct)
}

var orderFreeComment = regexp.MustCompile(`^// order-free: *[^ ]`)

// orderFree reports whether the line of n, or the line above it, says why the
// order of a map cannot be seen.
func (c *checker) orderFree(n ast.Node) bool {
	line := c.fset.Position(n.Pos()).Line
	return c.orderFreeLines[line] || c.orderFreeLines[line-1]
}

// formatted judges the arguments of fmt: an address differs in every run.
func (c *checker) formatted(call *ast.CallExpr) {
	for _, arg := range call.Args {
		if literal, ok := arg.(*ast.BasicLit); ok && literal.Kind == token.STRING && strings.Contains(literal.Value, "%p") {
			c.report(call, "address", "%%p prints an address")
		}
		if t := c.info.TypeOf(arg); t != nil && printsAddress(t, 0, true, nil) {
			c.report(call, "address", "prints a %s, in which there is an address", t)
		}
	}
}

// printsAddress reports whether fmt prints an address for a value of type t
// at a depth inside of the argument. Below unexported fields fmt does not call
// methods.
func printsAddress(t types.Type, depth int, methods bool, outer []types.Type) bool {
	if slices.Contains(outer, t) || methods && describesItself(t) {
		return false
	}
	outer = append(slices.Clip(outer), t)
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Kind() == types.UnsafePointer
	case *types.Signature, *types.Chan:
		return true
	case *types.Pointer:
		switch u.Elem().Underlying().(type) {
		case *types.Struct, *types.Array, *types.Slice, *types.Map:
			return depth > 0 || printsAddress(u.Elem(), depth+1, methods, outer)
		}
		return true
	case *types.Array:
		return printsAddress(u.Elem(), depth+1, methods, outer)
	case *types.Slice:
		return printsAddress(u.Elem(), depth+1, methods, outer)
	case *types.Map:
		return printsAddress(u.Key(), depth+1, methods, outer) || printsAddress(u.Elem(), depth+1, methods, outer)
	case *types.Struct:
		for i := range u.NumFields() {
			if printsAddress(u.Field(i).Type(), depth+1, methods && u.Field(i).Exported(), outer) {
				return true
			}
		}
	}
	return false
}

// describesItself reports whether fmt asks a value for its text.
func describesItself(t types.Type) bool {
	for _, name := range []string{"Error", "String", "Format"} {
		if method, _, _ := types.LookupFieldOrMethod(t, false, nil, name); method != nil {
			if _, ok := method.(*types.Func); ok {
				return true
			}
		}
	}
	return false
}
