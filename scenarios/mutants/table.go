package mutants

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Write prints the scorecard as a table: what simulation caught, with how many
// runs and events that took, the quickest last; then what other layers caught;
// then, apart, what only unit tests did; then what fails the scorecard.
func (s *Scorecard) Write(w io.Writer) error {
	var simulation, others, unit, bad []*Result
	for i := range s.Results {
		switch r := &s.Results[i]; {
		case r.Verdict != Caught:
			bad = append(bad, r)
		case r.Layer == Simulation:
			simulation = append(simulation, r)
		case r.Layer == Unit:
			unit = append(unit, r)
		default:
			others = append(others, r)
		}
	}
	slices.SortStableFunc(simulation, slowest)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	section := func(title string, list []*Result) {
		if len(list) == 0 {
			return
		}
		fmt.Fprintf(out, "%s\n", title)
		fmt.Fprintf(out, "  mutant\tfamily\tcaught by\truns\tevents\tfound\ttook\n")
		for _, r := range list {
			fmt.Fprintf(out, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Mutant.Name, r.Mutant.Family, r.caughtBy(),
				r.runs(), r.events(), r.starts(), r.Took.Round(100*time.Millisecond))
		}
		fmt.Fprintln(out)
	}
	section("CAUGHT by simulation", simulation)
	section("CAUGHT by corpus, properties or conformance", others)
	section("CAUGHT by unit tests only", unit)
	section("FAILED", bad)
	if err := out.Flush(); err != nil {
		return err
	}
	for _, r := range bad {
		if r.Err != nil {
			fmt.Fprintf(w, "%s: %s: %v\n", strings.ToUpper(string(r.Verdict)), r.Mutant.Name, r.Err)
		}
	}
	s.writeControl(w)
	for _, layer := range s.Untried {
		fmt.Fprintf(w, "NOT TRIED: %s\n", layer)
	}
	if s.Left > 0 {
		fmt.Fprintf(w, "INTERRUPTED: %d mutants were not tried\n", s.Left)
	}
	_, err := fmt.Fprintf(w, "%d of %d mutants caught: %d by simulation, %d by corpus, properties or conformance, %d by unit tests only; in %v\n",
		len(simulation)+len(others)+len(unit), len(s.Results), len(simulation), len(others), len(unit), s.Took.Round(time.Second))
	return err
}

func (s *Scorecard) writeControl(w io.Writer) {
	var runs uint64
	for i := range s.Control.Sightings {
		c := &s.Control.Sightings[i]
		runs += c.Runs
		if c.Checker != "" {
			fmt.Fprintf(w, "WITHOUT A MUTANT: %s: %s; again: refrain sim run --seed %d --profile %s\n", c.Checker, c.Detail, c.Seed, c.Profile)
		}
	}
	fmt.Fprintf(w, "medians are over %d first seeds, of at most %d runs each; %d runs without a mutant see nothing: %v\n",
		s.Config.Starts, s.Config.Seeds*runsPerSeed(s), runs, s.Control.found() == 0 && !s.Control.Hangs)
}

// runsPerSeed is the number of profiles, as the control had it.
func runsPerSeed(s *Scorecard) int {
	if len(s.Control.Sightings) == 0 {
		return 0
	}
	return int(s.Control.Sightings[0].Runs) / s.Config.Seeds
}

// slowest orders those first that took simulation the most runs.
func slowest(a, b *Result) int {
	return cmp.Or(cmp.Compare(b.medianRuns(), a.medianRuns()), cmp.Compare(a.Mutant.Name, b.Mutant.Name))
}

func (r *Result) medianRuns() uint64 {
	if r.Hunt == nil || r.Hunt.Hangs {
		return 0
	}
	return r.Hunt.MedianRuns()
}

func (r *Result) caughtBy() string {
	switch {
	case r.Verdict == Late:
		return fmt.Sprintf("%s: %s, expected %s", r.Layer, r.By, r.Mutant.CaughtBy)
	case r.Layer == "":
		return string(r.Verdict)
	case r.Layer == Simulation:
		return r.By
	case r.Layer == Unit:
		return r.By
	}
	return string(r.Layer) + ": " + r.By
}

func (r *Result) runs() string { return medianText(r, (*Hunt).MedianRuns) }

func (r *Result) events() string { return medianText(r, (*Hunt).MedianEvents) }

func medianText(r *Result, of func(*Hunt) uint64) string {
	if r.Hunt == nil || r.Hunt.found() == 0 {
		return "-"
	}
	if n := of(r.Hunt); n != unseen {
		return strconv.FormatUint(n, 10)
	}
	return "most see nothing"
}

// starts says from how many first seeds it was found.
func (r *Result) starts() string {
	if r.Hunt == nil || r.Hunt.Hangs {
		return "-"
	}
	return fmt.Sprintf("%d/%d", r.Hunt.found(), len(r.Hunt.Sightings))
}

// jsonResult is a result for programs.
type jsonResult struct {
	Mutant       string  `json:"mutant"`
	Imitates     string  `json:"imitates"`
	Family       Family  `json:"family"`
	Expected     Layer   `json:"expected"`
	Verdict      Verdict `json:"verdict"`
	Layer        Layer   `json:"layer,omitempty"`
	By           string  `json:"by,omitempty"`
	MedianRuns   *uint64 `json:"median_runs,omitempty"`
	MedianEvents *uint64 `json:"median_events,omitempty"`
	Hunt         *Hunt   `json:"hunt,omitempty"`
	Seconds      float64 `json:"seconds"`
	Error        string  `json:"error,omitempty"`
}

// WriteJSON prints the scorecard as one JSON object.
func (s *Scorecard) WriteJSON(w io.Writer) error {
	list := make([]jsonResult, len(s.Results))
	for i := range s.Results {
		r := &s.Results[i]
		j := &list[i]
		*j = jsonResult{
			Mutant: r.Mutant.Name, Imitates: r.Mutant.Imitates, Family: r.Mutant.Family, Expected: r.Mutant.CaughtBy,
			Verdict: r.Verdict, Layer: r.Layer, By: r.By, Hunt: r.Hunt, Seconds: r.Took.Seconds(),
		}
		if r.Err != nil {
			j.Error = r.Err.Error()
		}
		if r.Hunt != nil && r.Hunt.MedianRuns() != unseen {
			runs, events := r.Hunt.MedianRuns(), r.Hunt.MedianEvents()
			j.MedianRuns, j.MedianEvents = &runs, &events
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Good    bool         `json:"good"`
		Mutants []jsonResult `json:"mutants"`
		Control *Hunt        `json:"control"`
		Untried []Layer      `json:"untried,omitempty"`
		Left    int          `json:"left,omitempty"`
		Seconds float64      `json:"seconds"`
	}{s.Good(), list, &s.Control, s.Untried, s.Left, s.Took.Seconds()})
}
