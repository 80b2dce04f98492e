package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

//go:embed testdata/*.scenario testdata/regressions
var corpusFiles embed.FS

// Suffix is that of scenario files.
const Suffix = ".scenario"

// Corpus returns every scenario file of the corpus, by name: first those of
// one behaviour each, then the regressions. The name of a file is its path
// from the root of the repository. The error has everything that is wrong.
func Corpus() ([]*scenario.File, error) {
	var files []*scenario.File
	var wrong error
	err := fs.WalkDir(corpusFiles, "testdata", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, Suffix) {
			return err
		}
		text, err := corpusFiles.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := scenario.ParseFile("scenarios/"+name, string(text))
		if err != nil {
			wrong = errors.Join(wrong, err)
			return nil
		}
		files = append(files, f)
		return nil
	})
	slices.SortStableFunc(files, func(a, b *scenario.File) int {
		return strings.Compare(path.Dir(a.Name)+" "+a.Name, path.Dir(b.Name)+" "+b.Name)
	})
	return files, errors.Join(err, wrong)
}

// Judge compares a run of a file with what the file wants. It returns nothing
// if the run is as it should be, and else a line for each thing that is not,
// with its place. A fault that never took effect makes a file stale: it does
// not put to the test what it says it does.
func Judge(f *scenario.File, r *check.Verdict) []string {
	var wrong []string
	at := func(line int, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s:%d: ", f.Name, line)+fmt.Sprintf(format, args...))
	}
	if r.Violation != nil && !r.Expected {
		at(1, "violated: %v", r.Violation)
	}
	for i := range r.Unmet {
		at(f.ExpectLine(r.Unmet[i].Index), "unmet: %v", &r.Unmet[i])
	}
	for i, times := range r.Reached {
		if times == 0 {
			at(f.FaultLine(i), "stale: %q never took effect", f.Scenario.Faults[i].String())
		}
	}
	return wrong
}
