package conform

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// compareSeeds compares some seeds in every profile, and returns the outcomes.
func compareSeeds(t *testing.T, seeds uint64, stores func() (Stores, error)) []Outcome {
	t.Helper()
	var cases []Case
	for seed := uint64(1); seed <= seeds; seed++ {
		for _, p := range generate.Profiles() {
			cases = append(cases, SeedCase(seed, p))
		}
	}
	var outcomes []Outcome
	batch := Batch{Cases: cases, Requests: DefaultRequests, Workers: 8, GoOn: true, Stores: stores, Each: func(o Outcome) {
		outcomes = append(outcomes, o)
		switch {
		case o.Err != nil:
			t.Errorf("%s: %v\n%s", o.Name, o.Err, o.Again)
		case o.Difference != nil:
			t.Errorf("%s: simulator and server differ\n%v\n\n%s", o.Name, o.Difference, o.Again)
		}
	}}
	if err := batch.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return outcomes
}

func TestAServerDoesWhatTheSimulatorDid(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	restarts := 0
	for _, o := range compareSeeds(t, 2, nil) {
		restarts += o.Restarts
	}
	if restarts == 0 {
		t.Error("no process was started again")
	}
}

func TestAServerWithADatabaseDoesWhatTheSimulatorDid(t *testing.T) { // PROTOCOL E2
	dir := t.TempDir()
	compareSeeds(t, 1, func() (Stores, error) { return NewFileStores(dir) })
}

// crowded is a fleet that makes a small inbox refuse, a plane that is wedged, and
// one that loses its disk: 503 of every reason but one, a replay, a dispatch.
const crowded = `
seed 5
fleet 12 interval=15s activation=2s..4s
plane capacity=4 service=400ms
rollout stable@r1 at=3s target=c1 hosts=h1..h6 waves=0s policy=halt
at 20s reducer wedge for=9s
at 30s revoke h12
at 40s cert wrong host=h3 for=30s
at 45s reply drop count=2 after=yes
at 60s plane wipe for=2s
at 80s plane restart for=2s each=1s
active 4m
`

func recordTape(t *testing.T, text string, requests int) *record.Tape {
	t.Helper()
	scenario, err := scenario.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	tape, err := record.NewTape(scenario, record.TapeOptions{Requests: requests})
	if err != nil {
		t.Fatal(err)
	}
	return tape
}

func play(t *testing.T, tape *record.Tape) *Difference {
	t.Helper()
	c, err := NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	d, err := Play(tape, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// firstAnswer returns the index of the first answer on a tape that a test likes.
func firstAnswer(t *testing.T, tape *record.Tape, likes func(*wire.Answer) bool) int {
	t.Helper()
	i := slices.IndexFunc(tape.Steps, func(s record.TapeStep) bool {
		return s.Kind == record.TapeAnswer && !tape.Requests[s.Request].Manifest && likes(tape.Requests[s.Request].Answer)
	})
	if i < 0 {
		t.Fatal("there is no such answer on the tape")
	}
	return i
}

func has(header string) func(*wire.Answer) bool {
	return func(a *wire.Answer) bool { return a.Get(header) != "" }
}

func setHeader(a *wire.Answer, name string, change func(string) string) {
	i := slices.IndexFunc(a.Header, func(h wire.HeaderField) bool { return h.Name == name })
	a.Header[i].Value = change(a.Header[i].Value)
}

// A simulator that lies is found out where it lies.
func TestATapeThatLiesIsFoundOutWhereItLies(t *testing.T) {
	for _, test := range []struct {
		lie   string
		likes func(*wire.Answer) bool
		tell  func(*wire.Answer)
		says  string
	}{
		{"Retry-After is a second too long", has(wire.HeaderRetryAfter), func(a *wire.Answer) {
			setHeader(a, wire.HeaderRetryAfter, func(v string) string {
				d, _ := time.ParseDuration(v + "s")
				return strings.TrimSuffix((d + time.Second).String(), "s")
			})
		}, "with Retry-After"},
		{"Replay-From is another number", has(wire.HeaderReplayFrom), func(a *wire.Answer) {
			setHeader(a, wire.HeaderReplayFrom, func(v string) string { return v + "0" })
		}, "with X-Nixfleet-Replay-From"},
		{"Replay-From is left out", has(wire.HeaderReplayFrom), func(a *wire.Answer) {
			a.Header = slices.DeleteFunc(a.Header, func(h wire.HeaderField) bool { return h.Name == wire.HeaderReplayFrom })
		}, "with X-Nixfleet-Replay-From"},
		{"the status is another", func(a *wire.Answer) bool { return a.Status == 204 }, func(a *wire.Answer) { a.Status = 200 }, "the simulator answers 200, the server 204"},
		{"the reason is another", func(a *wire.Answer) bool { return a.Status == 503 }, func(a *wire.Answer) {
			a.Body = []byte(strings.Replace(string(a.Body), `"reason":"`, `"reason":"not_`, 1))
		}, "the problem documents differ"},
		{"the body is another", func(a *wire.Answer) bool { return a.Status == 200 }, func(a *wire.Answer) { a.Body = append(a.Body, ' ') }, "the bodies differ"},
	} {
		t.Run(test.lie, func(t *testing.T) {
			tape := recordTape(t, crowded, 0)
			at := firstAnswer(t, tape, test.likes)
			test.tell(tape.Requests[tape.Steps[at].Request].Answer)
			d := play(t, tape)
			if d == nil || d.At != at || !strings.Contains(d.What, test.says) {
				t.Errorf("got %v, want a difference at step %d that says %q", d, at, test.says)
			}
		})
	}
}

// What the gate, the loop and the disk did is compared as well.
func TestATapeThatDoesSomethingElseIsFoundOut(t *testing.T) {
	find := func(tape *record.Tape, likes func(*record.TapeStep) bool) int {
		for i := range tape.Steps {
			if likes(&tape.Steps[i]) {
				return i
			}
		}
		return -1
	}
	kind := func(k record.TapeKind) func(*record.TapeStep) bool {
		return func(s *record.TapeStep) bool { return s.Kind == k }
	}
	work := func(w driver.Work) func(*record.TapeStep) bool {
		return func(s *record.TapeStep) bool { return s.Kind == record.TapeWork && s.Work == w }
	}
	for _, test := range []struct {
		lie   string
		likes func(*record.TapeStep) bool
		tell  func(*record.TapeStep)
		says  string
	}{
		{"a refused request was admitted", func(s *record.TapeStep) bool { return s.Kind == record.TapeOffer && s.N == 0 }, func(s *record.TapeStep) { s.N = 1 }, "lets the request in, the server's does not"},
		{"an admitted request was refused", func(s *record.TapeStep) bool { return s.Kind == record.TapeOffer && s.N == 1 }, func(s *record.TapeStep) { s.N = 0 }, "the server's lets it in"},
		{"another was stepped", work(driver.Step), func(s *record.TapeStep) { s.Request++ }, "the server's is about to step"},
		{"one entry more was committed", kind(record.TapeCommit), func(s *record.TapeStep) { s.N++ }, "entries, the server"},
		{"one more was inside at a commit", kind(record.TapeCommit), func(s *record.TapeStep) { s.Depth++ }, "inside the server's"},
		{"one more was inside", work(driver.Take), func(s *record.TapeStep) { s.Depth++ }, "inside the server's"},
		{"a tick came in place of a step", work(driver.Step), func(s *record.TapeStep) { s.Work, s.Request = driver.Tick, -1 }, "the simulator's loop does tick, the server's is about to step"},
		{"a handshake was refused", kind(record.TapeArrive), func(s *record.TapeStep) { s.Kind = record.TapeHandshake }, "refuses in the handshake"},
		{"the plane's state is another", func(s *record.TapeStep) bool { return s.Kind == record.TapeState && s.At > 100*time.Second }, func(s *record.TapeStep) { s.State = append(s.State, "more\n"...) }, "the planes' states differ"},
	} {
		t.Run(test.lie, func(t *testing.T) {
			tape := recordTape(t, crowded, 0)
			at := find(tape, test.likes)
			if at < 0 {
				t.Fatal("there is no such step on the tape")
			}
			test.tell(&tape.Steps[at])
			if d := play(t, tape); d == nil || d.At != at || !strings.Contains(d.What, test.says) {
				t.Errorf("got %v, want a difference at step %d that says %q", d, at, test.says)
			}
		})
	}
}

// signedRollouts is a fleet whose plane opens rollouts of signed releases: one that is
// signed again, one that is refused, one of the next commit.
const signedRollouts = `
seed 7
fleet 4 interval=15s activation=2s..4s field=1
plane unsigned=no
rollout stable@a1 at=3s target=c1 hosts=h2..h4 waves=0s,0s sizes=1 signed=yes budget=1:h2..h4 edge=h2>h3
rollout edge@a1 at=3s target=c1 hosts=h1 waves=0s signed=yes channel-edge=stable
rollout stable@a2 at=2m target=c2 hosts=h2..h4 waves=0s signed=yes fresh=10m
rollout edge@a2 at=2m target=c2 hosts=h1 waves=0s signed=yes
at 40s sign stable@a1 soak=5m
at 50s plane crash for=5s
at 60s sign stable@a1
at 2m30s plane wipe for=2s
active 4m
`

func TestReleases_AreVerifiedOpenedAndServedAsInTheSimulation(t *testing.T) { // PROTOCOL V1 to V7, W
	tape := recordTape(t, signedRollouts, 0)
	served := 0
	for i := range tape.Steps {
		if tape.Steps[i].Kind == record.TapeServed {
			served++
		}
	}
	if served < 5 {
		t.Errorf("%d releases are taken up; want those of two commits, one of them signed again, and both after a start", served)
	}
	if d := play(t, tape); d != nil {
		t.Error(d)
	}
}

func TestReleases_OtherFilesAreFoundOut(t *testing.T) {
	for _, test := range []struct {
		lie, says string
		tell      func(*record.Tape) (at int)
	}{
		{"the served document is another", "are not those of the release", func(tape *record.Tape) int {
			at := slices.IndexFunc(tape.Steps, func(s record.TapeStep) bool { return s.Kind == record.TapeServed })
			other := *tape.Steps[at].Release
			other.Fleet.Document = append(slices.Clone(other.Fleet.Document), ' ')
			tape.Steps[at].Release = &other
			return at
		}},
		{"another manifest is opened", "something else of the release", func(tape *record.Tape) int {
			at := slices.IndexFunc(tape.Steps, func(s record.TapeStep) bool {
				return s.Kind == record.TapeArrive && tape.Requests[s.Request].Release && tape.Requests[s.Request].Body != nil
			})
			r := &tape.Requests[tape.Steps[at].Request]
			r.Body = []byte(strings.Replace(string(r.Body), `"c1"`, `"c9"`, 1))
			return at
		}},
	} {
		t.Run(test.lie, func(t *testing.T) {
			tape := recordTape(t, signedRollouts, 0)
			at := test.tell(tape)
			d := play(t, tape)
			if d == nil || d.At != at || !strings.Contains(d.What, test.says) {
				t.Errorf("got %v, want a difference at step %d that says %q", d, at, test.says)
			}
		})
	}
}

func TestADifferenceSaysWhatBothDidAndWhichScenario(t *testing.T) {
	tape := recordTape(t, crowded, 0)
	at := firstAnswer(t, tape, has(wire.HeaderRetryAfter))
	setHeader(tape.Requests[tape.Steps[at].Request].Answer, wire.HeaderRetryAfter, func(string) string { return "59" })
	text := play(t, tape).String()
	for _, part := range []string{
		"the simulator answers with Retry-After [\"59\"], the server with [\"", "simulator\n    503 Service Unavailable\n    Retry-After: 59",
		"server\n    503 Service Unavailable\n    Retry-After: ", "request\n    m", "before it\n", "scenario\n    seed 5\n    fleet 12 ",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}

func TestAScenarioThatStartsFromARecordingCannotBePlayed(t *testing.T) {
	tape := recordTape(t, crowded, 10)
	tape.Scenario.Start.State = []string{"log {}"}
	c, err := NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Play(tape, c); err == nil || !strings.Contains(err.Error(), "starts from a recorded state") {
		t.Errorf("got %v, want that it cannot be played", err)
	}
}
