package search

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Shrink makes a scenario that breaks a rule as small as it can: it works on
// the scenario and not on random bytes. It drops faults, acts, rollouts and
// hosts, resets what need not be set, fixes what need not be drawn, takes a
// smaller seed, and shortens and rounds times, as long as the same rule stays
// broken: the same checker finds a violation, and of a liveness rule or a
// panic one of the same kind (see [world.Violation.Kind]).
//
// Every change that is kept makes the scenario simpler by one measure: fewer
// lines, then fewer hosts, fewer settings, fewer draws, fewer characters, less
// time. So it ends, and what comes out does not depend on how many worlds run
// at a time.
type Shrink struct {
	// Executions bounds how many worlds are run. Default 2000.
	Executions int
	// Workers is how many worlds run at a time. Default one per processor.
	Workers int
	// Limit is how long a run may take, in wall time; 0 means no limit.
	Limit time.Duration
	// Options are those of every run. Until is not used.
	Options sim.Options
	// Each, if set, is called after every execution, by one goroutine at a
	// time.
	Each func(ShrinkProgress)

	// run is for tests, which run worlds that are broken on purpose.
	run func(scenario.Scenario, sim.Options) (check.Verdict, error)
}

// ShrinkProgress is how far a shrink has come.
type ShrinkProgress struct {
	// Executions is how many of Limit were used.
	Executions, Limit int
	// Lines and Hosts are those of the smallest scenario so far.
	Lines, Hosts int
}

// Shrunk is what a shrink has made of a scenario.
type Shrunk struct {
	// Scenario is the smallest that was found. It expects the violation, and
	// nothing else.
	Scenario scenario.Scenario
	// Violation is what running it ends with.
	Violation *world.Violation
	// Before and After are the lines of the scenario as it was given, and as
	// it is now, both as [scenario.Scenario.Brief] writes them, expectations included.
	Before, After int
	// Executions is how many worlds were run, the first one included. Worlds
	// that ran ahead and whose result was not needed are not counted, so it
	// does not depend on how many ran at a time.
	Executions int
	// Exhausted says that it ended because of the bound, or of the context,
	// and that more could be left out.
	Exhausted bool
	// Unended is a candidate that did not end; nil if all did.
	Unended *UnendedError
}

const defaultShrinkExecutions = 2000

// Run shrinks a scenario. The error says what is wrong with it, that running it
// breaks no rule, or that it did not end ([*UnendedError]). A context that ends
// ends the shrink, with what it has come to; so does a candidate that does not end.
func (o Shrink) Run(ctx context.Context, s scenario.Scenario) (Shrunk, error) {
	if o.Executions == 0 {
		o.Executions = defaultShrinkExecutions
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	switch {
	case o.Executions < 1:
		return Shrunk{}, fmt.Errorf("shrink: executions is %d; want at least 1", o.Executions)
	case o.Workers < 1:
		return Shrunk{}, fmt.Errorf("shrink: workers is %d; want at least 1", o.Workers)
	}
	if o.run == nil {
		o.run = func(s scenario.Scenario, options sim.Options) (check.Verdict, error) {
			return Run(ctx, s, options, o.Limit)
		}
	}
	o.Options.Until = 0
	first, err := o.run(s, o.Options)
	switch {
	case err != nil:
		return Shrunk{}, err
	case first.Violation == nil:
		return Shrunk{}, fmt.Errorf("shrink: the scenario breaks no rule")
	}
	r := &shrinking{Shrink: o, ctx: ctx, best: s.Clone(), violation: first.Violation, wanted: Kind(first.Violation), used: 1, tried: make(map[string]bool)}
	// A scenario that takes far longer to break is not simpler, whatever else
	// it is; and one that breaks nothing need not be run to its end.
	r.Options.Until = 2*first.Events + 5000
	r.best.Expects = nil // what the scenario was made for is not what it shows now
	tidy(&r.best)
	r.weight = weigh(&r.best)
	r.tried[r.best.Brief()] = true
	for r.round() {
	}
	r.best.Expects = []scenario.Expect{{Kind: scenario.ExpectViolation, Is: r.violation.Checker}}
	return Shrunk{
		Scenario: r.best, Violation: r.violation, Executions: r.used, Exhausted: r.over(), Unended: r.unended,
		Before: lineCount(&s), After: lineCount(&r.best),
	}, nil
}

func lineCount(s *scenario.Scenario) int { return strings.Count(s.Brief(), "\n") }

// edit changes a copy of a scenario. It reports false if there is nothing to
// change.
type edit func(*scenario.Scenario) bool

// shrinking is a shrink under way.
type shrinking struct {
	Shrink
	ctx       context.Context
	best      scenario.Scenario
	weight    weight
	violation *world.Violation // of best
	wanted    string           // its kind
	used      int
	tried     map[string]bool // by what Brief writes
	unended   *UnendedError   // the first candidate that did not end
}

// over reports whether nothing may be run any more.
func (r *shrinking) over() bool {
	return r.used >= r.Executions || r.ctx.Err() != nil || r.unended != nil
}

// candidate is a scenario that may be simpler.
type candidate struct {
	scenario scenario.Scenario
	text     string
	weight   weight
	edit     int // its place in the pass
	result   check.Verdict
	err      error
}

// pass tries edits of the best scenario, in order. When one is kept, the edits
// of what it has become are tried from the same place on. It reports whether
// any was kept.
func (r *shrinking) pass(edits func(*scenario.Scenario) []edit) (kept bool) {
	list := edits(&r.best)
	for at := 0; at < len(list) && !r.over(); {
		var batch []candidate
		for ; at < len(list) && len(batch) < min(r.Workers, r.Executions-r.used); at++ {
			if c, worthwhile := r.candidate(list[at], batch); worthwhile {
				c.edit = at
				batch = append(batch, c)
			}
		}
		r.runAll(batch)
		for i := range batch {
			c := &batch[i]
			r.used++
			r.tried[c.text] = true
			if unended, is := errors.AsType[*UnendedError](c.err); is && unended.Limit > 0 && r.unended == nil {
				r.unended = unended
			}
			same := c.err == nil && c.result.Violation != nil && Kind(c.result.Violation) == r.wanted
			if same {
				r.best, r.weight, r.violation = c.scenario, c.weight, c.result.Violation
			}
			if r.Each != nil {
				r.Each(ShrinkProgress{Executions: r.used, Limit: r.Executions, Lines: lineCount(&r.best), Hosts: r.best.Fleet.Hosts})
			}
			if same {
				kept, at = true, c.edit
				list = edits(&r.best)
				break
			}
		}
	}
	return kept
}

// candidate makes what an edit makes of the best scenario. It is not worthwhile
// if it is not simpler, if it is no scenario, or if it was tried already.
func (r *shrinking) candidate(e edit, batch []candidate) (candidate, bool) {
	s := r.best.Clone()
	if !e(&s) {
		return candidate{}, false
	}
	tidy(&s)
	filled := s.Filled()
	if filled.Validate() != nil || r.impatient(&filled) {
		return candidate{}, false
	}
	c := candidate{scenario: s, text: s.Brief(), weight: weigh(&s)}
	if c.weight.compare(r.weight) >= 0 || r.tried[c.text] ||
		slices.ContainsFunc(batch, func(other candidate) bool { return other.text == c.text }) {
		return candidate{}, false
	}
	return c, true
}

// impatient reports whether a scenario, with its defaults, gives the fleet less
// time to come to rest, where that is what is broken: anything is stuck if one
// does not wait.
func (r *shrinking) impatient(s *scenario.Scenario) bool {
	best := r.best.Filled()
	return strings.HasPrefix(r.wanted, "L") && s.Converge < min(best.Converge, patience)
}

// patience is long enough a time to come to rest in, whatever was given.
const patience = 2 * time.Hour

// runAll runs candidates side by side.
func (r *shrinking) runAll(batch []candidate) {
	if len(batch) == 1 {
		batch[0].result, batch[0].err = r.run(batch[0].scenario, r.Options)
		return
	}
	var workers sync.WaitGroup
	for i := range batch {
		workers.Go(func() { batch[i].result, batch[i].err = r.run(batch[i].scenario, r.Options) })
	}
	workers.Wait()
}

// round makes every pass once, and reports whether any edit was kept.
func (r *shrinking) round() (kept bool) {
	if r.over() {
		return false
	}
	kept = r.dropAll()
	for _, edits := range []func(*scenario.Scenario) []edit{
		editModels, editSeed, editRollouts, editFaults, editActs, editInstants, editDurations,
	} {
		kept = r.pass(edits) || kept
	}
	if kept {
		return true
	}
	// Nothing more to be had by one change. With other draws, or with a fault at
	// another time, less may break the same rule.
	return r.pass(withSmallSeeds(editDropOne)) || r.pass(withSmallSeeds(editModels)) || r.pass(withSmallSeeds(editRollouts)) ||
		r.pass(withNudges(editDropOne))
}
