package failure_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/internal/failure"
)

// failing lets [TestSubject] fail, in a process of its own.
const failing = "FAILURE_SUBJECT_FAILS"

// TestSubject is a property that fails and keeps what it drew.
func TestSubject(t *testing.T) {
	if os.Getenv(failing) == "" {
		t.Skip("is run by the other tests, in processes of their own")
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text")
		path, err := failure.Keep(t, "drawn.txt", "drawn: "+text)
		if err != nil {
			t.Fatal(err)
		}
		rt.Fatalf("kept %s", path)
	})
}

var keptLine = regexp.MustCompile(`kept (\S+)`)

// runSubject runs the subject in a new directory with a new directory for
// temporary files, and returns the directories, what it printed and the file that
// it kept.
func runSubject(t *testing.T, temporary string, args ...string) (cwd, out, kept string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cwd = t.TempDir()
	command := exec.CommandContext(t.Context(), self, append([]string{"-test.run=^TestSubject$"}, args...)...)
	command.Dir = cwd
	command.Env = append(os.Environ(), failing+"=1", "TMPDIR="+temporary)
	text, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		t.Fatalf("the subject does not fail: %v\n%s", err, text)
	}
	found := keptLine.FindSubmatch(text)
	if found == nil {
		t.Fatalf("it names no file:\n%s", text)
	}
	kept = string(found[1])
	if content, err := os.ReadFile(kept); err != nil || string(content) != "drawn: " {
		t.Fatalf("%s has %q, %v; want the smallest text that was drawn\n%s", kept, content, err, text)
	}
	return cwd, string(text), kept
}

func TestKeep_FilesOutliveTheProcessAndAreOfOneRun(t *testing.T) {
	temporary := t.TempDir()
	cwd, out, first := runSubject(t, temporary)
	_, _, second := runSubject(t, temporary)
	if first == second || !strings.HasPrefix(first, temporary) || !strings.HasPrefix(second, temporary) {
		t.Errorf("two runs keep %s and %s; want two files below %s", first, second, temporary)
	}
	if entries, err := os.ReadDir(cwd); err != nil || len(entries) > 0 {
		t.Errorf("the directory of the source has %v, %v; want nothing", entries, err)
	}
	if !strings.Contains(out, "-rapid.seed=") {
		t.Errorf("no seed draws the same again:\n%s", out)
	}
	if dirs, err := os.ReadDir(temporary); err != nil || len(dirs) != 2 {
		t.Errorf("two runs left %v, %v; want one directory each", dirs, err)
	}
}

func TestKeep_ArtifactsAreWhereGoTestWantsThem(t *testing.T) {
	temporary := t.TempDir()
	cwd, _, kept := runSubject(t, temporary, "-test.artifacts")
	if !strings.HasPrefix(kept, filepath.Join(cwd, "_artifacts")) {
		t.Errorf("it is %s; want it below %s", kept, filepath.Join(cwd, "_artifacts"))
	}
	if dirs, err := os.ReadDir(temporary); err != nil || len(dirs) > 0 {
		t.Errorf("beside the artifacts it left %v, %v", dirs, err)
	}
}

func TestFlags_RapidWritesItsOwnFileIfAskedTo(t *testing.T) {
	cwd, _, _ := runSubject(t, t.TempDir(), "-rapid.nofailfile=false")
	if files, err := filepath.Glob(filepath.Join(cwd, "testdata/rapid/TestSubject/*.fail")); err != nil || len(files) != 1 {
		t.Errorf("fail files: %v, %v; want one", files, err)
	}
}
