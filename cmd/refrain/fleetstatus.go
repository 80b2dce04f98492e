package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// fleetStateWords are the columns of the states, the first for hosts without a
// rollout.
var fleetStateWords = [len(wire.States) + 1]string{"idle", "pend", "actv", "defr", "soak", "conv", "fail", "rvtd"}

// fleetReasonWords are the columns of the seven reasons of a 503.
var fleetReasonWords = [len(wire.UnavailableCodes)]string{"start", "full", "close", "drop", "late", "disk", "budg"}

// fleetSample is a fleet at an instant.
type fleetSample struct {
	at                 time.Duration // since the start
	states             [len(wire.States) + 1]int64
	heartbeats, events int64
	unavailable        [len(wire.UnavailableCodes)]int64
	unanswered         int64
	replays            int64
}

func (f *fleet) sample(at time.Duration) (s fleetSample) {
	t := &f.tally
	s.at = at
	for i := range t.states {
		s.states[i] = t.states[i].Load()
	}
	for i := range t.unavailable {
		s.unavailable[i] = t.unavailable[i].Load()
	}
	s.heartbeats, s.events = t.heartbeats.total(), t.events.total()
	s.unanswered, s.replays = t.unanswered.Load(), t.replays.Load()
	return s
}

// changed reports whether anything but the counts of a steady fleet differs.
func (s *fleetSample) changed(last *fleetSample) bool {
	return s.states != last.states || s.unavailable != last.unavailable ||
		s.unanswered != last.unanswered || s.replays != last.replays
}

// fleetLegend says once what the columns are.
const fleetLegend = "hosts by the state of their newest rollout | accepted a second | 503 by reason: not_started, saturated, closed,\n" +
	"dropped_reply, timeout, store_unavailable, over_budget; requests without an answer; replays asked for (these are totals)"

// fleetHeader names the columns of [fleetSample.line].
func fleetHeader() string {
	var b strings.Builder
	b.WriteString("   time |")
	for _, word := range fleetStateWords {
		fmt.Fprintf(&b, "%5s", word)
	}
	b.WriteString(" |   hb/s   ev/s |")
	for _, word := range fleetReasonWords {
		fmt.Fprintf(&b, " %5s", word)
	}
	b.WriteString(" |  lost replays")
	return b.String()
}

// line describes the sample; rates are since the one before.
func (s *fleetSample) line(last *fleetSample) string {
	var b strings.Builder
	at := s.at.Truncate(time.Second)
	fmt.Fprintf(&b, "%4d:%02d |", int(at.Minutes()), int(at.Seconds())%60)
	for _, n := range s.states {
		fmt.Fprintf(&b, "%5d", n)
	}
	seconds := max((s.at - last.at).Seconds(), 1e-3)
	fmt.Fprintf(&b, " | %6.1f %6.1f |", float64(s.heartbeats-last.heartbeats)/seconds, float64(s.events-last.events)/seconds)
	for _, n := range s.unavailable {
		fmt.Fprintf(&b, " %5d", n)
	}
	fmt.Fprintf(&b, " | %5d %7d", s.unanswered, s.replays)
	return b.String()
}

const (
	// steadyEvery is how many looks at a fleet that does not change make a line.
	steadyEvery = 10
	// headerEvery is how many lines have a header above them.
	headerEvery = 20
)

// fleetReporter prints samples: one whenever the fleet has changed, and one now
// and then while it has not.
type fleetReporter struct {
	w     io.Writer
	last  fleetSample // of the last line
	looks int         // since it
	lines int
}

func (r *fleetReporter) look(s fleetSample) {
	if r.looks++; r.lines > 0 && !s.changed(&r.last) && r.looks < steadyEvery {
		return
	}
	if r.lines == 0 {
		fmt.Fprintln(r.w, fleetLegend)
	}
	if r.lines%headerEvery == 0 {
		fmt.Fprintln(r.w, fleetHeader())
	}
	fmt.Fprintln(r.w, s.line(&r.last))
	r.lines++
	r.last, r.looks = s, 0
}

// watch looks at the fleet every so often until it is stopped.
func (f *fleet) watch(w io.Writer, every time.Duration) (stop func()) {
	r := fleetReporter{w: w}
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		start := time.Now()
		for {
			select {
			case <-ticker.C:
				r.look(f.sample(time.Since(start)))
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
	}
}

// fleetSummary is the result of a fleet. Its JSON is stable: scripts read it.
type fleetSummary struct {
	Hosts int    `json:"hosts"`
	Kind  string `json:"kind"`
	Speed int    `json:"speed"`
	Seed  uint64 `json:"seed"`
	// Seconds is how long it ran, by the real clock.
	Seconds float64 `json:"seconds"`
	// States counts hosts by the state of their newest rollout; "Idle" is none.
	States map[string]int64 `json:"states"`
	// Unheard counts hosts that have sent requests and were never answered with
	// 2xx.
	Unheard int64 `json:"unheard"`
	// Heartbeats, Events and Polls are those that the plane accepted.
	Heartbeats fleetRequests `json:"heartbeats"`
	Events     fleetRequests `json:"events"`
	Polls      fleetRequests `json:"polls"`
	// Unavailable counts 503 by reason, Refused the other refusals by status
	// and reason, Unanswered requests without an answer by cause.
	Unavailable map[string]int64 `json:"unavailable"`
	Refused     map[string]int64 `json:"refused"`
	Unanswered  map[string]int64 `json:"unanswered"`
	// Replays counts answers that asked for one, Rejected events that the plane
	// does not allow.
	Replays  int64 `json:"replays"`
	Rejected int64 `json:"rejected"`
	// Unsigned counts what the hosts refused to run, since no signed release says it.
	Unsigned int64 `json:"unsigned"`
	// Unauthorised counts refusals for a certificate, Defects requests and
	// answers that the other side could not read.
	Unauthorised int64 `json:"unauthorised"`
	Defects      int64 `json:"defects"`
}

// fleetRequests sums up the requests of one kind.
type fleetRequests struct {
	Count     int64   `json:"count"`
	PerSecond float64 `json:"per_second"`
	// The times from a request to the end of its answer, in milliseconds: half
	// of them, 99 % of them and all of them took no longer, to a quarter.
	Median  float64 `json:"median_ms"`
	P99     float64 `json:"p99_ms"`
	Longest float64 `json:"longest_ms"`
}

func (f *fleet) summary(kind string) *fleetSummary {
	t := &f.tally
	seconds := f.ended.Sub(f.started).Seconds()
	s := &fleetSummary{
		Hosts: len(f.hosts), Kind: kind, Speed: f.config.Speed, Seed: f.config.Seed, Seconds: rounded(seconds),
		States: make(map[string]int64), Unheard: t.unheard.Load(),
		Heartbeats: t.heartbeats.summary(seconds), Events: t.events.summary(seconds), Polls: t.polls.summary(seconds),
		Unavailable: make(map[string]int64), Refused: t.counts(&t.refused), Unanswered: t.counts(&t.lost),
		Replays: t.replays.Load(), Rejected: t.rejected.Load(), Unsigned: t.unsigned.Load(),
		Unauthorised: t.unauthorised.Load(), Defects: t.defects.Load(),
	}
	for i := range t.states {
		word := "Idle"
		if i > 0 {
			word = wire.State(i).String()
		}
		s.States[word] = t.states[i].Load()
	}
	for i, code := range wire.UnavailableCodes {
		s.Unavailable[code.Reason()] = t.unavailable[i].Load()
	}
	return s
}

func (l *latencies) summary(seconds float64) fleetRequests {
	ms := func(d time.Duration) float64 { return rounded(float64(d) / float64(time.Millisecond)) }
	n := l.total()
	return fleetRequests{
		Count: n, PerSecond: rounded(float64(n) / max(seconds, 1e-3)),
		Median: ms(l.quantile(0.5)), P99: ms(l.quantile(0.99)), Longest: ms(time.Duration(l.longest.Load())),
	}
}

// rounded leaves two digits after the point.
func rounded(x float64) float64 { return math.Round(100*x) / 100 }

// print prints the summary, for people or as JSON.
func (s *fleetSummary) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, s)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "hosts\t%d (%s), %d never accepted, seed %d, %.1f s at %d times their speed\n", s.Hosts, s.Kind, s.Unheard, s.Seed, s.Seconds, s.Speed)
	words := []string{"Idle"}
	for _, state := range wire.States {
		words = append(words, state.String())
	}
	fmt.Fprintf(table, "rollouts\t%s\n", listCounts(s.States, words))
	for _, r := range []struct {
		name string
		fleetRequests
	}{{"heartbeats", s.Heartbeats}, {"events", s.Events}, {"polls", s.Polls}} {
		fmt.Fprintf(table, "%s\t%d, %.1f/s, median %.2f ms, p99 %.2f ms, longest %.2f ms\n", r.name, r.Count, r.PerSecond, r.Median, r.P99, r.Longest)
	}
	var reasons []string
	for _, code := range wire.UnavailableCodes {
		reasons = append(reasons, code.Reason())
	}
	fmt.Fprintf(table, "503\t%s\n", listCounts(s.Unavailable, reasons))
	fmt.Fprintf(table, "refused\t%s\n", listCounts(s.Refused, sortedKeys(s.Refused)))
	fmt.Fprintf(table, "unanswered\t%s\n", listCounts(s.Unanswered, sortedKeys(s.Unanswered)))
	fmt.Fprintf(table, "replays asked\t%d\n", s.Replays)
	fmt.Fprintf(table, "events rejected\t%d\n", s.Rejected)
	fmt.Fprintf(table, "unsigned refused\t%d\n", s.Unsigned)
	return table.Flush()
}

func sortedKeys(counts map[string]int64) []string { return slices.Sorted(maps.Keys(counts)) }

// listCounts lists the counts that are not zero, in the order of keys.
func listCounts(counts map[string]int64, keys []string) string {
	var parts []string
	for _, key := range keys {
		if counts[key] != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[key], key))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
