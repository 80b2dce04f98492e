package mutants_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"github.com/refrain-fleet/refrain/scenarios/mutants"
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

func planted(t *testing.T) (root string, list []mutants.Mutant) {
	t.Helper()
	root, err := mutants.Root()
	if err != nil {
		t.Fatal(err)
	}
	if list, err = mutants.Load("testdata"); err != nil {
		t.Fatal(err)
	}
	return root, list
}

func TestThereAreManyMutantsOfBothFamilies(t *testing.T) {
	_, list := planted(t)
	count := make(map[mutants.Family]int)
	changed := make(map[string]int)
	for _, m := range list {
		count[m.Family]++
		for _, pkg := range m.Packages() {
			changed[pkg]++
		}
	}
	if count[mutants.Deployed] < 10 || count[mutants.Slip] < 50 {
		t.Errorf("%d mutants imitate the deployed design and %d are slips; want at least 10 and 50", count[mutants.Deployed], count[mutants.Slip])
	}
	for _, pkg := range []string{"./core/gate", "./core/rollout", "./core/plane", "./core/agent", "./httpserver"} {
		if changed[pkg] < 5 {
			t.Errorf("%d mutants change %s; want at least 5", changed[pkg], pkg)
		}
	}
}

// Whatever is stale or does not compile is found here, without building
// anything: each changed package is type-checked against its imports.
func TestEveryMutantAppliesOnceAndCompiles(t *testing.T) {
	root, list := planted(t)
	var dirs []string
	for _, m := range list {
		for _, pkg := range m.Packages() {
			if !slices.Contains(dirs, pkg) {
				dirs = append(dirs, pkg)
			}
		}
	}
	loaded, err := packages.Load(&packages.Config{
		Dir:  root,
		Mode: packages.LoadSyntax,
	}, dirs...)
	if err != nil {
		t.Fatal(err)
	}
	if packages.PrintErrors(loaded) > 0 || len(loaded) != len(dirs) {
		t.Fatalf("%d of %d packages can be loaded", len(loaded), len(dirs))
	}
	for _, m := range list {
		changed, err := m.Apply(root)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		checked := make(map[string]bool)
		for _, pkg := range loaded {
			if err := typeCheck(root, pkg, changed, checked); err != nil {
				t.Errorf("%s: %v", m.Name, err)
			}
		}
		for file := range changed {
			if !checked[file] {
				t.Errorf("%s: %s is part of no package here", m.Name, file)
			}
		}
	}
}

// typeCheck checks a package if a mutant changes one of its files, and notes
// which.
func typeCheck(root string, pkg *packages.Package, changed map[string]string, checked map[string]bool) error {
	fset := token.NewFileSet()
	var files []*ast.File
	touched := false
	for _, file := range pkg.CompiledGoFiles {
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		var source any
		if text, is := changed[filepath.ToSlash(relative)]; is {
			source, touched = text, true
			checked[filepath.ToSlash(relative)] = true
		}
		parsed, err := parser.ParseFile(fset, file, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, parsed)
	}
	if !touched {
		return nil
	}
	config := types.Config{Importer: imports(pkg.Types.Imports()), Sizes: pkg.TypesSizes}
	_, err := config.Check(pkg.PkgPath, fset, files, nil)
	return err
}

// imports are the packages that a package imports, with their types.
type imports []*types.Package

func (list imports) Import(path string) (*types.Package, error) {
	for _, pkg := range list {
		if pkg.Path() == path {
			return pkg, nil
		}
	}
	return nil, fmt.Errorf("%s is not among the imports of the package as it is; a mutant may not add one", path)
}

// A scenario beside a mutant shows what the mutant breaks, so without it nothing
// may be broken.
func TestAScenarioBesideAMutantPassesWithoutIt(t *testing.T) {
	_, list := planted(t)
	files, err := filepath.Glob("testdata/*.scenario")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".scenario")
		if !slices.ContainsFunc(list, func(m mutants.Mutant) bool { return m.Name == name }) {
			t.Errorf("%s: there is no such mutant", file)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scenario, err := scenario.ParseScenario(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if result, err := sim.Run(scenario, sim.Options{}); err != nil || result.Violation != nil || !result.Ended {
			t.Errorf("%s: %v %v", file, err, result.Violation)
		}
	}
}

// A few mutants are really planted, so that nothing between a file and its
// verdict can rot: one of the deployed design and one of each package, which a
// search sees within a few runs.
func TestAHandfulOfMutantsIsCaught(t *testing.T) {
	root, list := planted(t)
	handful := []string{
		"deployed-acknowledges-before-applying", "gate-cap-off-by-one", "record-duplicate-check-missing",
		"plane-replay-from-off-by-one", "agent-starts-at-once",
	}
	if testing.Short() {
		handful = handful[:1]
	}
	chosen := slices.DeleteFunc(list, func(m mutants.Mutant) bool { return !slices.Contains(handful, m.Name) })
	if len(chosen) != len(handful) {
		t.Fatalf("%d of the mutants %q are there", len(chosen), handful)
	}
	card, err := mutants.Run(t.Context(), root, chosen, mutants.Config{Workers: 2, Starts: 1, Seeds: 60})
	if err != nil {
		t.Fatal(err)
	}
	if !card.Good() {
		t.Errorf("not every mutant is caught as expected")
	}
	if err := card.Write(t.Output()); err != nil {
		t.Fatal(err)
	}
}
