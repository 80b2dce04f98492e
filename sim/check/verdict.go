package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

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

// Verdict is the result of a run, compared with what its scenario expects.
type Verdict struct {
	world.Result
	// Expected says that the scenario expects the violation.
	Expected bool
	// Unmet are the scenario's expectations that the run did not meet, of
	// Expectations in all.
	Unmet        []Unmet
	Expectations int
}

// The words of [Verdict.Word].
const (
	WordPassed    = "passed"
	WordViolation = "violation" // a rule was broken, and the scenario does not expect that
	WordUnmet     = "unmet"     // an expectation of the scenario was not met
	WordStopped   = "stopped"   // the run was stopped before its end, with nothing wrong until then
)

// Failed reports whether the run is not as its scenario wants it: a rule was
// broken that was not expected to be, or an expectation is unmet.
func (v *Verdict) Failed() bool { return v.Word() == WordViolation || v.Word() == WordUnmet }

// Word is the verdict in one word. Everything that shows a run decides by it
// whether the run passed: the command line, JSON and the pages.
func (v *Verdict) Word() string {
	switch {
	case v.Violation != nil && !v.Expected:
		return WordViolation
	case len(v.Unmet) > 0:
		return WordUnmet
	case !v.Ended:
		return WordStopped
	default:
		return WordPassed
	}
}

// Headline is the verdict for people: a word in capitals, and why in one
// sentence.
func (v *Verdict) Headline() (word, why string) {
	switch v.Word() {
	case WordViolation:
		return "VIOLATED", v.Violation.String()
	case WordUnmet:
		return "FAILED", fmt.Sprintf("%d of %d expectations unmet", len(v.Unmet), v.Expectations)
	case WordStopped:
		return "STOPPED", fmt.Sprintf("after step %d, with nothing violated", v.Events)
	}
	if v.Violation != nil {
		return "PASSED", "as expected, " + v.Violation.String()
	}
	return "PASSED", fmt.Sprintf("at rest %v after healing", v.Settled.Round(time.Second))
}

// Verdict returns how the run went so far.
func (s *Checks) Verdict() Verdict {
	v := Verdict{Result: s.World.Result()}
	if s.expects == nil {
		return v
	}
	v.Expectations = len(s.expects.seen)
	for i, seen := range s.expects.seen { // a copy: what is written there is for this verdict only
		e := &seen.expect
		if e.Kind == scenario.ExpectViolation && v.Violation != nil && v.Violation.Checker == e.Is {
			v.Expected = true
		}
		if saw, instead := s.expects.unmet(&seen, &v.Result); saw != "" {
			v.Unmet = append(v.Unmet, Unmet{Index: i, Expect: *e, Saw: saw, Instead: instead})
		}
	}
	return v
}

// unmet says what there was in place of what was expected, and how the
// expectation would be met; nothing if it is. Of a run that was stopped before
// its end only that is judged which is over.
func (j *expectations) unmet(s *seen, r *world.Result) (saw string, instead *scenario.Expect) {
	e := s.expect
	switch {
	case !r.Ended:
		if s.looked && !s.met {
			return s.state, withSeq(e, s)
		}
		return "", nil
	case e.Kind == scenario.ExpectViolation:
		return unmetViolation(e, r.Violation)
	case e.Kind.Looks():
		at := r.Simulated
		if e.At.Given && !s.looked {
			if at = e.At.Min; at > r.Simulated {
				return fmt.Sprintf("that the run was over at %s", scenario.FormatDuration(r.Simulated)), nil
			}
		}
		if !s.looked {
			j.judge(s, at)
		}
		if s.met {
			return "", nil
		}
		return s.state, withSeq(e, s)
	case e.Kind == scenario.ExpectEffect:
		effect, _ := scenario.EffectNamed(e.Is)
		s.count = int(r.Effects[effect])
	}
	return s.counted()
}

func unmetViolation(e scenario.Expect, v *world.Violation) (saw string, instead *scenario.Expect) {
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
