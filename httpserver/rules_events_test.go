package httpserver

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// PROTOCOL E: what becomes of an event. That an acknowledged event is on disk
// (E2) is in loop_test.go.

// toldEvent is an event with the state that the record has after it.
type toldEvent struct {
	text string
	want wire.State
}

// told is an event of eventKinds.
func told(kind string, want wire.State) toldEvent { return toldEvent{eventKinds[kind], want} }

func TestEveryKindOfEventMovesTheRecordAsTheTableSays(t *testing.T) { // PROTOCOL E, E4
	seen := make(map[string]bool)
	for name, story := range map[string][]toldEvent{
		"a host that converges": {
			told("DispatchAck", wire.Activating), told("ActivationStarted", wire.Activating), told("ActivationCompleted", wire.Soaking),
			told("ProbeTopologyDeclared", wire.Soaking), told("ProbeObservedFirst", wire.Soaking), told("ProbeResult", wire.Soaking),
			told("ProbeFailureFirst", wire.Soaking), {passing, wire.Soaking}, told("Converged", wire.Converged),
		},
		"a host that defers its activation": {
			told("DispatchAck", wire.Activating), told("ActivationDeferred", wire.Deferred), told("ActivationCompleted", wire.Soaking),
		},
		"a host whose activation fails": {
			told("DispatchAck", wire.Activating), told("ActivationStarted", wire.Activating), told("ActivationFailed", wire.Failed),
			told("RollbackComplete", wire.Reverted),
		},
		"a host whose deferral comes to nothing": {
			told("DispatchAck", wire.Activating), told("ActivationDeferred", wire.Deferred), told("ActivationFailed", wire.Failed),
		},
		"a host whose probes fail": {
			told("DispatchAck", wire.Activating), told("ActivationCompleted", wire.Soaking), told("Failed", wire.Failed),
			told("RollbackComplete", wire.Reverted),
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			id := string(h.openRollout("stable", "r1", "c1", "h1", "h2"))
			c := h.agent("h1")
			for i, e := range story {
				a := c.tell("h1", id, i+1, e.text)
				a.want(t, wire.NoContent)
				if a.body != "" || a.header.Get(wire.HeaderReplayFrom) != "" {
					t.Errorf("a 204 with %q and %v", a.body, a.header)
				}
				h.wantState(id, "h1", e.want, wire.Seq(i+1))
				seen[strings.Split(e.text, `"`)[3]] = true
			}
			h.wantState(id, "h2", wire.Pending, 0)
			closure := map[wire.State]wire.Closure{wire.Converged: "c1", wire.Soaking: "c1", wire.Reverted: "c0"}
			s := h.record(id, "h1").Snapshot
			if got, want := s.CurrentClosure, closure[s.State]; got != want {
				t.Errorf("the record says that the host runs %q, want %q", got, want)
			}
			if got := h.metric(`refrain_events_total{outcome="applied"}`); got != float64(len(story)) {
				t.Errorf("%v events were applied, want %d", got, len(story))
			}
			before := h.record(id, "h1")
			h.restart()
			if after := h.record(id, "h1"); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("after a restart %v, want %v", after, before)
			}
		})
	}
	if len(seen) != len(wire.EventKinds) {
		t.Errorf("only %d kinds of events were told: %v", len(seen), seen)
	}
}

// converged makes a Converged event.
func converged(at, closure string) string {
	return `"kind":"Converged","convergedAt":"` + at + `","currentClosure":"` + closure + `"`
}

// completed makes an ActivationCompleted event.
func completed(at, closure string) string {
	return `"kind":"ActivationCompleted","observedCurrentClosure":"` + closure + `","exitCode":0,"completedAt":"` + at + `"`
}

func probeResult(mode, status string) string {
	return `"kind":"ProbeResult","probeName":"web","mode":"` + mode + `","status":"` + status + `","observedAt":"` + noon + `"`
}

func TestConvergedIsAcceptedOnlyIfItIsTrue(t *testing.T) { // PROTOCOL E1, E7
	// The plane dispatches at 00:00:00 with ten minutes of soak. The host's
	// activation is over at completedAt.
	const completedAt = "2026-01-01T00:02:00Z"
	for name, test := range map[string]struct {
		probes []string
		told   string
		want   wire.Code
	}{
		"at the end of the soak":                {nil, converged("2026-01-01T00:10:00Z", "c1"), wire.NoContent},
		"a nanosecond before":                   {nil, converged("2026-01-01T00:09:59.999999999Z", "c1"), wire.Rejected},
		"long after":                            {nil, converged("2026-02-01T00:00:00Z", "c1"), wire.NoContent},
		"with another closure":                  {nil, converged("2026-01-01T00:10:00Z", "c2"), wire.Rejected},
		"with an enforce-mode probe that fails": {[]string{probeResult("enforce", "fail")}, converged("2026-01-01T00:10:00Z", "c1"), wire.Rejected},
		"with one that was never run":           {[]string{eventKinds["ProbeTopologyDeclared"]}, converged("2026-01-01T00:10:00Z", "c1"), wire.Rejected},
		"with one that passes again":            {[]string{probeResult("enforce", "fail"), probeResult("enforce", "pass")}, converged("2026-01-01T00:10:00Z", "c1"), wire.NoContent},
		"with one that fails again":             {[]string{probeResult("enforce", "pass"), probeResult("enforce", "fail")}, converged("2026-01-01T00:10:00Z", "c1"), wire.Rejected},
		"with an observed one that fails":       {[]string{probeResult("observe", "fail")}, converged("2026-01-01T00:10:00Z", "c1"), wire.NoContent},
		"with a disabled one that fails":        {[]string{probeResult("disabled", "fail")}, converged("2026-01-01T00:10:00Z", "c1"), wire.NoContent},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			id := h.open(wire.Halt, []int{10}, "stable", "r1", "c1", "h1")
			c := h.agent("h1")
			events := append([]string{eventKinds["DispatchAck"], completed(completedAt, "c1")}, test.probes...)
			for i, text := range events {
				c.tell("h1", id, i+1, text).want(t, wire.NoContent)
			}
			before := h.durable()
			seq := len(events) + 1
			c.tell("h1", id, seq, test.told).want(t, test.want)
			if test.want == wire.NoContent {
				h.wantState(id, "h1", wire.Converged, wire.Seq(seq))
				return
			}
			if h.durable() != before {
				t.Error("a refused event changed something")
			}
			// It may be tried again later, under the same number.
			if len(test.probes) > 0 {
				c.tell("h1", id, seq, probeResult("enforce", "pass")).want(t, wire.NoContent)
				seq++
			}
			c.tell("h1", id, seq, converged("2026-01-01T00:10:00Z", "c1")).want(t, wire.NoContent)
			h.wantState(id, "h1", wire.Converged, wire.Seq(seq))
		})
	}
}

func TestAReplayAfterAWipeIsJudgedByWhatHappened(t *testing.T) { // PROTOCOL E1
	// The host converged yesterday; the plane lost its log and opened the
	// rollout again today.
	h := start(t)
	id := h.open(wire.Halt, []int{10}, "stable", "r1", "c1", "h1", "h2")
	for host, test := range map[string]struct {
		at   string
		want wire.Code
	}{
		"h1": {"2025-12-31T12:10:00Z", wire.NoContent},
		"h2": {"2025-12-31T12:09:59.999999999Z", wire.Rejected},
	} {
		c := h.agent(host)
		c.tell(host, id, 1, eventKinds["DispatchAck"]).want(t, wire.NoContent)
		c.tell(host, id, 2, completed("2025-12-31T12:00:00Z", "c1")).want(t, wire.NoContent)
		c.tell(host, id, 3, converged(test.at, "c1")).want(t, test.want)
	}
	if ended := h.record(id, "h1").EndedAt.String(); ended != "2025-12-31T12:10:00Z" {
		t.Errorf("ended at %s, want the agent's own time", ended)
	}
}

func TestADuplicateChangesNothing(t *testing.T) { // PROTOCOL E3
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	c.tellAll("h1", id, "DispatchAck", "ActivationStarted", "ActivationCompleted")
	before := h.durable()
	duplicates := 0
	for seq := 1; seq <= 3; seq++ {
		for _, text := range eventKinds { // whatever it says
			c.tell("h1", id, seq, text).want(t, wire.NoContent)
			duplicates++
		}
	}
	if h.durable() != before {
		t.Error("a duplicate changed something")
	}
	if got := h.metric(`refrain_events_total{outcome="duplicate"}`); got != float64(duplicates) {
		t.Errorf("%v duplicates, want %d", got, duplicates)
	}
	if got := h.metric("refrain_log_number"); got != 4 {
		t.Errorf("the log has %v entries, want 4", got)
	}
}

func TestALegalEventIsAppliedEvenAcrossAGap(t *testing.T) { // PROTOCOL E4
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	for _, e := range []struct {
		seq  int
		kind string
		want wire.State
	}{
		{5, "DispatchAck", wire.Activating},
		{9, "ActivationCompleted", wire.Soaking},
		{1_000_000, "ProbeFailureFirst", wire.Soaking},
		{1_000_002, "Failed", wire.Failed},
	} {
		a := c.tell("h1", id, e.seq, eventKinds[e.kind])
		a.want(t, wire.NoContent)
		if a.header.Get(wire.HeaderReplayFrom) != "" {
			t.Errorf("%s: a replay is asked for", e.kind)
		}
		h.wantState(id, "h1", e.want, wire.Seq(e.seq))
	}
	for _, seq := range []int{6, 8, 999_999} { // what comes late is a duplicate
		c.tell("h1", id, seq, eventKinds["ActivationStarted"]).want(t, wire.NoContent)
	}
	h.wantState(id, "h1", wire.Failed, 1_000_002)
}

func TestAnEventOfThePastIsAbsorbed(t *testing.T) { // PROTOCOL E5
	past := map[wire.State][]string{
		wire.Activating: {"DispatchAck"},
		wire.Deferred:   {"DispatchAck", "ActivationStarted", "ActivationDeferred"},
		wire.Soaking:    {"DispatchAck", "ActivationStarted", "ActivationDeferred", "ActivationCompleted"},
		wire.Converged:  {"DispatchAck", "ActivationCompleted", "ProbeTopologyDeclared", "ProbeObservedFirst", "ProbeResult", "ProbeFailureFirst", "Converged"},
		wire.Failed:     {"DispatchAck", "ActivationStarted", "ActivationFailed", "Failed"},
		wire.Reverted:   {"DispatchAck", "ActivationCompleted", "ActivationFailed", "Failed", "RollbackComplete"},
	}
	// Of these, what a record at its end does not know yet; the others leave no trace.
	news := map[wire.State]string{wire.Failed: "ActivationStarted", wire.Reverted: "ActivationCompleted"}
	for state, kinds := range past {
		t.Run(state.String(), func(t *testing.T) {
			h := start(t)
			id := string(h.openRollout("stable", "r1", "c1", "h1"))
			c := h.agent("h1")
			c.tellAll("h1", id, toState[state]...)
			seq := len(toState[state])
			last, taken := seq, 0
			for _, kind := range kinds {
				seq++
				if state.Active() || news[state] == kind {
					last = seq
					taken++
				}
				c.tell("h1", id, seq, eventKinds[kind]).want(t, wire.NoContent)
				h.wantState(id, "h1", state, wire.Seq(last)) // the sequence advances if it is taken, the state stays
			}
			if got := h.metric(`refrain_events_total{outcome="absorbed"}`); got != float64(len(kinds)) {
				t.Errorf("%v events were absorbed, want %d", got, len(kinds))
			}
			h.eventually("it is logged", func() bool { return len(h.logs.matching("event absorbed", "host=h1")) == taken })
			a := h.reader().do(http.MethodGet, rolloutsPath+"/"+id+"/events", "")
			if got := strings.Count(a.body, `"outcome":"absorbed"`); got != taken {
				t.Errorf("%d events of the history are absorbed, want %d: %s", got, taken, a.body)
			}
			h.restart() // and it is durable
			h.wantState(id, "h1", state, wire.Seq(last))
		})
	}
}

func TestAnAbsorbedEventFillsInWhatTheRecordLacks(t *testing.T) { // PROTOCOL E5, H4
	h := start(t)
	id := h.open(wire.Halt, []int{10}, "stable", "r1", "c1", "h1")
	c := h.agent("h1")
	c.do(http.MethodPost, heartbeatPath, `{"hostname":"h1","current_closure":"c1","at":"2026-01-01T00:09:00Z"}`).want(t, wire.OK)
	if r := h.record(id, "h1"); !r.Synthesised || r.Snapshot.ActivationCompletedAt.String() != "2026-01-01T00:09:00Z" {
		t.Fatalf("after the confirmation: %+v", r)
	}
	for i, text := range []string{
		strings.ReplaceAll(eventKinds["DispatchAck"], noon, "2026-01-01T00:00:01Z"),
		strings.ReplaceAll(eventKinds["ActivationStarted"], noon, "2026-01-01T00:00:02Z"),
		completed("2026-01-01T00:00:03Z", "c1"),
	} {
		c.tell("h1", id, i+1, text).want(t, wire.NoContent)
	}
	r := h.record(id, "h1")
	s := r.Snapshot
	if r.Synthesised || s.State != wire.Soaking || s.LastEventSeq != 3 || s.CurrentClosureAtDispatch != "c0" ||
		s.DispatchAckedAt.String() != "2026-01-01T00:00:01Z" || s.ActivationStartedAt.String() != "2026-01-01T00:00:02Z" ||
		s.ActivationCompletedAt.String() != "2026-01-01T00:00:03Z" {
		t.Errorf("the agent's own values are not in place of the inferred ones: %+v", r)
	}
}

func TestAnActivationThatFailedOutranksAConfirmation(t *testing.T) { // PROTOCOL E5, H4
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1", "h2"))
	for host, test := range map[string]struct {
		before []string
		want   wire.Code
		state  wire.State
	}{
		"h1": {nil, wire.NoContent, wire.Failed}, // Soaking is an inference only
		"h2": {[]string{"DispatchAck", "ActivationCompleted"}, wire.Rejected, wire.Soaking},
	} {
		c := h.agent(host)
		c.tellAll(host, id, test.before...)
		c.beat(host, "", "c1").want(t, wire.OK)
		c.tell(host, id, len(test.before)+1, eventKinds["ActivationFailed"]).want(t, test.want)
		if got := h.record(id, host).Snapshot.State; got != test.state {
			t.Errorf("%s is %v, want %v", host, got, test.state)
		}
	}
}

// illegal are the kinds that a record in a state neither takes nor is past.
var illegal = map[wire.State][]string{
	wire.Pending: {"ActivationStarted", "ActivationCompleted", "ActivationDeferred", "ActivationFailed", "ProbeTopologyDeclared",
		"ProbeObservedFirst", "ProbeResult", "ProbeFailureFirst", "Failed", "RollbackComplete", "Converged"},
	wire.Activating: {"ProbeTopologyDeclared", "ProbeObservedFirst", "ProbeResult", "ProbeFailureFirst", "Failed", "RollbackComplete", "Converged"},
	wire.Deferred:   {"ProbeTopologyDeclared", "ProbeObservedFirst", "ProbeResult", "ProbeFailureFirst", "Failed", "RollbackComplete", "Converged"},
	wire.Soaking:    {"ActivationFailed", "RollbackComplete"},
	wire.Converged:  {"ActivationFailed", "Failed", "RollbackComplete"},
	wire.Failed:     {"Converged"},
	wire.Reverted:   {"Converged"},
}

func TestAnIllegalEventIsAGapOrRejected(t *testing.T) { // PROTOCOL E6, E7
	for _, state := range wire.States {
		t.Run(state.String(), func(t *testing.T) {
			h := start(t)
			id := string(h.openRollout("stable", "r1", "c1", "h1"))
			c := h.agent("h1")
			c.tellAll("h1", id, toState[state]...)
			last := len(toState[state])
			kinds := illegal[state]
			before := h.durable()
			for _, kind := range kinds {
				a := c.tell("h1", id, last+1, eventKinds[kind]) // no gap
				a.want(t, wire.Rejected)
				if got := a.header.Values(wire.HeaderReplayFrom); len(got) > 0 {
					t.Errorf("%s: a rejection with %s: %v", kind, wire.HeaderReplayFrom, got)
				}
				for _, seq := range []int{last + 2, last + 100} { // a gap
					a := c.tell("h1", id, seq, eventKinds[kind])
					if !state.Active() { // nothing that is missing helps a record at its end
						a.want(t, wire.Rejected)
						if got := a.header.Values(wire.HeaderReplayFrom); len(got) > 0 {
							t.Errorf("%s: a rejection with %s: %v", kind, wire.HeaderReplayFrom, got)
						}
						continue
					}
					a.want(t, wire.Gap)
					if got := a.header.Get(wire.HeaderReplayFrom); got != strconv.Itoa(last) {
						t.Errorf("%s: %s is %q, want %d", kind, wire.HeaderReplayFrom, got, last)
					}
				}
			}
			if h.durable() != before {
				t.Error("an illegal event changed something")
			}
			rejected, gaps := len(kinds), 2*len(kinds)
			if !state.Active() {
				rejected, gaps = rejected+gaps, 0
			}
			if got := h.metric(`refrain_events_total{outcome="rejected"}`); got != float64(rejected) {
				t.Errorf("%v events were rejected, want %d", got, rejected)
			}
			if got := h.metric(`refrain_events_total{outcome="gap"}`); got != float64(gaps) {
				t.Errorf("%v gaps, want %d", got, gaps)
			}
		})
	}
}

func TestEveryKindIsLegalPastOrIllegal(t *testing.T) { // PROTOCOL E4 to E7
	h := start(t)
	for _, state := range wire.States {
		for _, kind := range wire.EventKinds {
			id := string(h.openRollout(state.String(), kind.String(), "c1", "h1"))
			c := h.agent("h1")
			c.tellAll("h1", id, toState[state]...)
			a := c.tell("h1", id, len(toState[state])+1, eventKinds[kind.String()])
			want := wire.NoContent
			if slices.Contains(illegal[state], kind.String()) {
				want = wire.Rejected
			}
			if a.status != want.Status() {
				t.Errorf("%v in %v: got %v, want %v", kind, state, a, want)
			}
		}
	}
}

func TestAnEventThatBreaksE1AcrossAGapIsAGap(t *testing.T) { // PROTOCOL E1, E6
	h := start(t)
	id := h.open(wire.Halt, []int{10}, "stable", "r1", "c1", "h1")
	c := h.agent("h1")
	c.tellAll("h1", id, "DispatchAck", "ActivationCompleted", "ProbeTopologyDeclared")
	a := c.tell("h1", id, 5, converged("2026-01-01T01:00:00Z", "c1"))
	a.want(t, wire.Gap)
	if got := a.header.Get(wire.HeaderReplayFrom); got != "3" {
		t.Errorf("%s is %q, want 3", wire.HeaderReplayFrom, got)
	}
	// The agent sends again from there: 3 is a duplicate, 4 is what was missing.
	c.tell("h1", id, 3, eventKinds["ProbeTopologyDeclared"]).want(t, wire.NoContent)
	c.tell("h1", id, 4, passing).want(t, wire.NoContent)
	c.tell("h1", id, 5, converged("2026-01-01T01:00:00Z", "c1")).want(t, wire.NoContent)
	h.wantState(id, "h1", wire.Converged, 5)
}

func TestAnEventOfAnUnknownPairIsKeptByTheAgent(t *testing.T) { // PROTOCOL E8
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	h.openRollout("stable", "r2", "c1", "h2")
	before := h.durable()
	for _, test := range []struct{ host, rollout string }{
		{"h1", "stable@r9"}, {"h1", "beta@r1"}, {"h1", "stable@r2"}, {"h2", "stable@r1"}, {"h3", "stable@r1"}, {"h1", "Stable@r1"},
	} {
		a := h.agent(test.host).tell(test.host, test.rollout, 1, eventKinds["DispatchAck"])
		a.want(t, wire.UnknownRollout)
		if a.header.Get(wire.HeaderReplayFrom) != "" {
			t.Errorf("%s in %s: a replay is asked for", test.host, test.rollout)
		}
	}
	if h.durable() != before {
		t.Error("an event of an unknown pair changed something")
	}
	// Once the plane knows the pair, the same event is taken.
	h.openRollout("stable", "r9", "c1", "h1")
	h.agent("h1").tellAll("h1", "stable@r9", "DispatchAck")
}

func TestAnEventMayBeSentAgainAfterAnyFailure(t *testing.T) { // PROTOCOL E9
	h := newHarness(t, func(c *Config) { c.InboxCapacity = 4 })
	store := h.cfg.Store.(*memory.Log)
	h.start()
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	send := func() answer { return c.do(http.MethodPost, eventsPath, ackBody("h1", id)) }
	rule := h.wedge()
	h.fill()
	send().want(t, wire.Saturated)
	rule.Lift()
	h.inside(0)
	h.faults.Install(Fault{Kind: Drop, Count: 1})
	send().want(t, wire.DroppedReply)
	h.faults.Install(Fault{Kind: Drop, At: BeforeReply, Count: 1}) // and this time it is applied
	send().want(t, wire.DroppedReply)
	h.listenAgain()
	send().want(t, wire.NotStarted)
	h.start()
	send().want(t, wire.NoContent)
	h.wantState(id, "h1", wire.Activating, 1)
	if events := historyOf(t, store, id); len(events) != 2 { // opened, and the event once
		t.Errorf("the history has %d entries, want 2", len(events))
	}
}

func TestASignatureIsCarriedAndNotLookedAt(t *testing.T) { // PROTOCOL E
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	signed := strings.TrimSuffix(ackBody("h1", id), "}") + `,"signature":"not a signature"}`
	c.do(http.MethodPost, eventsPath, signed).want(t, wire.NoContent)
	a := c.do(http.MethodPost, eventsPath, strings.Replace(ackBody("h1", id), "DispatchAck", "Dispatched", 1))
	a.want(t, wire.WrongShape)
	if got := a.problem(t).Field; got != "event.kind" {
		t.Errorf("an unknown kind: the field is %q, want event.kind", got)
	}
}
