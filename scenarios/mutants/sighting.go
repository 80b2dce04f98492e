package mutants

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// Hunt is what the program in the directory hunt prints.
type Hunt struct {
	// Sightings are the first violations, one for each first seed.
	Sightings []Sighting
	// Seen says how often each sometimes-probe was hit, if no run broke a rule.
	Seen map[string]uint64 `json:",omitempty"`
	// Hangs says that the search was given up: a step did not come to its end.
	Hangs bool `json:",omitempty"`
}

// Sighting is the first run from a seed on that broke a rule.
type Sighting struct {
	// First is the first seed.
	First uint64
	// Runs and Events count what it took: each seed is run in every profile.
	Runs, Events uint64
	// Checker is the number of the rule that was broken, Detail how; Seed and
	// Profile are those of the run. They are empty if none was.
	Checker string `json:",omitempty"`
	Detail  string `json:",omitempty"`
	Seed    uint64 `json:",omitempty"`
	Profile string `json:",omitempty"`
}

// Endless stands in place of a checker's number for a run that does not end.
const Endless = "ENDLESS"

// FirstSeed returns the first seed of the n-th start.
func FirstSeed(n int) uint64 { return 1 + uint64(n)*10_000 }

// caughtBy says how the search caught a mutant; empty if it did not. control
// is the search without one.
func (h *Hunt) caughtBy(control *Hunt) string {
	if h.Hangs {
		return "HANGS"
	}
	if h.found() > 0 {
		return h.checkers()
	}
	for _, probe := range slices.Sorted(maps.Keys(control.Seen)) {
		if control.Seen[probe] >= plenty && h.Seen[probe] == 0 {
			return "never " + probe
		}
	}
	return ""
}

// plenty is how often a sometimes-probe is hit without a mutant for its absence
// with one to be no chance.
const plenty = 50

// found counts the starts from which a run broke a rule.
func (h *Hunt) found() int {
	n := 0
	for i := range h.Sightings {
		if h.Sightings[i].Checker != "" {
			n++
		}
	}
	return n
}

// checkers names the checkers that caught it, the most frequent first.
func (h *Hunt) checkers() string {
	times := make(map[string]int)
	var list []string
	for i := range h.Sightings {
		if c := h.Sightings[i].Checker; c != "" {
			if times[c]++; times[c] == 1 {
				list = append(list, c)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b string) int { return cmp.Compare(times[b], times[a]) })
	return strings.Join(list, " ")
}

// unseen is the median of a hunt in which most starts saw nothing.
const unseen = math.MaxUint64

// median returns the median over all starts; unseen if most saw nothing.
func (h *Hunt) median(of func(*Sighting) uint64) uint64 {
	if len(h.Sightings) == 0 {
		return unseen
	}
	values := make([]uint64, 0, len(h.Sightings))
	for i := range h.Sightings {
		s := &h.Sightings[i]
		if s.Checker == "" {
			values = append(values, unseen)
			continue
		}
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// MedianRuns returns how many runs it took to see a violation.
func (h *Hunt) MedianRuns() uint64 { return h.median(func(s *Sighting) uint64 { return s.Runs }) }

// MedianEvents returns how many events it took to see a violation.
func (h *Hunt) MedianEvents() uint64 { return h.median(func(s *Sighting) uint64 { return s.Events }) }
