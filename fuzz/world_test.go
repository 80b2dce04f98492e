package fuzz

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/internal/failure"
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The bounds of the worlds of FuzzWorld. The sizes keep an input to
// milliseconds. The times are those that generated scenarios have: beyond them
// a fleet need not come to rest, since, for instance, no answer ever arrives in
// time.
const (
	maxHosts  = 6
	maxLines  = 8 // faults; also acts
	maxSteps  = 200_000
	maxActive = 20 * time.Minute
	converge  = 3 * time.Hour
)

// What somebody has written runs through a small world, with every checker
// looking on: no rule may break, whatever the text says.
func FuzzWorld(f *testing.F) {
	scenarioSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		s := bounded(readable(t, text))
		result, err := sim.Run(s, sim.Options{Until: maxSteps})
		if err != nil {
			return // the bounds have made it one that nobody may run
		}
		if result.Violation != nil {
			t.Fatalf("%v\n%s", result.Violation, reproduction(t, s))
		}
	})
}

// readable is the scenario of the lines that can be read, one after the other:
// nearly every change to a text spoils one of its lines, and the others are
// still worth a run.
func readable(t *testing.T, text string) scenario.Scenario {
	t.Helper()
	lines := slices.Collect(strings.Lines(text))
	lines = lines[:min(len(lines), 40)]
	kept := "fleet 2\n"
	if i := slices.IndexFunc(lines, isFleet); i >= 0 {
		kept = strings.TrimRight(lines[i], "\n") + "\n"
	}
	for _, line := range lines {
		if longer := kept + strings.TrimRight(line, "\n") + "\n"; !isFleet(line) {
			if _, err := scenario.ParseScenario(longer); err == nil {
				kept = longer
			}
		}
	}
	s, err := scenario.ParseScenario(kept)
	if err != nil {
		t.Fatalf("the lines that could be read one after the other cannot be read together: %v\n%s", err, kept)
	}
	return s
}

// isFleet reports whether a line is a scenario by itself: nothing else is.
func isFleet(line string) bool {
	_, err := scenario.ParseScenario(line)
	return err == nil
}

// bounded is the scenario within the bounds.
func bounded(s scenario.Scenario) scenario.Scenario {
	s.Start, s.Expects = scenario.Start{}, nil // what somebody expects is no rule
	// What is left out has its default, which is within the bounds.
	clamp := func(d *time.Duration, low, high time.Duration) {
		if *d != 0 {
			*d = min(max(*d, low), high)
		}
	}
	clampRange := func(r *scenario.Range, high time.Duration) {
		r.Max = min(r.Max, high)
		r.Min = min(r.Min, r.Max)
	}
	count := func(n *int, low, high int) {
		if *n != 0 {
			*n = min(max(*n, low), high)
		}
	}
	f := &s.Fleet
	f.Hosts = min(f.Hosts, maxHosts)
	f.Hostile = min(f.Hostile, f.Hosts/2)
	f.Legacy = min(f.Legacy, f.Hosts-f.Hostile)
	f.Interval = f.Interval.Truncate(time.Second)
	clamp(&f.Interval, 20*time.Second, 2*time.Minute)
	clamp(&f.ProbeInterval, 10*time.Second, time.Minute)
	clamp(&f.Sustained, 30*time.Second, 5*time.Minute)
	clampRange(&f.Activation, 2*time.Minute)
	p := &s.Plane
	count(&p.Capacity, 4, 1024)
	count(&p.Batch, 1, 256)
	clamp(&p.ReplyTimeout, 500*time.Millisecond, 8*time.Second)
	clamp(&p.Service, time.Nanosecond, 200*time.Millisecond)
	clamp(&p.Start, time.Millisecond, 3*time.Second)
	clampRange(&p.Commit, time.Second)
	n := &s.Network
	count(&n.Loss, 0, 60)
	count(&n.Dup, 0, 60)
	clampRange(&n.Delay, 2*time.Second)

	s.Rollouts = slices.Clone(s.Rollouts)
	// A host that follows two channels takes turns on their targets for ever.
	s.Rollouts = slices.DeleteFunc(s.Rollouts, func(r scenario.Rollout) bool { return r.ID.Channel() != s.Rollouts[0].ID.Channel() })
	s.Rollouts = s.Rollouts[:min(len(s.Rollouts), 3)]
	for i := range s.Rollouts {
		r := &s.Rollouts[i]
		r.At = min(r.At, maxActive/2)
		r.Waves = slices.Clone(r.Waves[:min(len(r.Waves), 3)])
		for j := range r.Waves {
			r.Waves[j] = min(r.Waves[j], 5*time.Minute)
		}
	}
	s.Acts = slices.Clone(s.Acts[:min(len(s.Acts), maxLines)])
	for i := range s.Acts {
		a := &s.Acts[i]
		a.At, a.For = min(a.At, maxActive), min(a.For, 5*time.Minute)
	}
	s.Active = min(s.Active, maxActive)
	s.Faults = slices.Clone(s.Faults[:min(len(s.Faults), maxLines)])
	for i := range s.Faults {
		boundFault(&s.Faults[i])
	}
	if s.Active > 0 {
		s.Faults = slices.DeleteFunc(s.Faults, func(f scenario.Fault) bool { return f.At >= s.Active })
	}
	s.Converge = converge
	return s
}

// boundFault puts a fault within the bounds.
func boundFault(f *scenario.Fault) {
	f.At, f.For, f.Count = min(f.At, maxActive-time.Minute), min(f.For, 4*time.Minute), min(f.Count, 8)
	f.Hosts.Last = min(f.Hosts.Last, maxHosts)
	f.Hosts.First = min(f.Hosts.First, f.Hosts.Last)
	switch f.Kind {
	case scenario.ClockSkew:
		f.Each = min(max(f.Each, -30*time.Hour), 90*time.Minute)
	case scenario.PlaneClock:
		f.Each = min(max(f.Each, -2*time.Hour), 2*time.Hour)
	case scenario.ClockDrift:
		f.Rate = min(max(f.Rate, -10_000), 10_000)
	case scenario.ActivationSlow:
		f.Each = min(f.Each, 4*time.Minute)
	default:
		f.Each = min(f.Each, 15*time.Second)
	}
}

// reproduction writes a scenario to a file and says how to run it again, and
// what the run holds for. The file of a smaller input replaces that of a larger.
func reproduction(t *testing.T, s scenario.Scenario) string {
	path, err := failure.Keep(t, "FuzzWorld.scenario", s.String())
	if err != nil {
		path = "FILE" // the text is in the message, for whoever can write it down
	}
	return fmt.Sprintf("\n%s\nagain     %s\n", s, repro.Again("refrain sim run "+path))
}
