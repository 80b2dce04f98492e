package mutants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// suite is a layer that is a set of tests.
type suite struct {
	layer Layer
	// pkgs are where the tests are; none means in the changed packages.
	pkgs []string
	// run and skip are the patterns of `go test`.
	run, skip string
	// simulated suites see nothing but what the simulator runs.
	simulated bool
	flags     []string
}

// What the documents show is the output of whole runs, which nearly every mutant
// changes: to notice that is no check of a rule.
var suites = []suite{
	{layer: Corpus, pkgs: []string{"./scenarios"}, run: "CorpusRuns", simulated: true},
	{layer: Properties, pkgs: []string{"./scenarios"}, run: ".", skip: "Corpus|Conform|Documentation", simulated: true, flags: []string{"-short"}},
	{layer: Conformance, pkgs: []string{"./scenarios"}, run: "Conform"},
	{layer: Unit, run: ".", skip: "Documentation", flags: []string{"-short"}},
}

var declaredTest = regexp.MustCompile(`(?m)^func (Test\w*)\(`)

// empty reports whether a suite has no test in the source.
func (s *suite) empty(root string) (bool, error) {
	run, skip := regexp.MustCompile(s.run), regexp.MustCompile(s.skip)
	if len(s.pkgs) == 0 {
		return false, nil
	}
	for _, pkg := range s.pkgs {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
		if err != nil {
			return false, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return false, err
			}
			for _, name := range declaredTest.FindAllStringSubmatch(string(text), -1) {
				if run.MatchString(name[1]) && !(s.skip != "" && skip.MatchString(name[1])) {
					return false, nil
				}
			}
		}
	}
	return true, nil
}

// testTimeout bounds one run of a suite: a mutant that makes something stand
// still is caught by it.
const testTimeout = 10 * time.Minute

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// controls are the suites as they run without a mutant. Each is run once, when
// it has caught something.
type controls struct {
	root string
	mu   sync.Mutex
	runs map[string]*control
}

// control is one suite in one package.
type control struct {
	once sync.Once
	by   string // the test that fails; empty if none does
	err  error
}

// check returns an error if a suite fails in a package without any mutant: what
// it says of a mutant is then worth nothing.
func (c *controls) check(ctx context.Context, s *suite, pkg string) error {
	key := string(s.layer) + " " + pkg
	c.mu.Lock()
	run := c.runs[key]
	if run == nil {
		run = new(control)
		c.runs[key] = run
	}
	c.mu.Unlock()
	run.once.Do(func() {
		ws, err := newWorkspace(c.root, nil)
		if err != nil {
			run.err = err
			return
		}
		defer ws.remove()
		run.by, run.err = ws.testPackage(ctx, s, pkg)
	})
	switch {
	case run.err != nil:
		return fmt.Errorf("%s without a mutant: %w", key, run.err)
	case run.by != "":
		return fmt.Errorf("%s of %s fails without a mutant as well", run.by, pkg)
	}
	return nil
}

// test runs a suite and returns how it caught the mutant; nil if it passes.
// changed are the packages that the mutant changes.
func (ws *workspace) test(ctx context.Context, s *suite, changed []string, without *controls) (*catch, error) {
	pkgs := s.pkgs
	if len(pkgs) == 0 {
		pkgs = changed
	}
	for _, pkg := range pkgs {
		by, err := ws.testPackage(ctx, s, pkg)
		if err != nil {
			return nil, err
		}
		if by != "" {
			if err := without.check(ctx, s, pkg); err != nil {
				return nil, err
			}
			return &catch{s.layer, by}, nil
		}
	}
	return nil, nil
}

// testPackage returns the test of a package that fails; empty if none does.
func (ws *workspace) testPackage(ctx context.Context, s *suite, pkg string) (string, error) {
	args := ws.overlaid([]string{"test", "-p=1", "-count=1", "-failfast", "-vet=off", "-timeout=" + testTimeout.String()})
	if s.run != "" {
		args = append(args, "-run="+s.run)
	}
	if s.skip != "" {
		args = append(args, "-skip="+s.skip)
	}
	args = append(append(args, s.flags...), pkg)
	out, err := ws.run(ctx, "go", args...)
	text := string(out)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil && strings.Contains(text, "no tests to run"):
		return "", fmt.Errorf("%s has no test that %q matches", pkg, s.run)
	case err == nil:
		return "", nil
	case !errors.As(err, &exit):
		return "", err
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return "", fmt.Errorf("it does not build:\n%s", text)
	}
	by := "the test process dies"
	if strings.Contains(text, "panic: test timed out") {
		by = "a test hangs"
	} else if names := failedTest.FindAllStringSubmatch(text, -1); len(names) > 0 {
		// Of a test and its subtests the last one named is the innermost.
		by = names[0][1]
		for _, n := range names {
			if strings.HasPrefix(n[1], by+"/") {
				by = n[1]
			}
		}
	}
	return by, nil
}
