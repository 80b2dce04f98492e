package mutants

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// Family says what kind of defect a mutant imitates.
type Family string

// The families.
const (
	// Deployed mutants have a defect of the deployed design.
	Deployed Family = "deployed"
	// Slip mutants have one that anybody may type.
	Slip Family = "slip"
)

// Mutant is a planted bug, as a file of testdata has it.
type Mutant struct {
	// Name is the name of the file, without its directory and ending.
	Name string
	// Imitates says in a sentence what the bug does.
	Imitates string
	Family   Family
	// CaughtBy is the first layer that is to catch it; a later one is a
	// weakness of the harness, and fails the scorecard.
	CaughtBy Layer
	// Edits are what is replaced, in order.
	Edits []Edit
}

// Edit replaces whole lines of one file.
type Edit struct {
	// File is its path from the root of the module, with slashes.
	File string
	// Old and New are lines, each with its newline. New may be empty.
	Old, New string
}

// Dir is where the mutants are, from the root of the module.
const Dir = "scenarios/mutants/testdata"

// between stands between the old and the new lines of an edit.
const between = "=>\n"

// Load reads the mutants of a directory, by name.
func Load(dir string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no mutants; want files that end in .txtar", dir)
	}
	var list []Mutant
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := Parse(strings.TrimSuffix(filepath.Base(file), ".txtar"), text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// Parse reads one mutant: a sentence, the lines "family:" and "caught by:", and
// for each edit a section that is named after the file and holds the old lines,
// a line "=>" and the new ones.
func Parse(name string, text []byte) (Mutant, error) {
	archive := txtar.Parse(text)
	m := Mutant{Name: name}
	var sentence []string
	for line := range strings.Lines(string(archive.Comment)) {
		line = strings.TrimSpace(line)
		if value, is := strings.CutPrefix(line, "family:"); is {
			m.Family = Family(strings.TrimSpace(value))
		} else if value, is := strings.CutPrefix(line, "caught by:"); is {
			m.CaughtBy = Layer(strings.TrimSpace(value))
		} else if line != "" {
			sentence = append(sentence, line)
		}
	}
	m.Imitates = strings.Join(sentence, " ")
	for _, f := range archive.Files {
		before, after, found := strings.Cut("\n"+string(f.Data), "\n"+between)
		if !found {
			return Mutant{}, fmt.Errorf("%s: want a line => between the old and the new lines", f.Name)
		}
		m.Edits = append(m.Edits, Edit{File: f.Name, Old: strings.TrimPrefix(before+"\n", "\n"), New: after})
	}
	return m, m.validate()
}

func (m *Mutant) validate() error {
	switch {
	case m.Imitates == "":
		return fmt.Errorf("it says nothing about itself; want a sentence at the top")
	case m.Family != Deployed && m.Family != Slip:
		return fmt.Errorf("family is %q; want %s or %s", m.Family, Deployed, Slip)
	case !slices.Contains(Layers, m.CaughtBy):
		return fmt.Errorf("caught by is %q; want one of %q", m.CaughtBy, Layers)
	case len(m.Edits) == 0:
		return fmt.Errorf("it replaces nothing; want a section that is named after a file")
	}
	for _, e := range m.Edits {
		switch {
		case strings.TrimSpace(e.Old) == "":
			return fmt.Errorf("%s: the old lines are empty; want at least one", e.File)
		case e.Old == e.New:
			return fmt.Errorf("%s: old and new lines are the same", e.File)
		case !strings.HasSuffix(e.File, ".go") || strings.HasSuffix(e.File, "_test.go") || !filepath.IsLocal(e.File):
			return fmt.Errorf("%s: want a Go file of the module that is no test", e.File)
		}
	}
	return nil
}

// Packages returns the directories of the packages that the mutant changes, in
// the order of its edits.
func (m *Mutant) Packages() []string {
	var list []string
	for _, e := range m.Edits {
		if dir := "./" + filepath.ToSlash(filepath.Dir(e.File)); !slices.Contains(list, dir) {
			list = append(list, dir)
		}
	}
	return list
}

// StaleError says that what a mutant replaces is not there, or not once.
type StaleError struct {
	File  string
	Times int
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("stale: the old lines occur %d times in %s; want once", e.Times, e.File)
}

// Apply returns the changed text of each file that the mutant changes. root is
// the root of the module. The error is a *[StaleError] if the old lines of an
// edit do not occur exactly once.
func (m *Mutant) Apply(root string) (map[string]string, error) {
	changed := make(map[string]string)
	for _, e := range m.Edits {
		text, known := changed[e.File]
		if !known {
			read, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File)))
			if err != nil {
				return nil, err
			}
			text = string(read)
		}
		// The newline in front of both keeps a match at the start of a line.
		text = "\n" + text
		if n := times(text, "\n"+e.Old); n != 1 {
			return nil, &StaleError{e.File, n}
		}
		changed[e.File] = strings.Replace(text, "\n"+e.Old, "\n"+e.New, 1)[1:]
	}
	return changed, nil
}

// times counts how often s occurs in a text, also where it overlaps itself: a
// line may follow its like.
func times(text, s string) (n int) {
	for {
		i := strings.Index(text, s)
		if i < 0 {
			return n
		}
		n++
		text = text[i+1:]
	}
}
