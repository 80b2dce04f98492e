package core_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/tools/go/packages"
)

// allowedImports is what the packages under core may import besides each
// other (who may import whom of those is in rooms_test.go). An entry that
// nothing needs any more is an error too.
var allowedImports = []struct {
	path   string
	room   string // the one package that may, or empty for all
	reason string
}{
	{"bytes", "", "compares and collects bytes"},
	{"cmp", "", "orders values"},
	{"crypto/ecdsa", "core/artifact", "verifies signatures; making them is random, verifying is not"},
	{"crypto/ed25519", "core/artifact", "verifies signatures, which needs no randomness"},
	{"crypto/elliptic", "core/artifact", "names the curve of a key"},
	{"crypto/sha256", "", "hashes what was signed, and chains operators' acts"},
	{"encoding/base64", "core/artifact", "reads the keys of a trust file"},
	{"encoding/binary", "", "writes canonical encodings of a fixed byte order"},
	{"errors", "", "makes and tells apart errors"},
	{"fmt", "", "makes texts of refusals and descriptions; it prints maps in key order"},
	{"github.com/go-json-experiment/json/jsontext", "core/wire", "reads JSON token by token, strictly; it does no I/O by itself"},
	{"hash/crc32", "core/wire", "tells long names apart that were cut; nothing is secured by it"},
	{"io", "core/wire", "has io.EOF, by which the JSON reader says that a body is over"},
	{"maps", "", "walks maps; only into sorted keys, which the checker verifies"},
	{"math", "", "has the limits of the integer types"},
	{"math/big", "core/artifact", "has the two numbers of an ECDSA signature"},
	{"math/bits", "", "multiplies without overflow, mixes hashes"},
	{"slices", "", "sorts and searches"},
	{"strconv", "", "reads and writes numbers"},
	{"strings", "", "builds and splits texts"},
	{"time", "", "has durations and the calendar; the clock is refused by the checker"},
	{"unicode/utf8", "core/wire", "cuts a text between two characters"},
}

// forbiddenImports may not be allowed, whatever the reason. A path stands for
// everything below it as well.
var forbiddenImports = map[string]string{
	"C":            "cgo leaves the language",
	"context":      "cancellation is a matter of drivers",
	"crypto/rand":  "is random",
	"embed":        "reads files, though at build time",
	"hash/maphash": "hashes differently in every process",
	"log":          "is I/O and global state",
	"math/rand":    "is random, and its sequence is the library's, not ours",
	"net":          "is I/O",
	"os":           "is I/O",
	"plugin":       "is I/O",
	"reflect":      "walks maps in their own order and reaches what it should not",
	"runtime":      "shows the machine, the scheduler and the collector",
	"sync":         "core has one caller at a time",
	"syscall":      "is I/O",
	"testing":      "is for tests",
	"unique":       "is global state",
	"unsafe":       "shows addresses",
	"weak":         "shows the collector",
}

func forbidden(path string) (reason string, yes bool) {
	for prefix := path; prefix != "."; prefix = filepath.ToSlash(filepath.Dir(prefix)) {
		if reason, yes = forbiddenImports[prefix]; yes {
			return reason, true
		}
	}
	return "", false
}

// loadCore type-checks every package under core without its tests. One that
// does not type-check is an error and left out.
func loadCore(t *testing.T) []*packages.Package {
	t.Helper()
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedSyntax |
			packages.NeedTypes | packages.NeedTypesInfo,
		Dir: moduleRoot(t),
	}, "./core/...")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(loaded, func(pkg *packages.Package) bool {
		for _, problem := range pkg.Errors {
			t.Errorf("%s cannot be judged, since it does not type-check: %v", pkg.PkgPath, problem)
		}
		return len(pkg.Errors) > 0
	})
}

func TestCoreIsPure(t *testing.T) {
	readOnly := map[string]string{
		modulePath + "/core/wire.Schema": "a schema is a table; Decode and Append only read it",
		"encoding/base64.Encoding":       "an encoding is a table; decoding only reads it",
	}
	used := map[string]bool{}
	checked := 0
	for _, pkg := range loadCore(t) {
		for _, file := range pkg.OtherFiles {
			t.Errorf("%s: only Go source can be judged", file)
		}
		for _, file := range pkg.IgnoredFiles {
			t.Errorf("%s: core has no build constraints: what is excluded here would go unjudged", file)
		}
		checker := newChecker(pkg.Fset, pkg.Syntax, pkg.TypesInfo, readOnly)
		for _, f := range checker.check() {
			t.Error(f)
		}
		maps.Copy(used, checker.readOnlyUsed)
		checked += len(pkg.Syntax)
	}
	for name := range readOnly {
		if !used[name] {
			t.Errorf("nothing takes the address of a package variable of type %s any more: remove it from readOnly", name)
		}
	}
	if checked < 10 {
		t.Errorf("judged only %d files: the search is broken", checked)
	}
}

func TestCoreImportsOnlyWhatIsAllowed(t *testing.T) {
	used := map[string]bool{}
	for _, source := range sources(t) {
		if source.test || !inTree(source.dir, "core") {
			continue
		}
		for _, imported := range source.imports {
			if _, ours := ownDir(imported); ours {
				continue
			}
			if reason, yes := forbidden(imported); yes {
				t.Errorf("%s imports %s, which %s", source.path, imported, reason)
				continue
			}
			allowed := false
			for _, entry := range allowedImports {
				if entry.path == imported && (entry.room == "" || inTree(source.dir, entry.room)) {
					allowed = true
				}
			}
			if !allowed {
				t.Errorf("%s imports %s: not in the allow-list of core/purity_test.go for %s; add it with a reason, or do without",
					source.path, imported, source.dir)
			}
			used[imported] = true
		}
	}
	for _, entry := range allowedImports {
		if !used[entry.path] {
			t.Errorf("nothing in core imports %s any more: remove it from the allow-list", entry.path)
		}
	}
}

func TestTheAllowListHasReasonsAndNothingForbidden(t *testing.T) {
	var paths []string
	for _, entry := range allowedImports {
		paths = append(paths, entry.path)
		if entry.reason == "" {
			t.Errorf("%s is allowed without a reason", entry.path)
		}
		if reason, yes := forbidden(entry.path); yes {
			t.Errorf("%s is allowed, but %s", entry.path, reason)
		}
	}
	if !slices.IsSorted(paths) || len(slices.Compact(slices.Clone(paths))) != len(paths) {
		t.Errorf("the allow-list is not in order, or repeats itself: %v", paths)
	}
	for _, path := range []string{"os", "os/exec", "net/http", "log/slog", "math/rand/v2", "sync/atomic", "runtime/debug", "C"} {
		if _, yes := forbidden(path); !yes {
			t.Errorf("%s is not forbidden", path)
		}
	}
	for _, path := range []string{"math", "math/bits", "crypto/sha256", "io", "hash/fnv"} {
		if reason, yes := forbidden(path); yes {
			t.Errorf("%s is forbidden: it %s", path, reason)
		}
	}
}

func (f finding) String() string {
	return fmt.Sprintf("%s: %s: %s", f.at, f.rule, f.text)
}
