package mutants

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
