package core_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// The tester is tested: each of these sources is type-checked in memory and
// must be refused by exactly the rules that are named, and by none if none is.
// A source is the body of a file without its package clause.
var fixtures = []struct {
	name   string
	rules  string
	source string
}{
	{"a go statement", "goroutine", `func f() { go f() }`},
	{"a coroutine", "goroutine", `import "iter"; func f(s iter.Seq[int]) { next, stop := iter.Pull(s); next(); stop() }`},
	{"a select", "select", `func f() { select {} }`},
	{"a channel in a type", "channel", `type t struct { c chan int }`},
	{"a channel that is made", "channel", `func f() { _ = make(chan int) }`},
	{"a send", "channel", `type c chan int; func f(to c) { to <- 1 }`},
	{"a receive", "channel", `func f[C ~chan int](from C) int { return <-from }`},
	{"a range over a channel", "channel", `type c chan int; func f(from c) { for range from { } }`},
	{"a channel of a foreign type", "channel clock", `import "time"; func f(t *time.Timer) { _ = t.C }`},
	{"an inferred channel", "channel package", `import "context"; func f(ctx context.Context) { done := ctx.Done(); _ = done }`},

	{"a mutex", "package", `import "sync"; type t struct { mu sync.Mutex }`},
	{"an embedded mutex", "package", `import "sync"; type t struct { sync.Mutex }; func f(x *t) { x.Lock() }`},
	{"an atomic", "package", `import "sync/atomic"; func f(n *atomic.Int64) { n.Add(1) }`},
	{"random numbers", "package", `import "math/rand/v2"; func f() int { return rand.Int() }`},
	{"random bytes", "package", `import "crypto/rand"; func f() string { return rand.Text() }`},
	{"a hash of its own each time", "package", `import "hash/maphash"; func f() uint64 { return maphash.String(maphash.MakeSeed(), "a") }`},
	{"the environment", "package", `import "os"; func f() string { return os.Getenv("HOME") }`},
	{"the network", "package", `import "net/http"; func f() { _, _ = http.Get("http://example.org") }`},
	{"a logger", "package", `import "log/slog"; func f() { slog.Info("f") }`},
	{"the runtime", "package", `import "runtime"; func f() int { return runtime.NumGoroutine() }`},
	{"an address as a number", "package", `import "unsafe"; func f(p *int) uintptr { return uintptr(unsafe.Pointer(p)) }`},
	{"reflection", "package", `import "reflect"; func f(m any) bool { return reflect.ValueOf(m).MapRange().Next() }`},
	{"a package under another name", "clock", `import t "time"; func f() t.Time { return t.Now() }`},
	{"a package without a name", "clock", `import . "time"; func f() Time { return Now() }`},

	{"the clock", "clock", `import "time"; func f() time.Time { return time.Now() }`},
	{"the clock as a value", "clock", `import "time"; var now = time.Now`},
	{"the time since", "clock", `import "time"; func f(t time.Time) time.Duration { return time.Since(t) }`},
	{"the time until", "clock", `import "time"; func f(t time.Time) time.Duration { return time.Until(t) }`},
	{"a sleep", "clock", `import "time"; func f() { time.Sleep(1) }`},
	{"a callback", "clock", `import "time"; func f() { time.AfterFunc(1, f) }`},
	{"a timer", "clock", `import "time"; func f() { _ = time.NewTimer(1) }`},
	{"a ticker's type", "clock", `import "time"; type t struct { ticker *time.Ticker }`},
	{"a tick", "channel clock", `import "time"; func f() { for range time.Tick(1) { } }`},
	{"an alarm", "channel clock", `import "time"; func f() { <-time.After(1) }`},

	{"the machine's zone", "time zone", `import "time"; func f(t time.Time) time.Time { return t.In(time.Local) }`},
	{"the machine's zone by a method", "time zone", `import "time"; func f(t time.Time) string { return t.Local().String() }`},
	{"the machine's zone by Unix", "time zone", `import "time"; func f() string { return time.Unix(1, 0).String() }`},
	{"the machine's zone, UTC later", "time zone", `import "time"; func f() time.Time { t := time.Unix(1, 0); return t.UTC() }`},
	{"the machine's zone by parsing", "time zone", `import "time"; func f(b []byte) (t time.Time) { _ = t.UnmarshalText(b); return t }`},
	{"UTC at once", "", `import "time"; func f() time.Time { return time.UnixMilli(1).UTC() }`},
	{"the calendar", "", `import "time"; func f() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Hour) }`},

	{"printing", "input and output", `import "fmt"; func f() { fmt.Println("f") }`},
	{"printing by a builtin", "input and output", `func f() { println("f") }`},
	{"a function of one's own called print", "", `func f(print func(string)) { print("f") }`},
	{"printing into a string", "", `import ("fmt"; "strings"); func f(b *strings.Builder) { fmt.Fprintf(b, "%d", 1) }`},
	{"the machine's byte order", "machine", `import "encoding/binary"; func f(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }`},
	{"a byte order", "", `import "encoding/binary"; func f(b []byte) uint64 { return binary.BigEndian.Uint64(b) }`},
	{"a linkname", "linkname", "import _ \"unsafe\"\n//go:linkname nanotime runtime.nanotime\nfunc nanotime() int64"},

	{"a counter", "global state", `var n int; func f() { n++ }`},
	{"an assignment", "global state", `var n int; func f() { n = 1 }`},
	{"an assignment with an operator", "global state", `var n int; func f() { n += 1 }`},
	{"an assignment at start", "global state", `var n int; func init() { n = 1 }`},
	{"an assignment in a literal", "global state", `var n int; var f = func() { n = 1 }`},
	{"an assignment to a field", "global state", `var v struct { n int }; func f() { v.n = 1 }`},
	{"an assignment to an element", "global state", `var v [3]int; func f(i int) { v[i] = 1 }`},
	{"an assignment to a member", "global state", `var m = map[string]int{}; func f() { m["a"] = 1 }`},
	{"an assignment by a range", "global state", `var i int; func f(l []int) { for i = range l { } }`},
	{"an assignment of several", "global state", `var n int; func f() { x := 0; x, n = 1, 2; _ = x }`},
	{"an assignment through a slice", "global state", `var v [3]int; func f() { v[1:][0] = 1 }`},
	{"another package's variable", "global state", `import "encoding/base64"; func f() { base64.StdEncoding = nil }`},
	{"a deletion", "global state", `var m = map[string]int{}; func f() { delete(m, "a") }`},
	{"a clearing", "global state", `var m = map[string]int{}; func f() { clear(m) }`},
	{"a copy into a table", "global state", `var v [3]int; func f(l []int) { copy(v[:], l) }`},
	{"an append to a table", "global state", `var l = []int{1}; func f() []int { return append(l, 2) }`},
	{"sorting a table", "global state", `import "slices"; var l = []int{1}; func f() { slices.Sort(l) }`},
	{"an address", "global state", `var n int; func f() *int { return &n }`},
	{"an address of an element", "global state", `var v [3]int; func f() *int { return &v[1] }`},
	{"an address taken by a method", "global state", `import "strings"; var b strings.Builder; func f() { b.WriteString("a") }`},
	{"a pointer", "global state", `type t struct { n int }; var p = &t{}`},
	{"a method of a pointer", "global state", `type t struct { n int }; func (x *t) add() { x.n++ }; var v = [1]*t{}; func f() { v[0].add() }`},
	{"a table that is read", "", `var words = []string{"a"}; func f(i int) string { return words[i] }`},
	{"a table that is sliced and searched", "", `import "slices"; var words = [...]string{"a"}; func f() bool { return slices.Contains(words[:], "a") }`},
	{"an address of a read-only table", "", `type table struct { n int }; func (t *table) read() int { return t.n }
		var t1 = table{1}; func f() (*table, int) { return &t1, t1.read() }`},
	{"a variable of the same name", "", `var n int; func f() { n := 1; n++; _ = n }`},
	{"a value with state", "", `type t struct { n int }; func (x *t) add() { x.n++ }; func f() int { var v t; v.add(); return v.n }`},

	{"a range over a map", "map order", `func f(m map[string]int) (l []string) { for k := range m { l = append(l, k) }; return l }`},
	{"a range over a named map", "map order", `type m map[string]int; func f(x m) { for k := range x { _ = k } }`},
	{"a range over a generic map", "map order", `func f[M ~map[K]V, K comparable, V any](m M) { for k := range m { _ = k } }`},
	{"a range over the keys", "map order", `import "maps"; func f(m map[string]int) { for k := range maps.Keys(m) { _ = k } }`},
	{"a range over the values", "map order", `import "maps"; func f(m map[string]int) { for v := range maps.Values(m) { _ = v } }`},
	{"a range over all", "map order", `import "maps"; func f(m map[string]int) { for k, v := range maps.All(m) { _, _ = k, v } }`},
	{"unsorted keys", "map order", `import ("maps"; "slices"); func f(m map[string]int) []string { return slices.Collect(maps.Keys(m)) }`},
	{"keys sorted too late", "map order", `import ("maps"; "slices"); func f(m map[string]int) []string { l := slices.Collect(maps.Keys(m)); _ = l[0]; slices.Sort(l); return l }`},
	{"keys beside others that are sorted", "map order", `import ("maps"; "slices"); func f(m map[string]int, x []string) []string { l := slices.Collect(maps.Keys(m)); slices.Sort(x); return l }`},
	{"values sorted by a function", "map order", `import ("maps"; "slices"); func f(m map[string]int, by func(a, b int) int) []int { return slices.SortedFunc(maps.Values(m), by) }`},
	{"values collected, sorted by a function", "map order", `import "slices"; func f(m map[string]int, by func(a, b int) int) (l []int) { for _, v := range m { l = append(l, v) }; slices.SortFunc(l, by); return l }`},
	{"the keys as a function", "map order", `import ("iter"; "maps"); var keys func(map[string]int) iter.Seq[string] = maps.Keys`},
	{"a function called for each member", "map order", `import "maps"; func f(m map[string]int, g func(string, int) bool) { maps.DeleteFunc(m, g) }`},
	{"a collection that does more", "map order", `import "slices"; func f(m map[string]int, g func()) (l []string) { for k := range m { g(); l = append(l, k) }; slices.Sort(l); return l }`},
	{"a comment without a reason", "map order", "func f(m map[string]int) (n int) {\n// order-free:\nfor _, v := range m { n += v }\nreturn n }"},
	{"a comment too far above", "map order", "func f(m map[string]int) (n int) {\n// order-free: counts are summed\n\nfor _, v := range m { n += v }\nreturn n }"},
	{"a comment of another kind", "map order", "func f(m map[string]int) (n int) {\n// the order does not matter\nfor _, v := range m { n += v }\nreturn n }"},
	{"a comment above", "", "func f(m map[string]int) (n int) {\n// order-free: counts are summed\nfor _, v := range m { n += v }\nreturn n }"},
	{"a comment of two lines", "", "func f(m map[string]int) (n int) {\n// order-free: counts are summed,\n// and sums commute\nfor _, v := range m { n += v }\nreturn n }"},
	{"a comment at the end of the line", "", "func f(m map[string]int) (n int) {\nfor _, v := range m { // order-free: counts are summed\nn += v }\nreturn n }"},
	{"sorted keys", "", `import ("maps"; "slices"); func f(m map[string]int) { for _, k := range slices.Sorted(maps.Keys(m)) { _ = m[k] } }`},
	{"keys sorted by a function", "", `import ("maps"; "slices"); func f(m map[[2]int]int, by func(a, b [2]int) int) [][2]int { return slices.SortedFunc(maps.Keys(m), by) }`},
	{"sorted values", "", `import ("maps"; "slices"); func f(m map[string]int) []int { return slices.Sorted(maps.Values(m)) }`},
	{"keys collected and sorted", "", `import ("maps"; "slices"); func f(m map[string]int) []string { l := slices.Collect(maps.Keys(m)); slices.Sort(l); return l }`},
	{"keys collected into a buffer and sorted", "", `import ("maps"; "slices"); func f(m map[string]int, l []string) []string { l = slices.AppendSeq(l[:0], maps.Keys(m)); slices.Sort(l); return l }`},
	{"a loop that collects, and a sort", "", `import "slices"; func f(m map[string]int) (l []string) { for k := range m { l = append(l, k) }; slices.Sort(l); return l }`},
	{"a loop that only counts", "", `func f(m map[string]int) (n int) { for range m { n++ }; return n }`},
	{"a map into a map", "", `import "maps"; func f(a, b map[string]int) { maps.Copy(a, b); _ = maps.Collect(maps.All(a)) }`},
	{"a range over a slice", "", `func f(l []int) { for i, v := range l { _, _ = i, v } }`},

	{"an address that is printed", "address", `import "fmt"; func f(p *int) string { return fmt.Sprintf("%p", p) }`},
	{"an address inside of what is printed", "address", `import "fmt"; type t struct { p *t }; func f(v t) string { return fmt.Sprint(v) }`},
	{"a pointer to a number", "address", `import "fmt"; func f(p *int) string { return fmt.Sprint(p) }`},
	{"a function that is printed", "address", `import "fmt"; func f() string { return fmt.Sprint(f) }`},
	{"a time in a private field", "address", `import ("fmt"; "time"); type t struct { at time.Time }; func f(v t) string { return fmt.Sprint(v) }`},
	{"a time in a public field", "", `import ("fmt"; "time"); type t struct { At time.Time }; func f(v t) string { return fmt.Sprint(v) }`},
	{"a pointer that describes itself", "", `import "fmt"; type t struct { p *t }; func (*t) String() string { return "t" }; func f(v *t) string { return fmt.Sprint(v) }`},
	{"a pointer to a plain value", "", `import "fmt"; type t struct { n int }; func f(v *t) string { return fmt.Sprint(v) }`},
	{"an error and a map", "", `import "fmt"; func f(m map[string]int, err error) error { return fmt.Errorf("%v: %w", m, err) }`},
}

func TestTheCheckerBites(t *testing.T) {
	std := importStandard(t)
	readOnly := map[string]string{"fixture.table": "for the test"}
	for _, fixture := range fixtures {
		t.Run(fixture.name, func(t *testing.T) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, "fixture.go", "package fixture\n"+fixture.source, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			info := &types.Info{
				Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
				Selections: map[*ast.SelectorExpr]*types.Selection{}, Instances: map[*ast.Ident]types.Instance{},
			}
			config := types.Config{Importer: std}
			if _, err := config.Check("fixture", fset, []*ast.File{file}, info); err != nil {
				t.Fatal(err)
			}
			findings := newChecker(fset, []*ast.File{file}, info, readOnly).check()
			var rules []string
			for _, f := range findings {
				if !slices.Contains(rules, f.rule) {
					rules = append(rules, f.rule)
				}
			}
			slices.Sort(rules)
			if got := strings.Join(rules, " "); got != fixture.rules {
				t.Errorf("got the rules %q, want %q: %v", got, fixture.rules, findings)
			}
		})
	}
}

// A name with a slip in it would never be found, so that each has to exist.
func TestTheCheckersNamesExist(t *testing.T) {
	std := importStandard(t, "encoding/binary", "fmt", "iter", "maps", "slices", "sort", "time")
	names := slices.Concat(localTimes, mapIterators, writers, sorters, slices.Sorted(maps.Keys(refusedNames)))
	for _, name := range names {
		receiver, member, method := strings.Cut(name, ").")
		if !method {
			receiver, member = "", name
		}
		pkg, object := "", member
		if i := strings.LastIndex(member, "."); i >= 0 {
			pkg, object = member[:i], member[i+1:]
		}
		if method {
			receiver = strings.TrimLeft(receiver, "(*")
			i := strings.LastIndex(receiver, ".")
			pkg, receiver = receiver[:i], receiver[i+1:]
		}
		scope := types.Universe
		if pkg != "" {
			if std[pkg] == nil {
				t.Errorf("%s: package %q was not loaded", name, pkg)
				continue
			}
			scope = std[pkg].Scope()
		}
		var found types.Object
		if method {
			found, _, _ = types.LookupFieldOrMethod(types.NewPointer(scope.Lookup(receiver).Type()), false, nil, object)
		} else {
			found = scope.Lookup(object)
		}
		if found == nil || fullName(found) != name {
			t.Errorf("%s does not exist: found %v", name, found)
		}
	}
}

// A finding points at the line at fault.
func TestAFindingSaysWhere(t *testing.T) {
	f := finding{token.Position{Filename: "gate/gate.go", Line: 7, Column: 2}, "clock", "time.Now"}
	if got, want := f.String(), "gate/gate.go:7:2: clock: time.Now"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// standard has the packages of the standard library that the fixtures import.
type standard map[string]*types.Package

func (s standard) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if pkg := s[path]; pkg != nil {
		return pkg, nil
	}
	return nil, fmt.Errorf("%s was not loaded", path)
}

func importStandard(t *testing.T, paths ...string) standard {
	t.Helper()
	for _, fixture := range fixtures {
		file, err := parser.ParseFile(token.NewFileSet(), "fixture.go", "package fixture\n"+fixture.source, parser.ImportsOnly)
		if err != nil {
			t.Fatalf("%s: %v", fixture.name, err)
		}
		for _, imported := range importPaths(t, file) {
			if imported != "unsafe" && !slices.Contains(paths, imported) {
				paths = append(paths, imported)
			}
		}
	}
	loaded, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedImports | packages.NeedTypes, Dir: moduleRoot(t)}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	std := standard{}
	for _, pkg := range loaded {
		for _, problem := range pkg.Errors {
			t.Fatalf("%s: %v", pkg.PkgPath, problem)
		}
		std[pkg.PkgPath] = pkg.Types
	}
	return std
}
