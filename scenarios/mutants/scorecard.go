package mutants

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Config says how hard a scorecard tries.
type Config struct {
	// Workers is how many mutants are worked on at a time, at least 1.
	Workers int
	// Starts is from how many first seeds each mutant is searched for, at least
	// 1. The medians are over them, so it should be odd.
	Starts int
	// Seeds is how many seeds are run from each, each in every profile, at
	// least 1.
	Seeds int
	// Until is the last layer that mutants meet. Empty means all of them.
	Until Layer
	// Each, if set, is called once a mutant is done with, by one goroutine at
	// a time.
	Each func(*Result)
}

func (c *Config) validate() error {
	switch {
	case c.Workers < 1:
		return fmt.Errorf("workers is %d; want at least 1", c.Workers)
	case c.Starts < 1:
		return fmt.Errorf("starts is %d; want at least 1", c.Starts)
	case c.Seeds < 1:
		return fmt.Errorf("seeds is %d; want at least 1", c.Seeds)
	case c.Until != "" && !slices.Contains(Layers, c.Until):
		return fmt.Errorf("until is %q; want one of %q", c.Until, Layers)
	}
	return nil
}

// Verdict is what became of a mutant.
type Verdict string

// The verdicts. Every one but Caught fails the scorecard.
const (
	// Caught by the layer that was expected, or by an earlier one.
	Caught Verdict = "caught"
	// Late: caught, but by a later layer than expected.
	Late Verdict = "late"
	// Survived every layer.
	Survived Verdict = "survived"
	// Stale: what it replaces is not there, or not once.
	Stale Verdict = "stale"
	// Broken: it does not build, or could not be tried.
	Broken Verdict = "broken"
)

// Result is what became of one mutant.
type Result struct {
	Mutant  *Mutant
	Verdict Verdict
	// Layer and By say who caught it: the checkers, or the test.
	Layer Layer
	By    string
	// Hunt is the search, if there was one.
	Hunt *Hunt
	// Took is the wall time that the mutant took, builds included.
	Took time.Duration
	// Err says why it is stale or broken.
	Err error
}

// Scorecard is what became of all of them.
type Scorecard struct {
	Config  Config
	Results []Result // by name of the mutant
	// Control is the same search without any mutant; it must see nothing. What
	// it never brings about, a mutant need not either.
	Control Hunt
	// controls are the suites without any mutant, for the same reason.
	controls *controls
	// Untried are layers that no mutant met: those after Config.Until, and those
	// that the source has no tests of.
	Untried []Layer
	// Left is how many mutants were not tried, since the context ended.
	Left int
	Took time.Duration
}

// Good reports whether every mutant was caught as expected, and nothing else.
func (s *Scorecard) Good() bool {
	return s.Left == 0 && !s.Control.Hangs && s.Control.found() == 0 && !slices.ContainsFunc(s.Results, func(r Result) bool { return r.Verdict != Caught })
}

// Run puts mutants to the test. root is the root of the module. The error is
// one of the harness; what becomes of a mutant is a result. When ctx ends, the
// scorecard has those that were done by then.
func Run(ctx context.Context, root string, list []Mutant, cfg Config) (*Scorecard, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	started := time.Now()
	s := &Scorecard{Config: cfg, Results: make([]Result, len(list)), controls: &controls{root: root, runs: make(map[string]*control)}}
	tree, err := s.control(ctx, root, cfg)
	if err != nil {
		return nil, fmt.Errorf("without a mutant: %w", err)
	}
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := make(chan int)
	for range cfg.Workers {
		workers.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				r := s.try(ctx, root, &list[i], tree)
				if ctx.Err() != nil {
					continue // it was cut short
				}
				mu.Lock()
				s.Results[i] = r
				if cfg.Each != nil {
					cfg.Each(&r)
				}
				mu.Unlock()
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	workers.Wait()
	s.Took = time.Since(started)
	s.Left = len(list)
	s.Results = slices.DeleteFunc(s.Results, func(r Result) bool { return r.Mutant == nil })
	s.Left -= len(s.Results)
	return s, nil
}

// control searches without any mutant: whatever is seen then was not brought
// in by one. It returns the packages that the simulator is made of.
func (s *Scorecard) control(ctx context.Context, root string, cfg Config) ([]string, error) {
	ws, err := newWorkspace(root, nil)
	if err != nil {
		return nil, err
	}
	defer ws.remove()
	h, err := ws.hunt(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	s.Control = *h
	for i := range suites {
		empty, err := suites[i].empty(root)
		if err != nil {
			return nil, err
		}
		if empty || cfg.Until != "" && slices.Index(Layers, suites[i].layer) > slices.Index(Layers, cfg.Until) {
			s.Untried = append(s.Untried, suites[i].layer)
		}
	}
	return simulated(ctx, ws)
}

// try puts one mutant to the test, layer after layer, until one catches it.
// simulated are the packages that the simulator is made of.
func (s *Scorecard) try(ctx context.Context, root string, m *Mutant, simulated []string) (r Result) {
	started := time.Now()
	r = Result{Mutant: m}
	defer func() { r.Took = time.Since(started) }()
	ws, err := newWorkspace(root, m)
	if err != nil {
		r.Verdict, r.Err = Broken, err
		if stale := new(StaleError); errors.As(err, &stale) {
			r.Verdict = Stale
		}
		return r
	}
	defer ws.remove()
	c, err := s.meet(ctx, ws, &r, reaches(m, simulated))
	switch {
	case err != nil:
		r.Verdict, r.Err = Broken, err
	case c == nil:
		r.Verdict = Survived
	default:
		r.Verdict, r.Layer, r.By = Caught, c.layer, c.by
		if slices.Index(Layers, c.layer) > slices.Index(Layers, m.CaughtBy) {
			r.Verdict = Late
		}
	}
	return r
}

func (s *Scorecard) meet(ctx context.Context, ws *workspace, r *Result, simulated bool) (*catch, error) {
	if simulated {
		h, err := ws.hunt(ctx, &s.Config)
		if err != nil {
			return nil, err
		}
		r.Hunt = h
		if by := h.caughtBy(&s.Control); by != "" {
			return &catch{Simulation, by}, nil
		}
	}
	for i := range suites {
		if suites[i].simulated && !simulated || slices.Contains(s.Untried, suites[i].layer) {
			continue
		}
		if c, err := ws.test(ctx, &suites[i], r.Mutant.Packages(), s.controls); c != nil || err != nil {
			return c, err
		}
	}
	return nil, nil
}
