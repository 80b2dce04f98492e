package sim

import (
	"fmt"
	"io"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// TraceFormat is the form of a trace.
type TraceFormat uint8

const (
	// TraceText is one line of text for most of what happens, for people.
	TraceText TraceFormat = iota
	// TraceJSON is one JSON object for each event, between a header and the
	// result, for programs: docs/simulation.md describes it.
	TraceJSON
)

// Options are how a scenario is run. None of them changes its hash.
type Options struct {
	// Wire encodes and decodes every document on its way, strictly.
	Wire bool
	// Trace takes the trace, from step TraceFrom on, in the form of TraceFormat.
	// TraceName is what a trace calls the scenario.
	Trace       io.Writer
	TraceFrom   uint64
	TraceFormat TraceFormat
	TraceName   string
	// Changes takes one line per change of a record's, a rollout's or a host's
	// state.
	Changes io.Writer
	// Record collects everything that a picture of the run needs.
	Record *record.Recorder
	// Progress, if set, keeps the last steps, for another goroutine to look at.
	Progress *record.Progress
	// Until ends the run after that step; 0 means never.
	Until uint64
	// Checkers are those to look after every step; nil means all of them.
	Checkers []check.Checker
	// Witness, if set, writes down what can be seen from outside.
	Witness *record.Witness
}

// Simulation is a run of a scenario that is judged: a world, and those who
// receive what happens in it.
type Simulation struct {
	*world.World
	checks *check.Checks
	json   *record.JSONTrace // nil if nothing wants one
}

// New makes a simulation. The error names what is wrong with the scenario.
func New(s scenario.Scenario, o Options) (*Simulation, error) {
	w, err := world.New(s, world.Options{Wire: o.Wire, Rest: check.Rest})
	if err != nil {
		return nil, err
	}
	run := &Simulation{World: w}
	if o.Trace != nil {
		switch o.TraceFormat {
		case TraceJSON:
			run.json = record.JSON(w, o.Trace, o.TraceFrom, o.TraceName)
		default:
			record.Text(w, o.Trace, o.TraceFrom)
		}
	}
	if o.Record != nil {
		o.Record.Attach(w)
	}
	if o.Progress != nil {
		o.Progress.Attach(w)
	}
	if o.Changes != nil {
		record.Changes(w, o.Changes)
	}
	if o.Witness != nil {
		o.Witness.Attach(w)
	}
	run.checks = check.Attach(w, o.Checkers)
	return run, nil
}

// Verdict returns how the run went so far.
func (s *Simulation) Verdict() check.Verdict { return s.checks.Verdict() }

// Run runs a scenario to its end. The error names what is wrong with the
// scenario; what is wrong with the run is in the verdict.
func Run(s scenario.Scenario, o Options) (check.Verdict, error) {
	run, err := New(s, o)
	if err != nil {
		return check.Verdict{}, err
	}
	run.Run(o.Until)
	v := run.Verdict()
	if run.json != nil {
		run.json.End(&v)
	}
	return v, nil
}

// DumpState runs a scenario to a step and returns the whole state of its world
// then, as [world.World.AppendDump] writes it. The error says what is wrong with the
// scenario, or at which step the run ends before.
func DumpState(s scenario.Scenario, o Options, step uint64) ([]byte, error) {
	w, err := New(s, o)
	if err != nil {
		return nil, err
	}
	if step > 0 {
		w.Run(step)
	}
	if w.Step() < step {
		return nil, fmt.Errorf("the run ends at step %d; want a step of 0 to that", w.Step())
	}
	return w.AppendDump(nil), nil
}
