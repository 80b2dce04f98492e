// Package failure keeps what a failing test leaves behind, and makes every test
// binary of the module accept the same flags. Every package with tests imports it
// from its tests, if only for the flags:
//
//	import _ "github.com/refrain-fleet/refrain/internal/failure"
//
// With it all packages accept rapid's flags and -rewrite, whether they need them or
// not: a flag that one package of go test ./... rejects fails that package. And rapid writes no
// fail file into the source tree, unless -rapid.nofailfile=false or
// RAPID_NOFAILFILE=false asks for it: -rapid.seed, which it prints, draws the same
// again.
//
// It is for tests only; core/rooms_test.go verifies that.
package failure

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/cockroachdb/datadriven" // has -rewrite
	_ "pgregory.net/rapid"                // has -rapid.seed, -rapid.checks and more
)

// The default is changed before the flags are parsed, so that a flag and a
// variable still win.
func init() {
	const noFailFile = "rapid.nofailfile"
	if _, chosen := os.LookupEnv("RAPID_NOFAILFILE"); chosen {
		return
	}
	f := flag.Lookup(noFailFile)
	if err := f.Value.Set("true"); err != nil {
		panic(err) // it is a flag of another kind now
	}
	f.DefValue = "true"
}

// Keep writes text to a file called name that outlives the test and the process,
// and returns its path. A second text under the same name in the same test
// replaces the first, so that the smallest of a shrunk failure is what is left.
//
// With go test -artifacts the file is in the test's artifact directory. Without
// it, Go removes that directory when the test ends; the file is then in a new
// directory below [os.TempDir], which no other process and no other user has.
func Keep(t testing.TB, name, text string) (path string, err error) {
	dir, err := directory(t)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// directories are those of this process by the names of their tests. A fuzz
// target has a new testing.T for every input and would leave as many directories.
var (
	directoriesMutex sync.Mutex
	directories      = make(map[string]string)
)

// directory returns the directory of a test's files, and makes it when it is
// asked for the first time.
func directory(t testing.TB) (string, error) {
	directoriesMutex.Lock()
	defer directoriesMutex.Unlock()
	if dir := directories[t.Name()]; dir != "" {
		return dir, nil
	}
	dir := ""
	if f := flag.Lookup("test.artifacts"); f != nil && f.Value.String() == "true" {
		dir = t.ArtifactDir()
	} else {
		var err error
		name := strings.NewReplacer("/", "-", string(filepath.Separator), "-", "*", "-", " ", "-").Replace(t.Name())
		if dir, err = os.MkdirTemp("", "refrain-"+name+"-*"); err != nil {
			return "", err
		}
	}
	directories[t.Name()] = dir
	return dir, nil
}
