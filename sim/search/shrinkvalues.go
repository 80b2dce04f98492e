package search

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What can be said more simply: models, seeds, fields of rollouts and faults,
// times.

// smallSeeds is how many seeds are tried.
const smallSeeds = 10

// editSeed takes a smaller seed.
func editSeed(*scenario.Scenario) []edit {
	var list []edit
	for seed := range uint64(smallSeeds) {
		list = append(list, func(s *scenario.Scenario) bool { s.Seed = seed; return true })
	}
	return list
}

// withSmallSeeds makes every edit together with every small seed.
func withSmallSeeds(of func(*scenario.Scenario) []edit) func(*scenario.Scenario) []edit {
	return func(s *scenario.Scenario) []edit {
		var list []edit
		for _, e := range of(s) {
			for seed := range uint64(smallSeeds) {
				list = append(list, func(s *scenario.Scenario) bool { s.Seed = seed; return e(s) })
			}
		}
		return list
	}
}

// withNudges makes every edit together with another time of one of the faults
// that are left. A nudge alone would be no step forward, so an edit that is
// possible only with one is not found otherwise.
func withNudges(of func(*scenario.Scenario) []edit) func(*scenario.Scenario) []edit {
	return func(s *scenario.Scenario) []edit {
		var list []edit
		for _, e := range of(s) {
			for i := range s.Faults {
				nudge := func(change func(*scenario.Fault)) {
					list = append(list, func(s *scenario.Scenario) bool {
						if !e(s) || i >= len(s.Faults) {
							return false
						}
						change(&s.Faults[i])
						return true
					})
				}
				for _, d := range []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute} {
					nudge(func(f *scenario.Fault) { f.At = d })
					nudge(func(f *scenario.Fault) { f.For = d })
				}
			}
		}
		return list
	}
}

// editModels resets what is set of the fleet, the plane, the network and the
// run, whole lines before single settings, and fixes what is drawn.
func editModels(*scenario.Scenario) []edit {
	list := []edit{
		func(s *scenario.Scenario) bool { s.Network = scenario.NetworkModel{}; return true },
		func(s *scenario.Scenario) bool { s.Plane = scenario.PlaneModel{}; return true },
		func(s *scenario.Scenario) bool { s.Plane.NoManifests = false; return true },
		func(s *scenario.Scenario) bool { s.Plane.SignedOnly = false; return true },
		func(s *scenario.Scenario) bool { s.Fleet = scenario.Fleet{Hosts: s.Fleet.Hosts}; return true },
		func(s *scenario.Scenario) bool { s.Active, s.Converge = 0, 0; return true },
		func(s *scenario.Scenario) bool { s.Active = 0; return true },
		func(s *scenario.Scenario) bool { s.Converge = 0; return true },
		func(s *scenario.Scenario) bool { s.Fleet.Hostile = 0; return true },
		func(s *scenario.Scenario) bool { s.Fleet.Legacy = 0; return true },
		func(s *scenario.Scenario) bool { s.Fleet.Field = 0; return true },
		func(s *scenario.Scenario) bool { s.Fleet.Field = min(1, s.Fleet.Field); return true },
		func(s *scenario.Scenario) bool { s.Fleet.Hostile = 1; return true },
		func(s *scenario.Scenario) bool { clear(s.Fleet.Modes[:]); return true },
		func(s *scenario.Scenario) bool { s.Fleet.Legacy = 1; return true },
	}
	for _, of := range []func(*scenario.Scenario) *int{
		func(s *scenario.Scenario) *int { return &s.Fleet.Probes }, func(s *scenario.Scenario) *int { return &s.Plane.Capacity },
		func(s *scenario.Scenario) *int { return &s.Plane.Replays },
		func(s *scenario.Scenario) *int { return &s.Plane.Batch }, func(s *scenario.Scenario) *int { return &s.Network.Loss },
		func(s *scenario.Scenario) *int { return &s.Network.Dup },
	} {
		for _, n := range []int{0, 1, 10, 100} {
			list = append(list, func(s *scenario.Scenario) bool { *of(s) = n; return true })
		}
	}
	for _, of := range []func(*scenario.Scenario) *time.Duration{
		func(s *scenario.Scenario) *time.Duration { return &s.Fleet.Interval }, func(s *scenario.Scenario) *time.Duration { return &s.Fleet.ProbeInterval },
		func(s *scenario.Scenario) *time.Duration { return &s.Fleet.Sustained }, func(s *scenario.Scenario) *time.Duration { return &s.Plane.ReplyTimeout },
		func(s *scenario.Scenario) *time.Duration { return &s.Plane.Service }, func(s *scenario.Scenario) *time.Duration { return &s.Plane.Start }, func(s *scenario.Scenario) *time.Duration { return &s.Plane.Pause },
	} {
		list = append(list, func(s *scenario.Scenario) bool { *of(s) = 0; return true })
	}
	return append(list, editRanges()...)
}

// editRanges resets ranges, and fixes them.
func editRanges() []edit {
	var list []edit
	for _, r := range []struct {
		of    func(*scenario.Scenario) *scenario.Range
		fixed []time.Duration
	}{
		{func(s *scenario.Scenario) *scenario.Range { return &s.Fleet.Activation }, []time.Duration{10 * time.Second, time.Minute}},
		{func(s *scenario.Scenario) *scenario.Range { return &s.Plane.Commit }, []time.Duration{time.Millisecond, 10 * time.Millisecond}},
		{func(s *scenario.Scenario) *scenario.Range { return &s.Network.Delay }, []time.Duration{10 * time.Millisecond, time.Second}},
	} {
		list = append(list, func(s *scenario.Scenario) bool { *r.of(s) = scenario.Range{}; return true })
		for _, d := range r.fixed {
			list = append(list, func(s *scenario.Scenario) bool { *r.of(s) = scenario.Range{Min: d, Max: d}; return true })
		}
		for _, of := range []func(scenario.Range) time.Duration{
			func(r scenario.Range) time.Duration { return r.Min }, func(r scenario.Range) time.Duration { return r.Max },
		} {
			list = append(list, func(s *scenario.Scenario) bool {
				d := of(*r.of(s))
				*r.of(s) = scenario.Range{Min: d, Max: d}
				return d > 0
			})
		}
	}
	return list
}

// editRollouts makes rollouts plain.
func editRollouts(s *scenario.Scenario) []edit {
	var list []edit
	for i := range s.Rollouts {
		on := func(change func(*scenario.Rollout)) {
			list = append(list, func(s *scenario.Scenario) bool {
				if i >= len(s.Rollouts) {
					return false
				}
				change(&s.Rollouts[i])
				return true
			})
		}
		on(func(r *scenario.Rollout) { *r = scenario.Rollout{At: r.At, ID: r.ID, Target: r.Target} })
		on(func(r *scenario.Rollout) { r.Policy = wire.Halt })
		on(func(r *scenario.Rollout) { r.Own = false })
		on(func(r *scenario.Rollout) { r.Gates = scenario.Gates{} })
		on(func(r *scenario.Rollout) { r.Budgets = nil })
		on(func(r *scenario.Rollout) { r.Edges = nil })
		on(func(r *scenario.Rollout) { r.After = nil })
		on(func(r *scenario.Rollout) { r.Compliance = false })
		on(func(r *scenario.Rollout) { r.Sizes = nil })
		on(func(r *scenario.Rollout) { r.Targets = scenario.Hosts{} })
		on(func(r *scenario.Rollout) { r.Waves, r.Sizes = nil, nil })
		on(func(r *scenario.Rollout) { r.Waves, r.Sizes = r.Waves[:min(1, len(r.Waves))], nil })
		on(func(r *scenario.Rollout) { r.Waves, r.Sizes = []time.Duration{0}, nil })
		on(func(r *scenario.Rollout) { r.Waves, r.Sizes = []time.Duration{time.Minute}, nil })
		on(func(r *scenario.Rollout) { r.Waves, r.Sizes = []time.Duration{0, 0}, nil })
		on(func(r *scenario.Rollout) { r.Targets.Last = r.Targets.First })
		on(func(r *scenario.Rollout) { r.Targets.First = r.Targets.Last })
	}
	list = append(list, editNames(s)...)
	return list
}

// editNames numbers rollouts and targets from 1. What an operator does about
// them goes with them.
func editNames(s *scenario.Scenario) []edit {
	ids := make(map[wire.RolloutID]wire.RolloutID)
	targets := make(map[wire.Closure]wire.Closure)
	for i := range s.Rollouts {
		r := &s.Rollouts[i]
		ids[r.ID] = wire.RolloutID(fmt.Sprintf("%s@r%d", r.ID.Channel(), i+1))
		if _, there := targets[r.Target]; !there {
			targets[r.Target] = wire.Closure(fmt.Sprintf("c%d", len(targets)+1))
		}
	}
	return []edit{func(s *scenario.Scenario) bool {
		for i := range s.Rollouts {
			r := &s.Rollouts[i]
			r.ID, r.Target = ids[r.ID], targets[r.Target]
		}
		for i := range s.Acts {
			a := &s.Acts[i]
			if id, there := ids[a.Rollout]; there {
				a.Rollout = id
			}
			base, _, _ := strings.Cut(string(a.Closure), "-") // a host's own begins with the target
			if target, there := targets[wire.Closure(base)]; there {
				a.Closure = target + a.Closure[len(base):]
			}
		}
		return true
	}}
}

// editFaults makes faults plain: what a fault need not have it is tried
// without.
func editFaults(s *scenario.Scenario) []edit {
	var list []edit
	for i := range s.Faults {
		on := func(change func(*scenario.Fault)) {
			list = append(list, func(s *scenario.Scenario) bool {
				if i >= len(s.Faults) {
					return false
				}
				change(&s.Faults[i])
				return true
			})
		}
		on(func(f *scenario.Fault) {
			*f = scenario.Fault{At: f.At, Kind: f.Kind, Each: f.Each, Rate: f.Rate, Size: f.Size, For: f.For}
		})
		on(func(f *scenario.Fault) { f.Phase = scenario.AtOnce })
		on(func(f *scenario.Fault) { f.Dir = scenario.Both })
		on(func(f *scenario.Fault) { f.Route = scenario.AnyRoute })
		on(func(f *scenario.Fault) { f.After = false })
		on(func(f *scenario.Fault) { f.Unreadable = false })
		on(func(f *scenario.Fault) { f.Hosts = scenario.Hosts{} })
		on(func(f *scenario.Fault) { f.Hosts.Last = f.Hosts.First })
		on(func(f *scenario.Fault) { f.Hosts.First = f.Hosts.Last })
		on(func(f *scenario.Fault) { f.Count = 0 })
		on(func(f *scenario.Fault) { f.Count = min(f.Count, 1) })
		on(func(f *scenario.Fault) { f.For = 0 })
		for _, n := range []int{1000, 500, 100, 10, 1} {
			on(func(f *scenario.Fault) { f.Rate = n })
		}
		for _, n := range []int{1, 2, 4} {
			on(func(f *scenario.Fault) { f.Size = n })
		}
	}
	return list
}

// editActs makes acts plain.
func editActs(s *scenario.Scenario) []edit {
	var list []edit
	for i := range s.Acts {
		list = append(list, func(s *scenario.Scenario) bool {
			if i >= len(s.Acts) {
				return false
			}
			s.Acts[i].For = 0
			return true
		})
	}
	return list
}

// editDurations shortens and rounds every duration and every instant.
func editDurations(s *scenario.Scenario) []edit {
	var list []edit
	n := 0
	for d := range durations(s) {
		at, now := n, *d
		n++
		if now == 0 {
			continue
		}
		for _, to := range slices.Concat([]time.Duration{0}, nicer(now)) {
			list = append(list, func(s *scenario.Scenario) bool {
				i := 0
				for d := range durations(s) {
					if i == at {
						if *d != now {
							return false
						}
						*d = to
						return true
					}
					i++
				}
				return false
			})
		}
	}
	return list
}
