package core_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// The checker walks type-checked source and reports what makes a package
// impure. It is strict where that is cheap and silent where only a proof would
// do: what a function value or an interface of a package variable keeps to
// itself is beyond it.

// refusedNames are the functions, methods, types and variables that core may
// not mention, with the rule that they break. Packages refused as a whole are
// in forbiddenImports.
var refusedNames = map[string]string{
	"time.Now": "clock", "time.Since": "clock", "time.Until": "clock", "time.Sleep": "clock",
	"time.After": "clock", "time.AfterFunc": "clock", "time.Tick": "clock",
	"time.NewTimer": "clock", "time.NewTicker": "clock", "time.Timer": "clock", "time.Ticker": "clock",

	"time.Local": "time zone", "time.LoadLocation": "time zone", "time.Parse": "time zone",
	"(time.Time).Local": "time zone", "(*time.Time).UnmarshalText": "time zone", "(*time.Time).UnmarshalJSON": "time zone",
	"(*time.Time).UnmarshalBinary": "time zone", "(*time.Time).GobDecode": "time zone",

	"fmt.Print": "input and output", "fmt.Printf": "input and output", "fmt.Println": "input and output",
	"fmt.Scan": "input and output", "fmt.Scanf": "input and output", "fmt.Scanln": "input and output",
	"print": "input and output", "println": "input and output",

	"iter.Pull": "goroutine", "iter.Pull2": "goroutine",

	"encoding/binary.NativeEndian": "machine",
}

// localTimes make a time in the machine's zone, unless .UTC() follows.
var localTimes = []string{"time.Unix", "time.UnixMilli", "time.UnixMicro"}

// finding is one thing that a pure package may not do.
type finding struct {
	at   token.Position
	rule string
	text string
}

type checker struct {
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
	// readOnly has the types, by full name, whose pointers are only read
	// through, with the reason; readOnlyUsed those that were met.
	readOnly     map[string]string
	readOnlyUsed map[string]bool

	findings []finding
	// orderFreeLines has the lines of the file being walked that end a comment
	// which says why the order of a map cannot be seen.
	orderFreeLines map[int]bool
}

func newChecker(fset *token.FileSet, files []*ast.File, info *types.Info, readOnly map[string]string) *checker {
	return &checker{fset: fset, files: files, info: info, readOnly: readOnly, readOnlyUsed: map[string]bool{}}
}

// check returns the findings, one a line and rule, in the order of the source.
func (c *checker) check() []finding {
	for _, file := range c.files {
		c.readComments(file)
		var path []ast.Node // from the file down to the node
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				path = path[:len(path)-1]
				return true
			}
			path = append(path, n)
			c.visit(n, path)
			return true
		})
	}
	return c.findings
}

func (c *checker) readComments(file *ast.File) {
	c.orderFreeLines = map[int]bool{}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, "//go:linkname") {
				c.report(comment, "linkname", "reaches into other packages")
			}
			if orderFreeComment.MatchString(comment.Text) {
				c.orderFreeLines[c.fset.Position(comment.End()).Line] = true
				c.orderFreeLines[c.fset.Position(group.End()).Line] = true
			}
		}
	}
}

func (c *checker) report(n ast.Node, rule, format string, args ...any) {
	at := c.fset.Position(n.Pos())
	for _, f := range c.findings {
		if f.at.Filename == at.Filename && f.at.Line == at.Line && f.rule == rule {
			return
		}
	}
	c.findings = append(c.findings, finding{at, rule, fmt.Sprintf(format, args...)})
}

func (c *checker) visit(n ast.Node, path []ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n, "goroutine", "core has one caller and does not run on its own")
	case *ast.SelectStmt:
		c.report(n, "select", "which case runs is the scheduler's choice")
	case *ast.SendStmt, *ast.ChanType:
		c.report(n, "channel", "what happens is data in the output")
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			c.write(n.Key)
			c.write(n.Value)
		}
		c.rangeOver(n, path)
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, left := range n.Lhs {
				c.write(left)
			}
		}
	case *ast.IncDecStmt:
		c.write(n.X)
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			c.address(n, n.X)
		}
	case *ast.SelectorExpr:
		c.method(n)
	case *ast.CallExpr:
		c.call(n)
	case *ast.ValueSpec:
		c.packageVariable(n, path)
	case *ast.Ident:
		c.name(n, path)
	}
	if e, ok := n.(ast.Expr); ok && isChannel(c.info.TypeOf(e)) {
		c.report(n, "channel", "what happens is data in the output")
	}
}

func isChannel(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Chan)
	return ok
}

// fullName is how refusedNames spells an object: time.Now, (time.Time).Local.
func fullName(object types.Object) string {
	switch object := object.(type) {
	case nil:
		return ""
	case *types.Func:
		return object.Origin().FullName()
	default:
		if object.Pkg() == nil || object.Parent() != object.Pkg().Scope() {
			return object.Name()
		}
		return object.Pkg().Path() + "." + object.Name()
	}
}

// name judges the use of an identifier by what it stands for.
func (c *checker) name(id *ast.Ident, path []ast.Node) {
	object := c.info.Uses[id]
	if object == nil {
		return
	}
	if _, predeclared := object.(*types.Builtin); object.Pkg() == nil && !predeclared {
		return
	}
	name := fullName(object)
	if rule, refused := refusedNames[name]; refused && !isLocalObject(object) {
		c.report(id, rule, "%s", name)
	}
	if pkg := object.Pkg(); pkg != nil {
		if _, isName := object.(*types.PkgName); !isName {
			if reason, yes := forbidden(pkg.Path()); yes {
				c.report(id, "package", "%s %s", pkg.Path(), reason)
			}
		}
	}
	if slices.Contains(localTimes, name) && !c.followedByUTC(path) {
		c.report(id, "time zone", "%s gives a time in the machine's zone: call .UTC() on it at once", name)
	}
	if slices.Contains(mapIterators, name) {
		c.mapIterator(id, name, path)
	}
}

// isLocalObject tells a function or variable of the package's own that happens
// to be called print from the predeclared one.
func isLocalObject(object types.Object) bool {
	_, isVar := object.(*types.Var)
	return isVar && object.Parent() != nil && object.Pkg() != nil && object.Parent() != object.Pkg().Scope()
}

// followedByUTC reports whether the path to an identifier ends in
// X.UTC() with X the call of the identifier.
func (c *checker) followedByUTC(path []ast.Node) bool {
	call, above := calledAs(path)
	if call == nil || len(above) < 2 {
		return false
	}
	selector, ok := above[len(above)-1].(*ast.SelectorExpr)
	if !ok || fullName(c.info.Uses[selector.Sel]) != "(time.Time).UTC" {
		return false
	}
	utc, ok := above[len(above)-2].(*ast.CallExpr)
	return ok && utc.Fun == selector
}

// calledAs returns the call whose function the identifier at the end of the
// path is, and the path above the call; nil if it is not called there.
func calledAs(path []ast.Node) (call *ast.CallExpr, above []ast.Node) {
	function := path[len(path)-1]
	for i := len(path) - 2; i >= 0; i-- {
		switch n := path[i].(type) {
		case *ast.SelectorExpr, *ast.IndexExpr, *ast.IndexListExpr, *ast.ParenExpr:
			function = n
		case *ast.CallExpr:
			if n.Fun == function {
				return n, path[:i]
			}
			return nil, nil
		default:
			return nil, nil
		}
	}
	return nil, nil
}

// callee returns the full name of what is called.
func (c *checker) callee(call *ast.CallExpr) string {
	function := ast.Unparen(call.Fun)
	switch f := function.(type) {
	case *ast.IndexExpr:
		function = f.X
	case *ast.IndexListExpr:
		function = f.X
	}
	switch f := function.(type) {
	case *ast.Ident:
		return fullName(c.info.Uses[f])
	case *ast.SelectorExpr:
		return fullName(c.info.Uses[f.Sel])
	}
	return ""
}

// packageVariable refuses pointers in package variables: a pointer is a way to
// write that no walk can follow.
func (c *checker) packageVariable(spec *ast.ValueSpec, path []ast.Node) {
	if len(path) != 3 { // file, declaration, spec
		return
	}
	for _, name := range spec.Names {
		v, ok := c.info.Defs[name].(*types.Var)
		if !ok {
			continue
		}
		if _, pointer := v.Type().Underlying().(*types.Pointer); pointer {
			c.report(name, "global state", "%s is a pointer: make it a value", v.Name())
		}
	}
}

// rootVariable returns the package variable that an expression is a part of.
func (c *checker) rootVariable(e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if v := packageLevel(c.info.Uses[x.Sel]); v != nil {
				return v // of another package
			}
			e = x.X
		case *ast.Ident:
			return packageLevel(c.info.Uses[x])
		default:
			return nil
		}
	}
}

func packageLevel(object types.Object) *types.Var {
	v, ok := object.(*types.Var)
	if !ok || v.IsField() || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	return v
}

// write judges a place that is assigned to.
func (c *checker) write(e ast.Expr) {
	if e == nil {
		return
	}
	if v := c.rootVariable(e); v != nil {
		c.report(e, "global state", "writes to the package variable %s", v.Name())
	}
}

// address judges taking the address of x.
func (c *checker) address(at ast.Node, x ast.Expr) {
	v := c.rootVariable(x)
	if v == nil {
		return
	}
	t := types.Unalias(v.Type())
	if pointer, ok := t.(*types.Pointer); ok {
		t = types.Unalias(pointer.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		name := named.Obj().Pkg().Path() + "." + named.Obj().Name()
		if _, ok := c.readOnly[name]; ok {
			c.readOnlyUsed[name] = true
			return
		}
	}
	c.report(at, "global state", "takes the address of the package variable %s, by which it can be written to", v.Name())
}

// method judges methods that can change the package variable they are called on.
func (c *checker) method(selector *ast.SelectorExpr) {
	selection := c.info.Selections[selector]
	if selection == nil || selection.Kind() != types.MethodVal {
		return
	}
	function, ok := selection.Obj().(*types.Func)
	if !ok {
		return
	}
	if _, pointer := function.Signature().Recv().Type().(*types.Pointer); pointer {
		c.address(selector, selector.X)
	}
}

// writers change what their first argument holds.
var writers = []string{
	"append", "clear", "copy", "delete",
	"maps.Copy", "maps.DeleteFunc", "maps.Insert",
	"slices.Compact", "slices.CompactFunc", "slices.Delete", "slices.DeleteFunc", "slices.Insert", "slices.Replace",
	"slices.Reverse", "slices.Sort", "slices.SortFunc", "slices.SortStableFunc",
	"sort.Float64s", "sort.Ints", "sort.Slice", "sort.SliceStable", "sort.Sort", "sort.Stable", "sort.Strings",
}

func (c *checker) call(call *ast.CallExpr) {
	name := c.callee(call)
	if len(call.Args) > 0 && slices.Contains(writers, name) {
		c.write(call.Args[0])
	}
	if slices.Contains([]string{"maps.DeleteFunc", "maps.EqualFunc"}, name) && !c.orderFree(call) {
		c.report(call, "map order", "%s calls a function in the map's order", name)
	}
	if strings.HasPrefix(name, "fmt.") {
		c.formatted(call)
	}
}
