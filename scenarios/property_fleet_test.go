package scenarios_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// between draws a duration in whole grains, both bounds included.
func between(t *rapid.T, label string, low, high, grain time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(int64(low/grain), int64(high/grain)).Draw(t, label)) * grain
}

// number draws a number, both bounds included.
func number(t *rapid.T, label string, low, high int) int {
	return rapid.IntRange(low, high).Draw(t, label)
}

// within draws a range of durations.
func within(t *rapid.T, label string, low, high, grain time.Duration) scenario.Range {
	lo := between(t, label+" min", low, high, grain)
	return scenario.Range{Min: lo, Max: between(t, label+" max", lo, high, grain)}
}

// someHosts draws a run of hosts, all of them every other time.
func someHosts(t *rapid.T, label string, hosts int) scenario.Hosts {
	if rapid.Bool().Draw(t, label+" all") {
		return scenario.Hosts{}
	}
	first := number(t, label+" first", 1, hosts)
	return scenario.Hosts{First: first, Last: number(t, label+" last", first, hosts)}
}

// Bounds of what is drawn. They keep a scenario to milliseconds, and so close
// that the parts of a rollout are dense: a fault that comes at any time meets
// something.
const (
	firstRollout = 20 * time.Second // the latest that a first rollout opens
	busy         = 2 * time.Minute  // for how long after that much goes on
)

// drawFleet draws a fleet in which nothing goes wrong: every host is in one
// rollout and reaches its target.
func drawFleet(t *rapid.T, hosts int) scenario.Scenario {
	s := scenario.Scenario{
		Seed: rapid.Uint64().Draw(t, "seed"),
		Fleet: scenario.Fleet{
			Hosts:         hosts,
			Interval:      between(t, "interval", 5*time.Second, 30*time.Second, time.Second),
			Probes:        []int{-1, 1, 2}[number(t, "probes", 0, 2)],
			ProbeInterval: between(t, "probe interval", 5*time.Second, 30*time.Second, time.Second),
			Activation:    within(t, "activation", time.Second, 30*time.Second, time.Second),
		},
		Network:  scenario.NetworkModel{Delay: within(t, "delay", time.Millisecond, 50*time.Millisecond, time.Millisecond)},
		Converge: 2 * time.Hour,
	}
	r := scenario.Rollout{
		At:     between(t, "rollout at", time.Second, firstRollout, time.Second),
		ID:     "stable@r1",
		Target: "c1",
		Policy: wire.Halt,
	}
	for range number(t, "waves", 1, min(hosts, 3)) {
		r.Waves = append(r.Waves, between(t, "soak", 0, 2*time.Minute, time.Minute))
	}
	s.Rollouts = []scenario.Rollout{r}
	return s
}
