package sim

import (
	"fmt"
	"strings"
	"time"
)

// Filled returns the scenario with its defaults filled in.
func (s Scenario) Filled() Scenario { return s.withDefaults() }

// Brief writes the scenario without whatever has its default: the text that a
// person reads. [ParseScenario] reads it back to a scenario with the same hash.
//
// The defaults belong to the commit. A text that has to mean the same after
// they have changed is that of [Scenario.String].
func (s Scenario) Brief() string {
	filled := s.withDefaults()
	plain := Scenario{Fleet: Fleet{Hosts: 1}, Rollouts: make([]Rollout, 1)}.withDefaults()
	var b strings.Builder
	if s.Seed != 0 {
		fmt.Fprintf(&b, "seed %d\n", s.Seed)
	}
	line := func(words string, settings []string) {
		b.WriteString(strings.Join(append([]string{words}, settings...), " ") + "\n")
	}
	line(fmt.Sprintf("fleet %d", s.Fleet.Hosts), differing(&filled.Fleet, &plain.Fleet, fleetSettings))
	if list := differing(&filled.Plane, &plain.Plane, planeSettings); len(list) > 0 {
		line("plane", list)
	}
	if list := differing(&filled.Network, &plain.Network, networkSettings); len(list) > 0 {
		line("network", list)
	}
	if filled.Start.At != Epoch {
		fmt.Fprintf(&b, "epoch %v\n", filled.Start.At)
	}
	for _, state := range s.Start.State {
		b.WriteString("state " + state + "\n")
	}
	for i := range filled.Rollouts {
		r := &filled.Rollouts[i]
		line("rollout "+string(r.ID), differing(r, &plain.Rollouts[0], rolloutSettings))
	}
	for _, f := range s.Faults {
		b.WriteString(f.String() + "\n")
	}
	for _, a := range s.Acts {
		b.WriteString(a.String() + "\n")
	}
	if filled.Active != s.impliedActive() {
		fmt.Fprintf(&b, "active %s\n", shortDuration(filled.Active))
	}
	if filled.Converge != plain.Converge {
		fmt.Fprintf(&b, "converge within=%s\n", shortDuration(filled.Converge))
	}
	for _, e := range s.Expects {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// impliedActive is the Active of a scenario that does not say it.
func (s Scenario) impliedActive() (active time.Duration) {
	s.Active = 0
	return s.withDefaults().Active
}

// differing lists the settings that are not as in plain.
func differing[T any](t, plain *T, list []setting[T]) []string {
	var words []string
	for _, s := range list {
		if v := s.print(t); v != "" && v != s.print(plain) {
			words = append(words, s.key+"="+v)
		}
	}
	return words
}
