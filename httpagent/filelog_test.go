package httpagent

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func containsAll(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}

// logOnDisk is a log and what it had to say.
type logOnDisk struct {
	*FileLog
	notices *lockedBuffer
}

// openLog opens the log at path and loads it.
func openLog(t testing.TB, path string) (log *logOnDisk, lines string) {
	t.Helper()
	notices := new(lockedBuffer)
	file := must(OpenFileLog(path, slog.New(slog.NewTextHandler(notices, nil))))(t)
	t.Cleanup(func() { file.Close() })
	return &logOnDisk{file, notices}, string(must(file.Load())(t))
}

func (l *logOnDisk) mustAppend(t testing.TB, lines string) {
	t.Helper()
	if err := l.Append([]byte(lines), true); err != nil {
		t.Fatal(err)
	}
}

func onlyFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	var names []string
	for _, e := range must(os.ReadDir(dir))(t) {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("the directory has %q, want %q", names, want)
	}
}

func TestALogKeepsItsLines(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.log")
	log, lines := openLog(t, path)
	if lines != "" {
		t.Errorf("a new log has %q", lines)
	}
	log.mustAppend(t, "one\ntwo\n")
	if err := log.Append([]byte("a hint\n"), false); err != nil {
		t.Fatal(err)
	}
	if got := string(must(log.Load())(t)); got != "one\ntwo\na hint\n" {
		t.Errorf("loaded %q", got)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log, lines = openLog(t, path)
	if lines != "one\ntwo\na hint\n" {
		t.Errorf("loaded %q", lines)
	}
	if err := log.Replace([]byte("three\n")); err != nil {
		t.Fatal(err)
	}
	log.mustAppend(t, "four\n")
	log.Close()
	if log, lines = openLog(t, path); lines != "three\nfour\n" || log.notices.String() != "" {
		t.Errorf("loaded %q\n%s", lines, log.notices)
	}
	onlyFiles(t, dir, "agent.log", "agent.log.lock")
	for _, name := range []string{"agent.log", "agent.log.lock"} {
		if mode := must(os.Stat(filepath.Join(dir, name)))(t).Mode(); mode != 0o600 {
			t.Errorf("%s has mode %v", name, mode)
		}
	}
}

func TestWhatACrashHasTornIsCutOff(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"nothing", "one\ntwo\n", "one\ntwo\n"},
		{"half a line", "one\ntwo\nthr", "one\ntwo\n"},
		{"a line without its end", "one\ntwo", "one\n"},
		{"the first line", "on", ""},
		{"a page that was not written", "one\n\x00\x00\x00ree\nfour\n", "one\n"},
		{"the rest of a page", "one\ntw\x00\x00\x00\nfour\n", "one\n"},
		{"a file that grew before it was written", "one\n\x00\x00", "one\n"},
		{"all of it", "\x00\x00\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "agent.log")
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			log, lines := openLog(t, path)
			if lines != test.want {
				t.Errorf("loaded %q, want %q", lines, test.want)
			}
			if torn := test.file != test.want; log.notices.has("truncated an incomplete line") != torn {
				t.Errorf("the notice is %q", log.notices)
			}
			log.mustAppend(t, "next\n")
			log.Close()
			if got := string(must(os.ReadFile(path))(t)); got != test.want+"next\n" {
				t.Errorf("the file is %q", got)
			}
		})
	}
}

// Whatever byte a crash cuts the log of a whole rollout at, an agent comes up
// from it.
func TestEveryPrefixOfALogIsALog(t *testing.T) {
	r := newRig(t)
	path := r.onDisk()
	r.dispatching(dispatch("edge@1", "c1", 0), nil)
	r.begin()
	r.until("converged", r.reaches(wire.Converged))
	if err := r.halt(); err != nil {
		t.Fatal(err)
	}
	whole := must(os.ReadFile(path))(t)
	if bytes.Count(whole, []byte("\n")) < len(smooth) {
		t.Fatalf("the log is\n%s", whole)
	}
	for n := range whole {
		lines := whole[:agent.WholeLines(whole[:n])]
		a, err := agent.Restore(r.cfg.Agent, lines)
		if err != nil {
			t.Fatalf("cut at byte %d: %v", n, err)
		}
		if err := a.Check(); err != nil {
			t.Fatalf("cut at byte %d: %v", n, err)
		}
	}
}

func TestTwoAgentsNeverShareALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	log, _ := openLog(t, path)
	if _, err := OpenFileLog(path, nil); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second one: %v", err)
	}
	// Compaction puts another file in its place; the lock stays.
	if err := log.Replace([]byte("one\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFileLog(path, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one after a compaction: %v", err)
	}
	log.Close()
	if err := must(OpenFileLog(path, nil))(t).Close(); err != nil {
		t.Error(err)
	}
}

func TestALogThatFailedTakesNothingUntilItIsLoadedAgain(t *testing.T) {
	broken := errors.New("the disk is broken")
	for _, test := range []struct {
		name  string
		write func(*logOnDisk) error
		file  bool // the sync of the file fails, not that of the directory
		lines []string
		open  bool // it takes lines still
	}{
		// Whether the lines of a failed append are there is open.
		{"append", func(l *logOnDisk) error { return l.Append([]byte("two\n"), true) }, true, []string{"one\n", "one\ntwo\n"}, false},
		{"a replacement that was not written", func(l *logOnDisk) error { return l.Replace([]byte("new\n")) }, true, []string{"one\n"}, true},
		{"a replacement whose name is not durable", func(l *logOnDisk) error { return l.Replace([]byte("new\n")) }, false, []string{"new\n"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "agent.log")
			log, _ := openLog(t, path)
			log.mustAppend(t, "one\n")
			log.sync = func(file *os.File) error {
				if info, err := file.Stat(); err != nil || info.IsDir() == test.file {
					return err
				}
				return broken
			}
			if err := test.write(log); !errors.Is(err, broken) {
				t.Errorf("it failed with %v", err)
			}
			if !test.open {
				if err := log.Append([]byte("three\n"), false); !errors.Is(err, errNotLoaded) {
					t.Errorf("an append after the failure: %v", err)
				}
				if err := log.Replace([]byte("three\n")); !errors.Is(err, errNotLoaded) {
					t.Errorf("a replacement after the failure: %v", err)
				}
				if _, err := log.Load(); !errors.Is(err, broken) {
					t.Errorf("loaded while the disk is broken: %v", err)
				}
			}
			log.sync = (*os.File).Sync
			lines := string(must(log.Load())(t))
			if !slices.Contains(test.lines, lines) {
				t.Errorf("loaded %q, want one of %q", lines, test.lines)
			}
			log.mustAppend(t, "four\n")
			if got := string(must(os.ReadFile(path))(t)); got != lines+"four\n" {
				t.Errorf("the file is %q", got)
			}
			onlyFiles(t, dir, "agent.log", "agent.log.lock")
		})
	}
}

func TestALogSaysWhereItCannotBe(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenFileLog("", nil); err == nil || !strings.Contains(err.Error(), "the path is empty") {
		t.Errorf("no path: %v", err)
	}
	if _, err := OpenFileLog(filepath.Join(dir, "nowhere", "agent.log"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	log, _ := openLog(t, filepath.Join(dir, "agent.log"))
	log.Close()
	if err := log.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := log.Load(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("loaded after it was closed: %v", err)
	}
}
