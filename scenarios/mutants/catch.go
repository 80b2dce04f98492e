package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Layer is a part of the harness that may catch a mutant.
type Layer string

// The layers.
const (
	// Simulation is a search over generated scenarios.
	Simulation Layer = "simulation"
	// Corpus are the scenario files that stay for good.
	Corpus Layer = "corpus"
	// Properties are the suites of generated operations in scenarios.
	Properties Layer = "properties"
	// Conformance plays what the simulator recorded against the real server.
	Conformance Layer = "conformance"
	// Unit are the tests of the package that the mutant changes.
	Unit Layer = "unit"
)

// Layers are the layers in the order in which a mutant meets them. What
// simulation is to catch is what concerns behaviour.
var Layers = []Layer{Simulation, Corpus, Properties, Conformance, Unit}

// suite is a layer that is a set of tests.
type suite struct {
	layer Layer
	// pkg is where the tests are; empty means in the changed package.
	pkg string
	// run and skip are the patterns of `go test`.
	run, skip string
}

var suites = []suite{
	{layer: Unit},
}

// testTimeout bounds one run of a suite: a mutant that makes something stand
// still is caught by it.
const testTimeout = 10 * time.Minute

// catch is how a layer caught a mutant.
type catch struct {
	layer Layer
	by    string // the checkers or the test
}

// hunt builds the mutant's simulator and searches with it.
func (ws *workspace) hunt(ctx context.Context, cfg *Config) (*Hunt, error) {
	binary, err := ws.build(ctx, "./scenarios/mutants/hunt")
	if err != nil {
		return nil, err
	}
	out, err := ws.run(ctx, binary, "-starts="+strconv.Itoa(cfg.Starts), "-seeds="+strconv.Itoa(cfg.Seeds))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("the search failed: %w\n%s", err, out)
	}
	var h Hunt
	if err := json.Unmarshal(out, &h); err != nil {
		return nil, fmt.Errorf("the search says nothing that can be read: %w\n%s", err, out)
	}
	return &h, nil
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// test runs a suite and returns how it caught the mutant; nil if it passes.
func (ws *workspace) test(ctx context.Context, s *suite, pkgs []string) (*catch, error) {
	args := ws.overlaid([]string{"test", "-p=1", "-count=1", "-failfast", "-vet=off", "-timeout=" + testTimeout.String()})
	if s.run != "" {
		args = append(args, "-run="+s.run)
	}
	if s.skip != "" {
		args = append(args, "-skip="+s.skip)
	}
	if s.pkg != "" {
		pkgs = []string{s.pkg}
	}
	out, err := ws.run(ctx, "go", append(args, pkgs...)...)
	text := string(out)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil && strings.Contains(text, "no tests to run"):
		return nil, fmt.Errorf("%s has no test that %q matches", strings.Join(pkgs, " "), s.run)
	case err == nil:
		return nil, nil
	case !errors.As(err, &exit):
		return nil, err
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		return nil, fmt.Errorf("it does not build:\n%s", text)
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
	return &catch{layer: s.layer, by: by}, nil
}

// simulated returns the packages that the simulator is made of, as directories
// from the root of the module.
func simulated(ctx context.Context, ws *workspace) ([]string, error) {
	const module = "github.com/refrain-fleet/refrain/"
	out, err := ws.run(ctx, "go", "list", "-deps", "./sim")
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, out)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if dir, is := strings.CutPrefix(strings.TrimSpace(line), module); is {
			list = append(list, "./"+dir)
		}
	}
	return list, nil
}

// reaches reports whether a mutant changes something that the simulator runs.
func reaches(m *Mutant, simulated []string) bool {
	return slices.ContainsFunc(m.Packages(), func(pkg string) bool { return slices.Contains(simulated, pkg) })
}
