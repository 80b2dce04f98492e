package flight_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// recorded is a plane with a recorder, driven as a server drives them.
type recorded struct {
	t        rapid.TB
	recorder *flight.Recorder
	plane    *plane.Plane
	now      time.Duration
	out      plane.Output
}

func record(t rapid.TB, limits flight.Limits) *recorded {
	t.Helper()
	r := &recorded{t: t}
	var err error
	if r.recorder, err = flight.NewRecorder(limits); err != nil {
		t.Fatal(err)
	}
	if r.plane, err = plane.New(plane.Config{}); err != nil {
		t.Fatal(err)
	}
	r.rebuild()
	return r
}

// rebuild builds the plane again from what is durable.
func (r *recorded) rebuild() {
	r.t.Helper()
	p, err := plane.Restore(plane.Config{}, r.plane.AppendDurable(nil))
	if err != nil {
		r.t.Fatal(err)
	}
	r.plane = p
	r.recorder.Rebuilt(p.Clone())
	r.step(&plane.Started{})
}

func (r *recorded) instant() wire.Instant {
	return wire.Instant{Mono: r.now, Wall: wire.TimeOf(epoch.Add(r.now))}
}

func (r *recorded) step(in plane.Input) {
	r.t.Helper()
	r.now += 700 * time.Millisecond
	r.recorder.Begin(r.instant(), in)
	r.out.Reset()
	r.plane.Step(r.instant(), in, &r.out)
	if len(r.out.Replies) > 0 {
		r.recorder.End(&r.out.Replies[0].Outcome)
	} else {
		r.recorder.End(nil)
	}
}

func (r *recorded) bytes() []byte {
	r.t.Helper()
	b, ok := r.recorder.Append(nil, flight.Header{Build: "test", Reason: "asked", At: r.instant().Wall})
	if !ok {
		r.t.Fatal("the recorder knows no plane")
	}
	return b
}

// replay plays what is recorded and wants every answer and the last state to
// be the same.
func (r *recorded) replay() *flight.Recording {
	r.t.Helper()
	rec, err := flight.Parse(r.bytes())
	if err != nil {
		r.t.Fatal(err)
	}
	player, err := rec.Play()
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		s, more := player.Peek()
		if !more {
			break
		}
		if err := player.Next(); err != nil {
			r.t.Fatal(err)
		}
		if !player.Same() {
			r.t.Fatalf("line %d: %v answered %s then and %s now", s.Line, s.Input, s.Answer, player.Got())
		}
	}
	if then, now := r.plane.AppendState(nil), player.Plane().AppendState(nil); !bytes.Equal(then, now) {
		r.t.Fatalf("the state after the recording is\n%s\nwant\n%s", now, then)
	}
	return rec
}

func (r *recorded) at() wire.Time { return wire.TimeOf(epoch.Add(r.now)) }

// draw draws an input that means something to a fleet of few hosts.
func (r *recorded) draw(t *rapid.T) plane.Input {
	host := wire.Hostname(fmt.Sprintf("h%d", rapid.IntRange(1, 3).Draw(t, "host")))
	ref := wire.ChannelRef(fmt.Sprintf("r%d", rapid.IntRange(1, 2).Draw(t, "rollout")))
	id := wire.MakeRolloutID("stable", ref)
	closure := wire.Closure(fmt.Sprintf("c%d", rapid.IntRange(0, 2).Draw(t, "closure")))
	seq := wire.Seq(rapid.IntRange(1, 5).Draw(t, "seq"))
	event := func(body wire.EventBody) plane.Input {
		return &plane.Event{Envelope: wire.EventEnvelope{Hostname: host, RolloutID: id, Event: wire.Event{Seq: seq, Body: body}}}
	}
	switch rapid.IntRange(0, 12).Draw(t, "input") {
	case 0:
		return &plane.OpenRollout{Manifest: wire.Manifest{
			Channel: "stable", ChannelRef: ref,
			Policy: wire.Policy{OnHealthFailure: wire.RollbackAndHalt, Waves: []wire.Wave{{SoakMinutes: 1}}},
			Hosts:  []wire.ManifestHost{{Hostname: "h1", TargetClosure: "c1"}, {Hostname: "h2", TargetClosure: "c2"}},
		}}
	case 1:
		return event(wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: r.at()})
	case 2:
		return event(wire.ActivationCompleted{ObservedCurrentClosure: closure, CompletedAt: r.at()})
	case 3:
		return event(wire.ActivationFailed{ExitCode: 4, StderrTail: "no\nspace", FailedAt: r.at()})
	case 4:
		return event(wire.HostConverged{ConvergedAt: r.at(), CurrentClosure: closure})
	case 5:
		return &plane.Poll{Hostname: host}
	case 6:
		return &plane.Tick{Impaired: rapid.Bool().Draw(t, "impaired")}
	case 7:
		return &plane.QueryHosts{Limit: 2}
	case 8:
		return &plane.QueryRollout{RolloutID: id, Limit: 9}
	case 9:
		return &plane.Revoke{CommonName: "agent-h1.fleet"}
	case 10:
		return &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: host, RolloutID: id, CurrentClosure: closure, At: r.at()}}
	default:
		return &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: host, CurrentClosure: closure, At: r.at()}}
	}
}

func TestARecordingAnswersAsTheRealPlaneDid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := flight.Limits{Steps: rapid.IntRange(1, 40).Draw(t, "steps")}
		r := record(t, limits)
		made := 1
		for range rapid.IntRange(0, 120).Draw(t, "length") {
			if rapid.IntRange(0, 30).Draw(t, "rebuild") == 0 {
				r.rebuild()
			} else {
				r.step(r.draw(t))
			}
			made++
		}
		rec := r.replay()
		kept, before := r.recorder.Steps()
		if kept > limits.Steps || kept == 0 {
			t.Fatalf("%d steps are kept; want 1 to %d", kept, limits.Steps)
		}
		if int(rec.Header.Steps) != kept || uint64(rec.Header.Before) != before {
			t.Fatalf("the header says %d and %d; want %d and %d", rec.Header.Steps, rec.Header.Before, kept, before)
		}
		if kept+int(before) > made {
			t.Fatalf("%d steps are kept and %d were before, of %d made", kept, before, made)
		}
	})
}

func TestTheLastStepsAreKept(t *testing.T) {
	r := record(t, flight.Limits{Steps: 3})
	for i := range 7 {
		r.step(&plane.Poll{Hostname: wire.Hostname(fmt.Sprintf("h%d", i))})
	}
	var got []string
	for _, s := range r.replay().Steps() {
		got = append(got, s.Input.String())
	}
	if want := "poll h4 poll h5 poll h6"; strings.Join(got, " ") != want {
		t.Errorf("kept %v; want %s", got, want)
	}
	if kept, before := r.recorder.Steps(); kept != 3 || before != 5 {
		t.Errorf("%d kept and %d before; want 3 and 5", kept, before)
	}
}

func TestALargeDocumentPushesOutMoreThanOneStep(t *testing.T) {
	r := record(t, flight.Limits{Steps: 1000, Bytes: 64 << 10})
	for range 100 {
		r.step(&plane.Poll{Hostname: "h1"})
	}
	full, _ := r.recorder.Steps()
	r.step(&plane.Event{Envelope: wire.EventEnvelope{Hostname: "h1", RolloutID: "a@b", Event: wire.Event{
		Seq: 1, Body: wire.ActivationFailed{StderrTail: wire.Text(strings.Repeat("x", 40<<10)), FailedAt: r.at()},
	}}})
	if kept, _ := r.recorder.Steps(); kept >= full || kept < 2 {
		t.Errorf("%d steps are kept after a large one, %d before it; want fewer, and more than that one", kept, full)
	}
	r.replay()
}

// What stands in the ring must not change when the driver uses its structs
// again.
func TestAnInputThatIsUsedAgainIsKeptAsItWas(t *testing.T) {
	r := record(t, flight.Limits{})
	h := &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "h1", At: r.at()}}
	r.step(h)
	h.Request.Hostname = "h2"
	r.step(h)
	p := &plane.Poll{Hostname: "h1"}
	r.step(p)
	p.Hostname = "h2"
	r.replay()
}

func TestAStepThatDidNotReturnIsTheLastOfItsPlane(t *testing.T) {
	r := record(t, flight.Limits{Steps: 4})
	r.recorder.Begin(r.instant(), &plane.Poll{Hostname: "guilty"})
	rec, err := flight.Parse(r.bytes())
	if err != nil {
		t.Fatal(err)
	}
	steps := rec.Steps()
	if last := steps[len(steps)-1]; last.Returned || last.Answer != nil || last.Input.String() != "poll guilty" {
		t.Errorf("the last step is %+v; want the poll, not returned", last)
	}
	// When it leaves the ring, it is not made again.
	r.rebuild()
	for range 5 {
		r.step(&plane.Poll{Hostname: "h1"})
	}
	r.replay()
}

func TestLimitsAreJudged(t *testing.T) {
	for limits, want := range map[flight.Limits]string{
		{Steps: -1}:   "flight steps is -1; want at least 1",
		{Bytes: 1024}: "flight bytes is 1024; want at least 65536",
	} {
		if _, err := flight.NewRecorder(limits); err == nil || err.Error() != want {
			t.Errorf("%+v: %v; want %q", limits, err, want)
		}
	}
}

func TestARecorderWithoutAPlaneHasNothingToWrite(t *testing.T) {
	r, err := flight.NewRecorder(flight.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if b, ok := r.Append(nil, flight.Header{}); ok || len(b) > 0 {
		t.Errorf("wrote %q", b)
	}
}

func TestARecordingThatIsWrongIsRefusedByItsLine(t *testing.T) {
	r := record(t, flight.Limits{})
	r.step(&plane.Poll{Hostname: "h1"})
	r.step(&plane.Tick{})
	good := string(r.bytes())
	lines := strings.SplitAfter(good, "\n")
	lines = lines[:len(lines)-1]
	answer := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "answer") {
			answer = i
		}
	}
	for name, c := range map[string]struct {
		text, want string
	}{
		"empty":             {"", "line 1: the file is empty"},
		"another file":      {"SQLite format 3\n", `line 1: this is no recording: it begins with "SQLite"`},
		"newer":             {strings.Replace(good, `"format":1`, `"format":2`, 1), "line 1: format is 2; this build reads format 1"},
		"cut in a line":     {good[:len(good)-5], fmt.Sprintf("line %d: the recording was cut off in this line", len(lines))},
		"cut after one":     {strings.Join(lines[:len(lines)-1], ""), fmt.Sprintf("line %d: the recording was cut off after", len(lines)-1)},
		"no answer":         {strings.Join(lines[:answer], "") + strings.Join(lines[answer+1:], ""), fmt.Sprintf("line %d: unknown word \"step\"", answer+1)},
		"a poll is done":    {strings.Join(lines[:answer], "") + "done\n" + strings.Join(lines[answer+1:], ""), fmt.Sprintf(`line %d: "done" after poll h1`, answer+1)},
		"fewer steps":       {strings.Replace(good, `"steps":3,`, `"steps":4,`, 1), "the recording has 3 steps; the first line says 4 and the last 3"},
		"more":              {good + "step\n", fmt.Sprintf("line %d: nothing may follow", len(lines)+1)},
		"a clock":           {strings.Replace(good, "step 1400000000", "step soon", 1), `mono is "soon"; want nanoseconds`},
		"an input":          {strings.Replace(good, " poll ", " pool ", 1), `unknown input "pool"`},
		"another recording": {good + good, fmt.Sprintf("line %d: nothing may follow", len(lines)+1)},
	} {
		_, err := flight.Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q in it", name, err, c.want)
		}
	}
	rec, err := flight.Parse([]byte(strings.Replace(good, "clock {", "clock {x", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rec.Play(); err == nil || !strings.Contains(err.Error(), "state before the first step: state line") {
		t.Errorf("a broken state: %v", err)
	}
}

func TestAnAnswerThatDiffersIsSeen(t *testing.T) {
	r := record(t, flight.Limits{})
	r.step(&plane.Poll{Hostname: "h1"})
	rec, err := flight.Parse([]byte(strings.Replace(string(r.bytes()), "answer 204 -", "answer 200 -", 1)))
	if err != nil {
		t.Fatal(err)
	}
	player, err := rec.Play()
	if err != nil {
		t.Fatal(err)
	}
	var same []bool
	for {
		if _, more := player.Peek(); !more {
			break
		}
		if err := player.Next(); err != nil {
			t.Fatal(err)
		}
		same = append(same, player.Same())
	}
	if fmt.Sprint(same) != "[true false]" {
		t.Errorf("the steps are the same as recorded: %v; want [true false]", same)
	}
}
