package search

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Probe is something that runs show now and then. A rule that is about it was
// not put to the test by a search that has not seen it.
type Probe struct {
	Name   string
	effect scenario.Effect
}

// Probes lists the probes of a search over the given profiles: every effect that
// runs of at least one of them showed when the rates were measured.
func Probes(over []generate.Profile) []Probe {
	var list []Probe
	for e := scenario.EffectNone + 1; e < scenario.EffectCount; e++ {
		for _, p := range over {
			if rates.shown[p.Name][e] > 0 {
				list = append(list, Probe{Name: e.String(), effect: e})
				break
			}
		}
	}
	return list
}

// Hit reports whether it was seen.
func (p Probe) Hit(e *scenario.Effects) bool { return e[p.effect] > 0 }

// Absence says how much it means that a search has not seen a probe.
type Absence struct {
	Probe Probe
	// OneIn is how many runs of the search's profiles, in the mixture that was
	// made, show the probe once, as it was measured; +Inf if none does.
	OneIn float64
	// Chance is how many searches of that size, of one, miss the probe if runs
	// still show it as often.
	Chance float64
	// Telling says that the absence is no accident. It allows for the error of
	// the measurement, so Chance may be far below [TellingChance] before it is
	// true.
	Telling bool
}

// TellingChance is the chance of an absence below which it is no accident: a
// search with some sixty probes calls one telling by mistake less than once in
// ten thousand searches.
const TellingChance = 1e-6

// Absence judges that a probe was not seen in so many runs of each profile.
func (p Probe) Absence(made map[string]uint64) Absence {
	var runs, expected, logChance, logCautious float64
	for profile, n := range made {
		if rates.shown[profile] == nil {
			continue // made by hand, and never measured
		}
		shown, measured := float64(rates.shown[profile][p.effect]), rates.runs[profile]
		// Whoever measures again finds no less than this, but for one time in
		// hundreds: three standard deviations.
		cautious := max(0, shown-3*math.Sqrt(shown))
		runs += float64(n)
		expected += float64(n) * shown / measured
		logChance += float64(n) * math.Log1p(-shown/measured)
		logCautious += float64(n) * math.Log1p(-cautious/measured)
	}
	oneIn := math.Inf(1)
	if expected > 0 {
		oneIn = runs / expected
	}
	return Absence{Probe: p, OneIn: oneIn, Chance: math.Exp(logChance), Telling: math.Exp(logCautious) < TellingChance}
}

// String says how unlikely the absence is.
func (a Absence) String() string {
	if math.IsInf(a.OneIn, 1) {
		return a.Probe.Name + ": no run of the profiles that were run is known to show it"
	}
	chance := "of " + strconv.FormatFloat(100*a.Chance, 'g', 2, 64)
	switch {
	case a.Chance > 0.995:
		chance = "above 99"
	case a.Chance < 1e-8:
		chance = "below 0.000001"
	}
	return fmt.Sprintf("%s: 1 run in %s shows it; a search of this size misses it with a chance %s %%",
		a.Probe.Name, strconv.FormatFloat(max(1, a.OneIn), 'f', decimals(a.OneIn), 64), chance)
}

// decimals is how many a number needs for two digits.
func decimals(x float64) int {
	if x < 10 {
		return 1
	}
	return 0
}

// rateTable is how many runs of each profile show an effect at least once.
type rateTable struct {
	runs  map[string]float64 // by profile
	shown map[string]*[scenario.EffectCount]uint64
}

//go:embed rates.txt
var ratesText string

// rates were measured by make rates, which writes rates.txt.
var rates = parseRates(ratesText)

// parseRates reads what rateTable.text writes. The file is part of the program:
// an error in it is a panic.
func parseRates(text string) rateTable {
	t := rateTable{runs: make(map[string]float64), shown: make(map[string]*[scenario.EffectCount]uint64)}
	var profiles []string
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		cells := strings.Split(rest, "\t")
		switch {
		case name == "" || strings.HasPrefix(name, "#"):
			continue
		case name == "effect":
			profiles = cells
			for _, p := range profiles {
				t.shown[p] = new([scenario.EffectCount]uint64)
			}
			continue
		}
		for i, cell := range cells {
			n, err := strconv.ParseUint(cell, 10, 32)
			if err != nil || len(cells) != len(profiles) {
				panic(fmt.Sprintf("rates.txt: %q: want one number for each of %v", line, profiles))
			}
			if name == "runs" {
				t.runs[profiles[i]] = float64(n)
				continue
			}
			if effect, known := scenario.EffectNamed(name); known { // or it has another name by now, and a test fails
				t.shown[profiles[i]][effect] = n
			}
		}
	}
	return t
}
