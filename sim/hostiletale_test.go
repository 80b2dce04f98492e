package sim

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The tales have to get everywhere, or the rules about events are not really
// put to the test by them (PROTOCOL E1, E3 to E7).
func TestTalesOfHostileHostsReachEveryEndAndAreRejectedOnTheWay(t *testing.T) {
	var ends [len(wire.States) + 1]int
	var rejected, absorbed uint64
	for seed := range uint64(12) {
		s := Scenario{
			Seed: seed, Fleet: Fleet{Hosts: 6, Hostile: 5}, Active: 20 * time.Minute, Converge: time.Hour,
			Rollouts: []Rollout{{At: time.Second, ID: "hostile@r1", Target: "c9", Targets: Hosts{2, 6}, Waves: []time.Duration{0, time.Minute}}},
			Acts:     []Act{{At: 5 * time.Minute, Kind: ActResume, Rollout: "hostile@r1"}},
		}
		w, err := New(s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for w.Next() {
		}
		if w.violation != nil {
			t.Fatalf("seed %d: %v", seed, w.violation)
		}
		for n := 2; n <= 6; n++ {
			rec, known := w.plane.worker.Plane().Record("hostile@r1", HostName(n))
			if !known {
				t.Fatalf("h%d is not in the rollout", n)
			}
			ends[rec.State]++
		}
		rejected += w.effects[EffectRejected]
		absorbed += w.effects[EffectAbsorbed]
	}
	for _, state := range []wire.State{wire.Converged, wire.Reverted} {
		if ends[state] == 0 {
			t.Errorf("no tale ends in %v", state)
		}
	}
	if rejected == 0 || absorbed == 0 {
		t.Errorf("%d events are rejected, %d absorbed; want some of both", rejected, absorbed)
	}
}

func TestARolloutOfHostileHostsNamesNobodyElse(t *testing.T) {
	s := Scenario{Fleet: Fleet{Hosts: 5, Hostile: 2}}
	for _, c := range []struct {
		targets Hosts
		want    []int
	}{
		{Hosts{4, 5}, []int{4, 5}},
		{Hosts{5, 5}, []int{5}},
		{Hosts{3, 5}, []int{3}},
		{Hosts{}, []int{1, 2, 3}},
	} {
		got := s.rolloutHosts(&Rollout{Targets: c.targets})
		if len(got) != len(c.want) || got[0] != c.want[0] {
			t.Errorf("%v is %v; want %v", c.targets, got, c.want)
		}
	}
}
