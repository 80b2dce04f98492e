package repro

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/refrain-fleet/refrain/internal/version"
)

// Again is the last line of whatever is said about a run that failed: the
// command that makes the same run again, and the build for which that holds. As
// a whole it is a line for a shell, since the build follows a '#'.
func Again(command string) string { return command + "  # build " + Build() }

var program = "refrain"

// CalledAs sets what [Program] returns: how this process was called, as a word of
// a shell. The program's main function calls it before anything else; in tests it
// is refrain.
func CalledAs(word string) { program = word }

// Program is the first word of every command that makes a run again, such as
// refrain or bin/refrain.
func Program() string { return program }

// RunSeed is the command that runs what a seed draws in a profile.
func RunSeed(seed uint64, profile string) string {
	return fmt.Sprintf("%s sim run --seed %d --profile %s", Program(), seed, profile)
}

// RunTest is the command that runs one test of a package of this module, for
// instance "./sim".
func RunTest(pkg, name string) string {
	return fmt.Sprintf("go test %s -count=1 -run '^%s$'", pkg, strings.ReplaceAll(name, "/", "$/^"))
}

// Build is what a trace hash, and which scenario a seed draws, hold for: the
// commit, the compiler and the platform. A binary knows its commit from the
// compiler; a test's does not, and asks git. Without a commit it is the hash of
// the binary, as [Binary] writes it.
func Build() string {
	return revision() + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

const revisionLength = 12

var revision = sync.OnceValue(func() string {
	stamp := version.Read()
	rev, changed := stamp.Revision, stamp.Modified
	switch {
	case rev == "" && !testing.Testing():
		return Binary() // what is checked out where it runs says nothing
	case rev == "":
		out, err := exec.Command("git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+changes").Output()
		if err != nil {
			return Binary()
		}
		return strings.TrimSpace(string(out))
	}
	rev = rev[:min(revisionLength, len(rev))]
	if changed {
		rev += "+changes"
	}
	return rev
})

// Binary names the file of this process by its content: "sha256:" and the first
// twelve digits of what sha256sum prints. It is "unknown" if the file cannot be
// read.
func Binary() string { return binary() }

var binary = sync.OnceValue(func() string {
	file, err := openSelf()
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "unknown"
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))[:revisionLength]
})

// RunningFile is a name under which Linux has the file that this process runs,
// even once another file was put in its place.
const RunningFile = "/proc/self/exe"

// openSelf opens the file that this process runs.
func openSelf() (*os.File, error) {
	if file, err := os.Open(RunningFile); err == nil {
		return file, nil
	}
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}
