package record

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// recordingOf runs a scenario with a recorder.
func recordingOf(t *testing.T, s scenario.Scenario, limits Limits) *Recording {
	t.Helper()
	r := NewRecorder(limits)
	_, v := observed(t, s, r.Attach)
	return r.Recording(v)
}

// observed runs a scenario with a consumer of its events.
func observed(t *testing.T, s scenario.Scenario, attach func(*world.World)) (*world.World, check.Verdict) {
	t.Helper()
	w, err := world.New(s, world.Options{Rest: check.Rest})
	if err != nil {
		t.Fatal(err)
	}
	attach(w)
	c := check.Attach(w, nil)
	w.Run(0)
	return w, c.Verdict()
}

// unobserved runs a scenario without one.
func unobserved(t *testing.T, s scenario.Scenario) check.Verdict {
	t.Helper()
	_, v := observed(t, s, func(*world.World) {})
	return v
}

// profiled draws a scenario of a profile.
func profiled(t *testing.T, seed uint64, profile string) scenario.Scenario {
	t.Helper()
	p, err := generate.FindProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	return generate.Scenario(seed, p)
}

func mustParse(t *testing.T, text string) scenario.Scenario {
	t.Helper()
	s, err := scenario.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestARunThatIsRecordedIsTheSameRun(t *testing.T) {
	for _, p := range generate.Profiles() {
		s := generate.Scenario(5, p)
		plain := unobserved(t, s)
		if got := recordingOf(t, s, Limits{}).Result; got.Hash != plain.Hash || got.Events != plain.Events {
			t.Errorf("%s: recorded, %d events and hash %016x; want %d and %016x", p.Name, got.Events, got.Hash, plain.Events, plain.Hash)
		}
	}
}

// The lines of a recording are those of the trace.
func TestARecordingHasTheLinesOfTheTrace(t *testing.T) {
	s := profiled(t, 2, "smoke")
	var trace strings.Builder
	r := NewRecorder(Limits{})
	_, v := observed(t, s, func(w *world.World) {
		r.Attach(w)
		Text(w, &trace, 0)
	})
	var lines strings.Builder
	for _, step := range r.Recording(v).Steps {
		for _, l := range step.Lines {
			writeLine(&lines, step.Step, step.At, l.Where, l.Text)
		}
	}
	if lines.String() != trace.String() {
		t.Errorf("the recording has %d bytes of lines, the trace %d", lines.Len(), trace.Len())
	}
}

func TestAMessageIsFollowedToItsEnd(t *testing.T) {
	rec := recordingOf(t, mustParse(t, `
seed 3
fleet 2
at 2m reducer wedge for=70s
at 4m net drop host=h1 rate=1000 for=70s
at 6m net partition host=h2 dir=down for=70s
at 8m reply drop host=h1 for=70s
at 10m plane crash for=70s
`), Limits{})
	seen := map[string]int{}
	for _, m := range rec.Messages {
		switch {
		case m.Late.Happened():
			seen["late"]++
			// One that was being worked on was stepped, the others were skipped.
			if m.Code != wire.Timeout || m.Late.At < m.Answered.At || m.Stepped.Happened() == m.Dropped {
				t.Errorf("m%d is late, answered %v at %v, and done at %v", m.ID, m.Code, m.Answered.At, m.Late.At)
			}
		case m.Lost == scenario.Up && m.Why == scenario.EffectLost:
			seen["request lost"]++
			if m.Arrived.Happened() || m.Host != 1 || m.Heard.Happened() && !m.NoAnswer {
				t.Errorf("m%d is lost: %+v", m.ID, m)
			}
		case m.Lost == scenario.Up && m.Why == scenario.EffectRefusedConnection:
			seen["refused"]++
		case m.Lost == scenario.Down && m.Why == scenario.EffectPartitioned:
			seen["answer lost"]++
			if !m.Answered.Happened() || m.Host != 2 {
				t.Errorf("m%d is answered into a partition: %+v", m.ID, m)
			}
		case m.Dropped:
			seen["dropped"]++
			if m.Code != wire.DroppedReply {
				t.Errorf("m%d was let go of and is answered %v", m.ID, m.Code)
			}
		case m.Routine():
			seen["routine"]++
			if m.Sent.At >= m.Arrived.At || m.Arrived.At > m.Stepped.At || m.Stepped.At > m.Answered.At || m.Answered.At >= m.Heard.At {
				t.Errorf("m%d goes back in time: %+v", m.ID, m)
			}
		}
	}
	for _, want := range []string{"late", "request lost", "refused", "answer lost", "dropped", "routine"} {
		if seen[want] == 0 {
			t.Errorf("no message is %s: %v", want, seen)
		}
	}
	if len(rec.Plane) < 5 || rec.Plane[len(rec.Plane)-1].State != world.PlaneServing {
		t.Errorf("the plane's process: %+v", rec.Plane)
	}
}

// What a recording says of plane and agent at the end is what they say
// themselves; before, every version differs from the one before it.
func TestARecordingKnowsEveryVersionOfARecord(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		s := profiled(t, seed, "amnesia")
		r := NewRecorder(Limits{})
		w, v := observed(t, s, r.Attach)
		rec := r.Recording(v)
		for _, track := range rec.Records {
			planes, there := w.Plane().Record(track.Rollout, scenario.HostName(track.Host))
			last := RecordVersion{}
			if n := len(track.Plane); n > 0 {
				last = track.Plane[n-1]
			}
			if there != last.There || there && !alike(&planes, &last.Record) {
				t.Errorf("seed %d, %s on h%d: the plane has %v, the recording %v", seed, track.Rollout, track.Host, &planes, &last.Record)
			}
			for i := 1; i < len(track.Plane); i++ {
				if a, b := &track.Plane[i-1], &track.Plane[i]; a.Step > b.Step || a.There == b.There && alike(&a.Record, &b.Record) {
					t.Errorf("seed %d, %s on h%d: version %d at step %d is no change", seed, track.Rollout, track.Host, i, b.Step)
				}
			}
		}
		for i := range s.Fleet.Hosts {
			for _, v := range w.LastAgent(i + 1).Views(nil) {
				track := r.records[recordOf{v.Record.RolloutID, i + 1}]
				if track == nil || len(track.Agent) == 0 {
					t.Fatalf("seed %d: nothing is known of %s on h%d", seed, v.Record.RolloutID, i+1)
				}
				if last := track.Agent[len(track.Agent)-1]; !last.There || last.Record.State != v.Record.State || last.Record.LastEventSeq != v.Record.LastEventSeq {
					t.Errorf("seed %d: h%d has %v, the recording %v", seed, i+1, v.Record, &last.Record)
				}
			}
		}
	}
}

func TestARecordingStaysInItsLimits(t *testing.T) {
	s := profiled(t, 7, "storm")
	whole := recordingOf(t, s, Limits{})
	if whole.Omitted != (Omitted{}) {
		t.Fatalf("a storm does not fit: %+v", whole.Omitted)
	}
	limits := Limits{Messages: len(whole.Messages) / 3, Steps: len(whole.Steps) / 3}
	rec := recordingOf(t, s, limits)
	if len(rec.Messages) > limits.Messages || len(rec.Steps) > limits.Steps {
		t.Errorf("%d messages and %d steps are kept; want at most %+v", len(rec.Messages), len(rec.Steps), limits)
	}
	if len(rec.Messages)+rec.Omitted.Messages != len(whole.Messages) || len(rec.Steps)+rec.Omitted.Steps != len(whole.Steps) {
		t.Errorf("%d and %d are kept, %+v left out; there are %d and %d", len(rec.Messages), len(rec.Steps), rec.Omitted, len(whole.Messages), len(whole.Steps))
	}
	// The last ones are kept, and nothing is lost of what is not routine unless
	// all that is routine went before.
	if a, b := rec.Steps[len(rec.Steps)-1], whole.Steps[len(whole.Steps)-1]; a.Step != b.Step {
		t.Errorf("the last step that is kept is %d, want %d", a.Step, b.Step)
	}
	if a, b := rec.Series, whole.Series; len(a.Buckets) != len(b.Buckets) || a.Width != b.Width {
		t.Errorf("the series differ: %d buckets of %v, %d of %v", len(a.Buckets), a.Width, len(b.Buckets), b.Width)
	}
}

func TestThinningTakesTheOldestRoutineFirst(t *testing.T) {
	type item struct {
		at      int
		routine bool
	}
	look := func(i item) (bool, time.Duration) { return i.routine, time.Duration(i.at) }
	list := []item{{1, false}, {2, true}, {3, true}, {4, false}, {5, true}}
	kept, gone, before := thin(append([]item(nil), list...), 3, look)
	if len(kept) != 3 || kept[0].at != 1 || kept[1].at != 4 || kept[2].at != 5 || gone != 2 || before != 3 {
		t.Errorf("%v, %d gone before %v", kept, gone, before)
	}
	kept, gone, _ = thin(append([]item(nil), list...), 1, look)
	if len(kept) != 1 || kept[0].at != 4 || gone != 4 {
		t.Errorf("%v, %d gone; want only what is not routine and young", kept, gone)
	}
}

// A bucket's counts are the same however often the series was halved.
func TestASeriesCountsTheSameHoweverWideItsBuckets(t *testing.T) {
	s := profiled(t, 3, "storm")
	rec := recordingOf(t, s, Limits{})
	answered, refused, deepest := 0, 0, 0
	for _, m := range rec.Messages {
		if m.Answered.Happened() {
			answered++
			if m.Code.Unavailable() {
				refused++
			}
		}
	}
	if rec.Series.Width == firstBucket {
		t.Error("the series was never halved")
	}
	for i := range rec.Series.Buckets {
		b := &rec.Series.Buckets[i]
		answered -= b.Answered
		for _, n := range b.Refused {
			refused -= n
		}
		deepest = max(deepest, b.Depth)
	}
	if answered != 0 || refused != 0 || deepest == 0 {
		t.Errorf("the buckets lack %d answers and %d refusals, and the inbox was %d deep", answered, refused, deepest)
	}
}

func TestAViolationIsFocussedOnWhatItNames(t *testing.T) {
	for _, c := range []struct {
		detail string
		want   Focus
	}{
		{"h2 in stable@r1: the last event number falls", Focus{2, "stable@r1"}},
		{"the log cannot be walked", Focus{1, "stable@r1"}}, // the step is of h1
		{"10m after healing: h3: unfinished", Focus{3, "stable@r1"}},
		{"h99 is nobody", Focus{1, "stable@r1"}},
	} {
		s := mustParse(t, "seed 1\nfleet 3\nrollout stable@r1 at=1s target=c1\n")
		r := NewRecorder(Limits{})
		_, v := observed(t, s, func(w *world.World) {
			r.Attach(w)
			w.Subscribe(world.EventStepEnded, func(e *world.Event) {
				if e.At > time.Minute && w.Timer().Host() == 1 && r.step != nil {
					w.Violate("S0", "%s", c.detail)
				}
			})
		})
		if got := r.Recording(v).Focus; got != c.want {
			t.Errorf("%q: %+v, want %+v", c.detail, got, c.want)
		}
	}
}
