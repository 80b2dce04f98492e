package gameday

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Result is what a gameday showed.
type Result struct {
	// Played is how much of the scenario's time passed, Wall of the real
	// clock's.
	Played, Wall time.Duration
	Hosts        int
	Injections   []*Injection
	NotPlayed    []NotPlayed
	Expects      []ExpectResult
	Violations   []Violation
	// Settled says that the fleet settled, Unsettled what had not.
	Settled   bool
	Unsettled string
	// Answers are how many requests were answered how, by route.
	Answers map[string]map[string]int
}

// ExpectResult is the result of an expectation.
type ExpectResult struct {
	Expect string `json:"expect"`
	// Verdict is met, unmet or "not judged".
	Verdict string `json:"verdict"`
	// Saw says what there was.
	Saw string `json:"saw"`
}

// The verdicts of [ExpectResult].
const (
	VerdictMet       = "met"
	VerdictUnmet     = "unmet"
	VerdictNotJudged = "not judged"
)

// Passed reports whether the fleet settled without a violation and no
// expectation is unmet.
func (r *Result) Passed() bool {
	return r.Settled && len(r.Violations) == 0 &&
		!slices.ContainsFunc(r.Expects, func(m ExpectResult) bool { return m.Verdict == VerdictUnmet })
}

func (g *Game) result(ctx context.Context, settled bool, why string) *Result {
	r := &Result{
		Played: g.now(), Wall: time.Since(g.began), Hosts: len(g.hosts), NotPlayed: g.plan.notPlayed, Settled: settled, Unsettled: why,
		Answers: map[string]map[string]int{},
	}
	for _, e := range g.plan.scenario.Expects {
		r.Expects = append(r.Expects, g.judge(ctx, e))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r.Injections, r.Violations = g.injections, slices.Clone(g.violations)
	for a, n := range g.answers {
		if r.Answers[a.route] == nil {
			r.Answers[a.route] = map[string]int{}
		}
		r.Answers[a.route][a.words()] += n
	}
	return r
}

// judge returns the result of an expectation.
func (g *Game) judge(ctx context.Context, e scenario.Expect) ExpectResult {
	m := ExpectResult{Expect: e.String(), Verdict: VerdictNotJudged}
	switch {
	case e.At.Given && e.Kind.Looks():
		m.Saw = "the real fleet may be a little ahead of or behind an instant of the scenario"
		return m
	case e.Kind == scenario.ExpectAnswer:
		return g.judgeAnswer(e, m)
	case e.Kind == scenario.ExpectRecord:
		return g.judgeRecord(ctx, e, m)
	case e.Kind == scenario.ExpectRollout:
		status, err := g.asks.rollout(ctx, e.Rollout)
		switch {
		case err != nil:
			m.Saw = err.Error()
		case status == nil:
			m.found("none", e.Is)
		default:
			m.found(status.State.String(), e.Is)
		}
		return m
	case e.Kind == scenario.ExpectHost:
		return g.judgeEach(e, m, func(h *host) string {
			status, err := g.asks.host(ctx, h.name)
			switch {
			case err != nil:
				return err.Error()
			case status == nil:
				return "unknown"
			default:
				return status.Reachability.String()
			}
		})
	case e.Kind == scenario.ExpectClosure:
		return g.judgeEach(e, m, func(h *host) string { return string(h.machine.CurrentClosure()) })
	case e.Kind == scenario.ExpectViolation:
		m.Saw = "the simulator's checkers do not run on a real fleet"
		return m
	default:
		m.Saw = "it cannot be seen from outside"
		return m
	}
}

func (m *ExpectResult) found(saw, want string) {
	m.Saw, m.Verdict = saw, VerdictUnmet
	if saw == want {
		m.Verdict = VerdictMet
	}
}

// judgeEach judges whether all of the hosts show one word.
func (g *Game) judgeEach(e scenario.Expect, m ExpectResult, show func(*host) string) ExpectResult {
	m.Verdict, m.Saw = VerdictMet, e.Is
	for _, h := range g.hostsOf(e.Hosts) {
		if saw := show(h); saw != e.Is {
			m.Verdict, m.Saw = VerdictUnmet, fmt.Sprintf("%s: %s", h.name, saw)
			return m
		}
	}
	return m
}

// judgeAnswer counts answers. What they were about, and when they came, is not
// seen from outside; how many there are depends on the machine, so that only
// whether there were any is judged, and that there were none if none was to be.
func (g *Game) judgeAnswer(e scenario.Expect, m ExpectResult) ExpectResult {
	if e.Event != "" || e.Rollout != "" || e.Nth > 0 || e.Seq.Given || e.At.Given || e.Took.Given || e.RetryAfter.Given || e.ReplayFrom.Given || e.Bootstrap.Given {
		m.Saw = "only the host, the route, the status and the reason of an answer are seen"
		return m
	}
	if slices.Contains([]string{"operator", "manifest", "garbage"}, e.Route) {
		m.Saw = "only answers to agents are counted"
		return m
	}
	seen := 0
	g.mu.Lock()
	for a, n := range g.answers {
		if e.Hosts.Has(a.host) && (e.Route == "" || e.Route == a.route) && a.is(e.Is) {
			seen += n
		}
	}
	g.mu.Unlock()
	m.Saw, m.Verdict = strconv.Itoa(seen), VerdictMet
	none := e.Count.Given && e.Count.Max == 0
	if none != (seen == 0) {
		m.Verdict = VerdictUnmet
	}
	return m
}

// is reports whether an answer is the one that a word of the scenario language
// means: a reason, ok, no_content, a status, or * for any.
func (a answer) is(word string) bool {
	switch word {
	case "*":
		return a.status > 0
	case wire.OK.String():
		return a.status == wire.OK.Status()
	case wire.NoContent.String():
		return a.status == wire.NoContent.Status()
	}
	return word == a.reason || word == strconv.Itoa(a.status)
}

// judgeRecord compares a record on the sides that the expectation names.
func (g *Game) judgeRecord(ctx context.Context, e scenario.Expect, m ExpectResult) ExpectResult {
	if e.Seq.Given || e.Closure != "" || e.Confirmed != "" {
		m.Saw = "only the state of a record is compared"
		return m
	}
	return g.judgeEach(e, m, func(h *host) string {
		var sides []string
		if e.Side != "agent" {
			sides = append(sides, g.planeState(ctx, h, e.Rollout))
		}
		if e.Side != "plane" {
			state := "none"
			if v, known := h.view(e.Rollout); known {
				state = v.state.String()
			}
			sides = append(sides, state)
		}
		if slices.ContainsFunc(sides, func(s string) bool { return s != sides[0] }) {
			return strings.Join(sides, " at the plane, ") + " at the agent"
		}
		return sides[0]
	})
}

func (g *Game) planeState(ctx context.Context, h *host, id wire.RolloutID) string {
	status, err := g.asks.rollout(ctx, id)
	if err != nil {
		return err.Error()
	}
	if status != nil {
		for i := range status.Hosts {
			if s := &status.Hosts[i].Snapshot; s.Hostname == h.name {
				return s.State.String()
			}
		}
	}
	return "none"
}
