package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Violation says which rule was broken, when, and how.
type Violation struct {
	// Checker is its number: S8, L1.
	Checker string
	Step    uint64
	At      time.Duration
	Detail  string
}

// String writes the violation in one line.
func (v *Violation) String() string {
	return fmt.Sprintf("%s at step %d, %v: %s", v.Checker, v.Step, v.At, v.Detail)
}

// Result is how a run ended.
type Result struct {
	Violation *Violation
	// Expected says that the scenario expects that violation.
	Expected bool
	// Unmet are the scenario's expectations that the run did not meet.
	Unmet []Unmet
	Seed  uint64
	// Events is how many events happened, Simulated how much time passed.
	Events    uint64
	Simulated time.Duration
	// Settled is when after the healing the fleet had come to rest.
	Settled time.Duration
	// Ended says that the run came to its end, and was not stopped before.
	Ended   bool
	Hash    uint64
	Effects scenario.Effects
	// Reached is how often each of the scenario's faults took effect: a fault
	// that never did might as well not be there.
	Reached []uint64
}

// Failed reports whether the run is not as its scenario wants it: a rule was
// broken that was not expected to be, or an expectation is unmet.
func (r *Result) Failed() bool { return r.Violation != nil && !r.Expected || len(r.Unmet) > 0 }

// Unmet is an expectation that a run did not meet.
type Unmet struct {
	// Index is its place in the scenario's Expects.
	Index  int
	Expect scenario.Expect
	// Saw says what there was instead.
	Saw string
	// Instead is the expectation with other numbers and times, which the run
	// does meet; nil if it is not a matter of those.
	Instead *scenario.Expect
}

// String writes the expectation and what was seen, in one line.
func (u *Unmet) String() string { return u.Expect.String() + ": saw " + u.Saw }

// verdict compares the run with what its scenario expects.
func (w *World) verdict(r *Result) {
	for i := range w.scenario.Expects {
		e := &w.scenario.Expects[i]
		if e.Kind == scenario.ExpectViolation && w.violation != nil && w.violation.Checker == e.Is {
			r.Expected = true
		}
		s := w.expects.seen[i] // what is written here is for this result only
		if saw, instead := w.unmet(&s, r.Ended); saw != "" {
			r.Unmet = append(r.Unmet, Unmet{Index: i, Expect: *e, Saw: saw, Instead: instead})
		}
	}
}

// unmet says what there was in place of what was expected, and how the
// expectation would be met; nothing if it is. Of a run that was stopped before
// its end only that is judged which is over.
func (w *World) unmet(s *seen, ended bool) (saw string, instead *scenario.Expect) {
	e := s.expect
	switch {
	case !ended:
		if s.looked && !s.met {
			return s.state, withSeq(e, s)
		}
		return "", nil
	case e.Kind == scenario.ExpectViolation:
		return w.unmetViolation(e)
	case e.Kind.Looks():
		if e.At.Given && !s.looked && e.At.Min > w.now {
			return fmt.Sprintf("that the run was over at %s", scenario.FormatDuration(w.now)), nil
		}
		if !s.looked {
			w.expects.judge(w, s, w.now)
		}
		if s.met {
			return "", nil
		}
		return s.state, withSeq(e, s)
	case e.Kind == scenario.ExpectEffect:
		effect, _ := scenario.EffectNamed(e.Is)
		s.count = int(w.effects[effect])
	}
	return s.counted()
}

func (w *World) unmetViolation(e scenario.Expect) (saw string, instead *scenario.Expect) {
	v := w.violation
	switch {
	case v == nil:
		return "no violation", nil
	case v.Checker != e.Is:
		return v.String(), nil
	case !e.At.Has(v.At):
		e.At = e.At.Moved(v.At)
		return v.String(), &e
	}
	return "", nil
}

// withSeq is the expectation with the number that there was, if that is what
// differs.
func withSeq(e scenario.Expect, s *seen) *scenario.Expect {
	if !s.hasSeq || e.Seq.Has(int(s.seq)) || e.Hosts.First != e.Hosts.Last {
		return nil
	}
	e.Seq = e.Seq.Moved(int(s.seq))
	return &e
}

// counted judges what happened.
func (s *seen) counted() (saw string, instead *scenario.Expect) {
	e := s.expect
	switch {
	case e.Count.Given && e.Count.Has(s.count), !e.Count.Given && s.count > 0:
		return "", nil
	case e.Count.Given && s.count > 0, e.Count.Given && s.near == nil && s.other == nil:
		saw = fmt.Sprint(s.count)
		if s.count > 0 && e.Kind != scenario.ExpectEffect {
			saw += ", the first " + s.first.String()
		}
		e.Count = e.Count.Moved(s.count)
		return saw, &e
	case s.near != nil:
		e.At, e.Took, e.Bootstrap = e.At.Moved(s.near.at), e.Took.Moved(s.near.took), e.Bootstrap.Moved(s.near.bootstrap)
		instead = &e
		if e.RetryAfter.Given {
			if e.RetryAfter = e.RetryAfter.Moved(s.near.retryAfter); !s.near.unavailable {
				instead = nil
			}
		}
		if e.ReplayFrom.Given {
			if e.ReplayFrom = e.ReplayFrom.Moved(s.near.replayFrom); !s.near.replay {
				instead = nil
			}
		}
		return s.near.String(), instead
	case s.other != nil:
		return s.other.String(), nil
	case e.Nth > 0:
		return fmt.Sprintf("only %d", s.chosen), nil
	default:
		return "none", nil
	}
}

// String describes something that happened in the words of expectations.
func (o *occurrence) String() string {
	if !o.answer {
		return fmt.Sprintf("at %s: %s", scenario.FormatDuration(o.at), o.what)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "at %s: %s to %s, took=%s", scenario.FormatDuration(o.at), o.what, o.whose, scenario.FormatDuration(o.took))
	if o.unavailable {
		fmt.Fprintf(&b, " retry-after=%s", scenario.FormatDuration(o.retryAfter))
	}
	if o.replay {
		fmt.Fprintf(&b, " replay-from=%d", o.replayFrom)
	}
	if o.bootstrap > 0 {
		fmt.Fprintf(&b, " bootstrap=%d", o.bootstrap)
	}
	return b.String()
}
