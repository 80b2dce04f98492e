package search

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

var measureRates = flag.Bool("rates", false, "measure rates.txt again, which takes minutes")

// measuredSeeds is how many seeds of a profile the rates are measured over. What
// only amnesia shows is rare.
func measuredSeeds(p generate.Profile) uint64 {
	if p.Name == "amnesia" {
		return 20_000
	}
	return 2000
}

// tally counts the runs of each profile that show an effect.
type tally map[string]*[scenario.EffectCount]uint64

func (t tally) add(f *Finding) {
	if t[f.Profile] == nil {
		t[f.Profile] = new([scenario.EffectCount]uint64)
	}
	for e, n := range f.Result.Effects {
		if n > 0 {
			t[f.Profile][e]++
		}
	}
}

// text is what rates.txt has.
func (t tally) text() string {
	var b strings.Builder
	b.WriteString("# How many runs of each profile, of the seeds from 1 on, show an effect at least once.\n")
	b.WriteString("# make rates measures it again, and writes this file.\neffect")
	for _, p := range generate.Profiles() {
		b.WriteString("\t" + p.Name)
	}
	b.WriteString("\nruns")
	for _, p := range generate.Profiles() {
		fmt.Fprintf(&b, "\t%d", measuredSeeds(p))
	}
	for e := scenario.EffectNone + 1; e < scenario.EffectCount; e++ {
		b.WriteString("\n" + e.String())
		for _, p := range generate.Profiles() {
			fmt.Fprintf(&b, "\t%d", t[p.Name][e])
		}
	}
	b.WriteString("\n")
	return b.String()
}

func TestMeasureTheRatesOfTheProbes(t *testing.T) {
	if !*measureRates {
		t.Skip("NOT RUN: make rates measures and rewrites rates.txt; TestASearchOverEveryProfileFindsNothing compares a sample")
	}
	shown := make(tally)
	for _, p := range generate.Profiles() {
		search := Search{Profiles: []generate.Profile{p}, First: 1, Seeds: measuredSeeds(p), GoOn: true, Each: func(f Finding) { shown.add(&f) }}
		if sum := search.Run(t.Context()); sum.Runs != measuredSeeds(p) {
			t.Fatalf("%d runs, want %d", sum.Runs, measuredSeeds(p))
		}
	}
	if err := os.WriteFile("rates.txt", []byte(shown.text()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compareRates reports what a sample shows far more or far less often than the
// table says.
func compareRates(t *testing.T, shown tally, made map[string]uint64) {
	t.Helper()
	for _, p := range generate.Profiles() {
		if rates.shown[p.Name] == nil {
			t.Errorf("rates.txt has no profile %s; make rates measures again", p.Name)
			continue
		}
		n := float64(made[p.Name])
		for e := scenario.EffectNone + 1; e < scenario.EffectCount; e++ {
			rate := float64(rates.shown[p.Name][e]) / rates.runs[p.Name]
			// Five standard deviations, and what a rate near 0 or 1 needs.
			slack := 3 + 5*math.Sqrt(n*rate*(1-rate)*(1+n/rates.runs[p.Name]))
			if got := float64(shown[p.Name][e]); math.Abs(got-n*rate) > slack {
				t.Errorf("%s: %g of %g runs show %q, and rates.txt says %.1f; make rates measures again", p.Name, got, n, e, n*rate)
			}
		}
	}
}

func TestEveryEffectIsAProbeOfAllProfiles(t *testing.T) {
	if got, want := len(Probes(generate.Profiles())), int(scenario.EffectCount)-1; got != want {
		t.Errorf("%d of %d effects are probes: the others have never been seen, or rates.txt is older than they are; make rates measures again", got, want)
	}
}

func TestAProbeIsHitOnlyOnceItsEffectWasSeen(t *testing.T) {
	for _, p := range Probes(generate.Profiles()) {
		var seen scenario.Effects
		if p.Hit(&seen) {
			t.Errorf("%s is hit by nothing", p.Name)
		}
		if seen[p.effect] = 1; !p.Hit(&seen) {
			t.Errorf("%s is not hit by its effect", p.Name)
		}
	}
}

func TestASearchOfAProfileHasNoProbesThatItCannotHit(t *testing.T) {
	for _, p := range Probes([]generate.Profile{mustProfile(t, "storm")}) {
		if p.effect == scenario.EffectHostile || p.effect == scenario.EffectAmnesia {
			t.Errorf("%s is a probe of storm, which never draws it", p.Name)
		}
	}
}

func TestAnAbsenceIsTellingOnceTheRunsAreMany(t *testing.T) {
	probe := func(e scenario.Effect) Probe { return Probe{Name: e.String(), effect: e} }
	made := func(n uint64) map[string]uint64 {
		m := make(map[string]uint64)
		for _, p := range generate.Profiles() {
			m[p.Name] = n
		}
		return m
	}
	crash, rare := probe(scenario.EffectPlaneCrash), probe(scenario.EffectStartFailed)
	for _, c := range []struct {
		probe   Probe
		made    map[string]uint64
		telling bool
	}{
		{crash, made(2), false},
		{crash, made(200), true},
		{crash, map[string]uint64{"swarm": 1}, false},
		{rare, made(100), false}, // nearly every second search of this size is without it
		{probe(scenario.EffectHostile), map[string]uint64{"storm": 100000}, false},
		{probe(scenario.EffectHostile), map[string]uint64{"hostile": 1000}, true},
	} {
		a := c.probe.Absence(c.made)
		if a.Telling != c.telling {
			t.Errorf("%v after %v: telling is %v", a, c.made, a.Telling)
		}
		if c.telling && a.Chance > TellingChance {
			t.Errorf("%v is telling, with a chance of %g", a, a.Chance)
		}
	}
	if a := rare.Absence(made(100)); a.Chance < 0.3 || a.Chance > 0.95 || a.OneIn < 500 {
		t.Errorf("%v", a)
	}
	if got, want := (Absence{Probe: rare, OneIn: 4000, Chance: 0.74}).String(), "start failed: 1 run in 4000 shows it; a search of this size misses it with a chance of 74 %"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
