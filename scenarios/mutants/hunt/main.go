// Hunt looks for a violation as `refrain sim search` does, on one thread, from
// several first seeds, and says how many runs and events it took from each. It
// is built once for every mutant, so it links little but the simulator.
//
// It refuses to say whether what it found is good or bad: package mutants does.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/refrain-fleet/refrain/scenarios/mutants"
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

func main() {
	starts := flag.Int("starts", 5, "from how many first seeds")
	seeds := flag.Uint64("seeds", 300, "how many seeds from each, each in every profile")
	flag.Parse()
	// A run takes a few milliseconds. One that takes minutes is in a step that
	// does not come to its end, and cannot be told to stop.
	watchdog = time.AfterFunc(hangs, func() { finish(mutants.Hunt{Hangs: true}) })
	var effects scenario.Effects
	var hunted mutants.Hunt
	seen := false
	for start := range *starts {
		s := hunt(mutants.FirstSeed(start), *seeds, &effects)
		seen = seen || s.Checker != ""
		hunted.Sightings = append(hunted.Sightings, s)
	}
	if !seen {
		hunted.Seen = make(map[string]uint64)
		for e, n := range effects {
			hunted.Seen[scenario.Effect(e).String()] = n
		}
	}
	watchdog.Stop()
	finish(hunted)
}

const hangs = 3 * time.Minute

var watchdog *time.Timer

// finish says what was found and ends the process.
func finish(hunted mutants.Hunt) {
	if err := json.NewEncoder(os.Stdout).Encode(hunted); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(0)
}

// mostEvents is how many events a run may have: many times as many as any that
// comes to its end.
const mostEvents = 2_000_000

// hunt runs seeds from first on, each in every profile, until a run breaks a
// rule.
func hunt(first, seeds uint64, effects *scenario.Effects) mutants.Sighting {
	s := mutants.Sighting{First: first}
	for seed := first; seed < first+seeds; seed++ {
		for _, profile := range generate.Profiles() {
			watchdog.Reset(hangs)
			result, err := sim.Run(generate.Scenario(seed, profile), sim.Options{Until: mostEvents})
			s.Runs++
			s.Events += result.Events
			for i, n := range result.Effects {
				effects[i] += n
			}
			switch {
			case err != nil:
				s.Checker, s.Detail = "ERROR", err.Error()
			case result.Violation != nil:
				s.Checker, s.Detail = result.Violation.Checker, result.Violation.Detail
			case !result.Ended:
				s.Checker, s.Detail = mutants.Endless, fmt.Sprintf("the run has not ended after %d events", result.Events)
			default:
				continue
			}
			s.Seed, s.Profile = seed, profile.Name
			return s
		}
	}
	return s
}
