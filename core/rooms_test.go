package core_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/refrain-fleet/refrain"

// rooms says who may import whom of this module's packages, as the table of
// docs/architecture.md has it. A room is a directory and all below it that is
// not a room of its own; it may import itself and everything below its
// directory, except rooms that are byName. The packages of a room may not exist
// yet.
var rooms = []struct {
	dir string
	may []string // directories, with all below them; without, if they end in "/."
	// testsMay lists what its tests may import in addition.
	testsMay []string
	// byName rooms are imported only by rooms whose list has their own
	// directory, or the whole module; a directory above theirs is not enough.
	byName bool
	// listed: what is below its directory it may import only if its lists have it.
	listed bool
}{
	{dir: "core"},
	{dir: "core/wire"},
	{dir: "core/artifact", may: []string{"core/wire"}},
	{dir: "core/rollout", may: []string{"core/wire"}},
	{dir: "core/gate", may: []string{"core/wire"}},
	{dir: "core/plane", may: []string{"core/wire", "core/rollout"}, testsMay: []string{"core"}},
	{dir: "core/driver", may: []string{"core/wire", "core/gate", "core/plane"}, testsMay: []string{"core"}},
	{dir: "core/agent", may: []string{"core/wire", "core/rollout", "core/artifact"}, testsMay: []string{"core"}},
	{dir: "core/flight", may: []string{"core/wire", "core/plane"}, testsMay: []string{"core"}},
	{dir: "internal/certfile"},
	{dir: "internal/version"},
	{dir: "deploy/nix"},
	{dir: "internal/logging"},
	{dir: "internal/releasefile", may: []string{"core/artifact", "core/wire"}},
	{dir: "httpserver", may: []string{"core", "internal/certfile", "internal/logging", "internal/releasefile", "internal/version"}, testsMay: []string{"httpserver/store/memory", "httpserver/store/sqlite"}},
	{dir: "httpserver/page", may: []string{"core/plane", "core/wire"}},
	{dir: "httpserver/store", may: []string{"core"}},
	{dir: "httpserver/store/memory", may: []string{"core", "httpserver/store"}, testsMay: []string{"httpserver/store/storetest"}, byName: true},
	{dir: "httpserver/store/dbfile", byName: true},
	{dir: "httpserver/store/sqlite", may: []string{"core", "httpserver/store", "httpserver/store/dbfile"}, testsMay: []string{"httpserver/store/storetest"}, byName: true},
	{dir: "httpserver/store/storetest", may: []string{"core", "httpserver/store"}, byName: true},
	{dir: "httpagent", may: []string{"core", "internal/certfile", "internal/releasefile"}},
	{dir: "sim/random"},
	{dir: "sim/repro", may: []string{"internal/version"}},
	{dir: "sim/scenario", may: []string{"core", "sim/random"}},
	{dir: "sim/generate", may: []string{"core/wire", "sim/random", "sim/scenario"}},
	{dir: "sim/field", may: []string{"core"}},
	{dir: "sim/world", may: []string{"core", "sim/random", "sim/scenario", "sim/field"}, testsMay: []string{"sim/sabotage", "sim/check"}},
	{dir: "sim/sabotage", may: []string{"core", "sim/world", "sim/scenario"}},
	{dir: "sim/check", may: []string{"core", "sim/world", "sim/scenario", "sim/field"}, testsMay: []string{"sim/sabotage"}},
	{dir: "sim/record", may: []string{"core", "sim/world", "sim/repro", "sim/scenario", "sim/check"}, testsMay: []string{"sim/generate"}},
	{dir: "sim", may: []string{"sim/world", "sim/scenario", "sim/check", "sim/record"},
		listed:   true,
		testsMay: []string{"core", "sim/repro", "sim/generate", "sim/sabotage", "sim/search"}},
	{dir: "sim/search", may: []string{"core", "sim/.", "sim/world", "sim/random", "sim/repro", "sim/scenario", "sim/generate", "sim/check", "sim/record"},
		testsMay: []string{"sim/sabotage"}},
	{dir: "sim/picture", may: []string{"core", "sim/world", "sim/scenario", "sim/check", "sim/record"}, testsMay: []string{"sim/."}},
	{dir: "scenarios/gameday", may: []string{"sim", "core", "httpserver", "httpagent", "httpserver/store/sqlite"}},
	{dir: "scenarios/conform", may: []string{"sim", "core", "httpserver", "httpserver/store/memory", "httpserver/store/sqlite", "internal/releasefile"}},
	{dir: "scenarios/attack", may: []string{"core/wire", "httpserver/pki"}},
	{dir: "scenarios", may: []string{"sim", "core"}, testsMay: []string{"httpserver", "httpagent", "scenarios/conform", "httpserver/store/sqlite"}},
	{dir: failureRoom},
	{dir: "internal/sample"},
	{dir: "fuzz", may: []string{"core", "sim"}, testsMay: []string{"httpserver", "httpserver/store/memory"}},
	{dir: "cmd/refrain/internal", may: []string{"core/wire", "core/rollout", "httpagent", "internal/certfile"}, testsMay: []string{"httpserver/pki"}},
	{dir: "cmd/refrain", may: []string{"."}},
}

// failureRoom keeps what failing tests leave, and has the flags that every test
// binary accepts. Every package's tests import it, and nothing else does.
const failureRoom = "internal/failure"

// testRooms are for tests of any room, and only for them.
var testRooms = []string{failureRoom, "internal/sample"}

// longFiles may have more lines than maxLines, each for a reason.
var longFiles = map[string]string{}

const maxLines = 400

// refusedNamesOfPackages say nothing about what is in them.
var refusedNamesOfPackages = []string{"util", "utils", "common", "helper", "helpers", "types", "misc"}

// source is one Go file of the module, read as far as its imports.
type source struct {
	path    string // from the root of the module, with slashes
	dir     string
	pkg     string // the name in its package clause
	test    bool
	doc     bool // has a package comment
	imports []string
	lines   int
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("the root of the module is not above core: %v", err)
	}
	return root
}

// sources reads every Go file of the module, whatever compiles and whatever
// the platform.
func sources(t *testing.T) []source {
	t.Helper()
	root := moduleRoot(t)
	var list []source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") ||
				slices.Contains([]string{"testdata", "bin", "var"}, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, ".") {
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(relative)
		list = append(list, source{
			path: slashed, dir: path.Dir(slashed), pkg: parsed.Name.Name, test: strings.HasSuffix(name, "_test.go"),
			doc: parsed.Doc != nil, imports: importPaths(t, parsed), lines: bytes.Count(text, []byte("\n")),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("found only %d files: the search is broken", len(list))
	}
	return list
}

func importPaths(t *testing.T, file *ast.File) (paths []string) {
	t.Helper()
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, imported)
	}
	return paths
}

// inTree reports whether dir is tree or below it; "." is the whole module, and
// "sim/." is sim without what is below it.
func inTree(dir, tree string) bool {
	if alone, is := strings.CutSuffix(tree, "/."); is {
		return dir == alone
	}
	return tree == "." || dir == tree || strings.HasPrefix(dir, tree+"/")
}

// ownDir returns the directory of an import path of this module.
func ownDir(imported string) (dir string, ours bool) {
	if imported == modulePath {
		return ".", true
	}
	return strings.CutPrefix(imported, modulePath+"/")
}

// roomOf returns the index of the innermost room of a directory, or -1.
func roomOf(dir string) int {
	found := -1
	for i, room := range rooms {
		if inTree(dir, room.dir) && (found < 0 || len(room.dir) > len(rooms[found].dir)) {
			found = i
		}
	}
	return found
}

// mayImport judges one import by the rules of the rooms.
func mayImport(fromDir, toDir string, test bool) bool {
	from := roomOf(fromDir)
	if from < 0 {
		return false
	}
	room := rooms[from]
	may := room.may
	if test {
		may = slices.Concat(may, room.testsMay)
	}
	within := func(trees []string) bool {
		return slices.ContainsFunc(trees, func(tree string) bool { return inTree(toDir, tree) })
	}
	to := roomOf(toDir)
	switch {
	case to == from:
		return true
	case slices.Contains(testRooms, toDir):
		return test
	case to >= 0 && rooms[to].byName:
		return slices.Contains(may, rooms[to].dir) || slices.Contains(may, ".")
	case inTree(toDir, room.dir) && !room.listed:
		return true
	}
	return within(may)
}

func TestPackagesImportOnlyWhatTheirRoomMay(t *testing.T) {
	for _, source := range sources(t) {
		if roomOf(source.dir) < 0 {
			t.Errorf("%s is in no room of core/rooms_test.go and docs/architecture.md", source.path)
			continue
		}
		for _, imported := range source.imports {
			if dir, ours := ownDir(imported); ours && !mayImport(source.dir, dir, source.test) {
				t.Errorf("%s imports %s, which its room may not", source.path, dir)
			}
		}
	}
}

// The rules of the rooms, tested as rules.
func TestTheRoomsKeepTheirDistance(t *testing.T) {
	for _, test := range []struct {
		from, to string
		test, ok bool
	}{
		{"core/wire", "core/rollout", false, false},
		{"core/wire", "core", false, false},
		{"core/rollout", "core/wire", false, true},
		{"core/rollout", "core/gate", false, false},
		{"core/artifact", "core/wire", false, true},
		{"core/artifact", "core/plane", false, false},
		{"core/wire", "core/artifact", false, false},
		{"core/gate", "core/wire", false, true},
		{"core/gate", "core/rollout", false, false},
		{"core/gate", "core/plane", false, false},
		{"core/plane", "core/rollout", false, true},
		{"core/plane", "core/gate", false, false},
		{"core/agent", "core/plane", false, false},
		{"core/agent", "core/plane", true, true},
		{"core/wire", "core/plane", true, false},
		{"core/plane", "httpserver", true, false},
		{"core/agent", "sim", true, false},
		{"internal/certfile", "core/wire", false, false},
		{"internal/certfile", "httpserver", true, false},
		{"core/wire", "internal/certfile", false, false},
		{"sim", "internal/certfile", true, false},
		{"sim", "internal/releasefile", true, false},
		{"httpserver", "internal/releasefile", false, true},
		{"httpserver", "internal/certfile", false, true},
		{"httpagent", "internal/certfile", false, true},
		{"httpserver", "core/plane", false, true},
		{"httpserver", "httpserver/store", false, true},
		{"httpserver", "httpserver/pki", false, true},
		{"httpserver/pki", "httpserver", false, true}, // one room
		{"httpserver/store", "httpserver", false, false},
		{"httpserver", "httpserver/store/sqlite", false, false},
		{"httpserver", "httpserver/store/sqlite", true, true},
		{"httpserver/store", "httpserver/store/memory", false, false},
		{"httpserver/store/sqlite", "httpserver/store", false, true},
		{"httpserver/store/sqlite", "httpserver/store/memory", true, false},
		{"httpserver/store/sqlite", "httpserver/store/storetest", false, false},
		{"httpserver/store/sqlite", "httpserver/store/storetest", true, true},
		{"scenarios/conform", "httpserver/store/memory", false, true},
		{"scenarios/gameday", "httpserver/store/memory", false, false},
		{"cmd/refrain", "httpserver/store/sqlite", false, true},
		{"httpserver", "sim", false, false},
		{"httpserver", "sim", true, false},
		{"httpserver", "httpagent", true, false},
		{"httpagent", "httpserver", false, false},
		{"httpagent", "httpserver", true, false},
		{"httpagent", "core/agent", false, true},
		{"sim/world", "core/agent", false, true},
		{"sim", "core/agent", false, false},
		{"sim", "httpserver/store", false, false},
		{"sim", "scenarios", false, false},
		{"sim", "sim/scenario", false, true},
		{"sim", "sim/world", false, true},
		{"sim", "sim/picture", false, false},
		{"sim", "sim/search", false, false},
		{"sim", "sim/search", true, true},
		{"sim", "sim/sabotage", false, false},
		{"sim/world", "sim/scenario", false, true},
		{"sim/world", "sim/record", false, false},
		{"sim/world", "sim/check", false, false},
		{"sim/world", "sim/check", true, true},
		{"sim/world", "sim", false, false},
		{"sim/check", "sim/record", false, false},
		{"sim/check", "sim/sabotage", false, false},
		{"sim/check", "sim/sabotage", true, true},
		{"sim/record", "sim/check", false, true},
		{"sim/record", "sim", false, false},
		{"sim/picture", "sim/record", false, true},
		{"sim/search", "sim", false, true},
		{"sim/search", "sim/picture", false, false},
		{"sim/scenario", "sim/random", false, true},
		{"sim/scenario", "sim/world", false, false},
		{"sim/scenario", "sim/world", true, false},
		{"sim/random", "sim/scenario", false, false},
		{"sim/generate", "sim/world", false, false},
		{"sim/picture", "sim/world", false, true},
		{"sim/picture", "httpserver", false, false},
		{"scenarios", "sim", false, true},
		{"scenarios", "httpserver", false, false},
		{"scenarios", "httpserver", true, true},
		{"scenarios/conform", "httpserver", false, true},
		{"scenarios/conform", "sim", false, true},
		{"sim", "scenarios/conform", true, false},
		{"httpserver", "scenarios/conform", true, false},
		{"scenarios/attack", "httpserver/pki", false, true},
		{"scenarios/attack", "httpserver/mtls", true, false},
		{"scenarios/attack/run", "scenarios/attack", false, true},
		{"fuzz", "sim", false, true},
		{"fuzz", "httpserver", false, false},
		{"fuzz", "httpserver", true, true},
		{"fuzz", "httpagent", true, false},
		{"cmd/refrain", "httpserver", false, true},
		{"cmd/refrain", "sim/trace", false, true},
		{"core/wire", "internal/failure", true, true},
		{"core/wire", "internal/failure", false, false},
		{"cmd/refrain", "internal/failure", false, false},
		{"internal/failure", "core/wire", false, false},
		{"simulator", "core", false, false}, // no room
		{"corewire", "core/wire", false, false},
	} {
		if got := mayImport(test.from, test.to, test.test); got != test.ok {
			t.Errorf("%s importing %s (test: %v): got %v", test.from, test.to, test.test, got)
		}
	}
}

// A flag that one package rejects fails go test ./... as a whole, so all accept the
// same: go test ./scenarios/... -rapid.checks=5.
func TestEveryPackageWithTestsHasTheirFlags(t *testing.T) {
	has := map[string]bool{}
	for _, source := range sources(t) {
		if source.test {
			has[source.dir] = has[source.dir] || source.dir == failureRoom || slices.Contains(source.imports, modulePath+"/"+failureRoom)
		}
	}
	if len(has) < 20 {
		t.Fatalf("found only %d packages with tests: the search is broken", len(has))
	}
	for dir, yes := range has {
		if !yes {
			t.Errorf("no test file of %s imports %s: add a flags_test.go as other packages have it", dir, failureRoom)
		}
	}
}

func TestPackagesAreNamedAfterWhatTheyDo(t *testing.T) {
	documented := map[string]bool{}
	for _, source := range sources(t) {
		name := strings.TrimSuffix(source.pkg, "_test")
		if slices.Contains(refusedNamesOfPackages, name) || slices.Contains(refusedNamesOfPackages, path.Base(source.dir)) {
			t.Errorf("%s: package %s in %s says nothing about what is in it", source.path, name, source.dir)
		}
		if !source.test {
			documented[source.dir] = documented[source.dir] || source.doc
		}
	}
	for dir, yes := range documented {
		if !yes {
			t.Errorf("the package in %s has no package comment", dir)
		}
	}
}

func TestFilesAreShortEnoughToRead(t *testing.T) {
	long := map[string]bool{}
	for _, source := range sources(t) {
		if source.test || source.lines <= maxLines {
			continue
		}
		long[source.path] = true
		if longFiles[source.path] == "" {
			t.Errorf("%s has %d lines, more than %d: split it, or give a reason in longFiles", source.path, source.lines, maxLines)
		}
	}
	for file := range longFiles {
		if !long[file] {
			t.Errorf("%s is not longer than %d lines any more: remove it from longFiles", file, maxLines)
		}
	}
}
