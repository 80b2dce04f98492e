package repro

import (
	"fmt"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// Again is the last line of whatever is said about a run that failed: the
// command that makes the same run again, and the build for which that holds. As
// a whole it is a line for a shell, since the build follows a '#'.
func Again(command string) string { return command + "  # build " + Build() }

// RunSeed is the command that runs what a seed draws in a profile.
func RunSeed(seed uint64, profile string) string {
	return fmt.Sprintf("refrain sim run --seed %d --profile %s", seed, profile)
}

// RunTest is the command that runs one test of a package of this module, for
// instance "./sim".
func RunTest(pkg, name string) string {
	return fmt.Sprintf("go test %s -count=1 -run '^%s$'", pkg, strings.ReplaceAll(name, "/", "$/^"))
}

// Build is what a trace hash, and which scenario a seed draws, hold for: the
// commit, the compiler and the platform. A binary knows its commit from the
// compiler; a test's does not, and asks git.
func Build() string {
	return revision() + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

const revisionLength = 12

var revision = sync.OnceValue(func() string {
	info, _ := debug.ReadBuildInfo()
	rev, changed := stamped(info)
	switch {
	case rev == "" && !testing.Testing():
		return "unknown" // what is checked out where it runs says nothing
	case rev == "":
		out, err := exec.Command("git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+changes").Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	rev = rev[:min(revisionLength, len(rev))]
	if changed {
		rev += "+changes"
	}
	return rev
})

// stamped is the commit that the compiler left in a binary, and whether there
// were changes to it; info may be nil.
func stamped(info *debug.BuildInfo) (revision string, changed bool) {
	if info == nil {
		return "", false
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			changed = s.Value == "true"
		}
	}
	return revision, changed
}
