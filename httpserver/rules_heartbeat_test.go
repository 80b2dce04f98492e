package httpserver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL H: what a heartbeat changes, and what it is told.

// beat sends a heartbeat; an empty rollout or closure is left out.
func (c *client) beat(host, rollout, closure string) answer {
	c.h.t.Helper()
	body := `{"hostname":"` + host + `","at":"` + noon + `"`
	if rollout != "" {
		body += `,"rollout_id":"` + rollout + `"`
	}
	if closure != "" {
		body += `,"current_closure":"` + closure + `"`
	}
	return c.do(http.MethodPost, heartbeatPath, body+"}")
}

// steadyAnswer is what a heartbeat is answered that has nothing to be told.
const steadyAnswer = `{"received_at":"` + noon + `"}`

func TestAHeartbeatSetsTheHostsOwnTime(t *testing.T) { // PROTOCOL H1
	h := start(t)
	c := h.agent("h1")
	for _, at := range []string{"2026-01-01T00:00:00Z", "2031-07-01T12:00:00.000000001Z", "2019-01-01T00:00:00Z"} { // also backwards
		a := c.do(http.MethodPost, heartbeatPath, `{"hostname":"h1","at":"`+at+`"}`)
		a.want(t, wire.OK)
		if want := `{"received_at":"` + at + `"}`; a.body != want {
			t.Errorf("got %s, want %s", a.body, want)
		}
		s := h.host("h1")
		if got := s.LastHeartbeatAt.String(); got != at {
			t.Errorf("last heartbeat at %s, want %s", got, at)
		}
		if s.SilentSeconds != 0 || s.Reachability != wire.Reachable {
			t.Errorf("at %s: silent for %d s and %v, want 0 s and reachable", at, s.SilentSeconds, s.Reachability)
		}
	}
}

func TestDriftIsAnsweredWithTheLastEvent(t *testing.T) { // PROTOCOL H2
	h := start(t)
	h.openRollout("pending", "r1", "c1", "h1")
	h.openRollout("soaking", "r1", "c1", "h1")
	h.openRollout("reverted", "r1", "c1", "h1")
	h.openRollout("old", "r1", "c1", "h1")
	h.openRollout("old", "r2", "c2", "h1")
	h.openRollout("others", "r1", "c1", "h2")
	c := h.agent("h1")
	c.tellAll("h1", "soaking@r1", "DispatchAck", "ActivationStarted", "ActivationCompleted")
	c.tellAll("h1", "reverted@r1", "DispatchAck", "ActivationFailed", "RollbackComplete")
	before := h.durable()
	for _, test := range []struct {
		why, rollout, closure, want string
	}{
		{"the closure is unset", "pending@r1", "c0", "0"},
		{"the closure is unset, though it is the target", "pending@r1", "c1", "0"},
		{"the closure differs", "soaking@r1", "c9", "3"},
		{"the closure differs after a rollback", "reverted@r1", "c1", "3"},
		{"a superseded rollout has a record as well", "old@r1", "c1", "0"},
		{"the closure agrees", "soaking@r1", "c1", ""},
		{"the closure agrees after a rollback", "reverted@r1", "c0", ""},
		{"no closure is told", "pending@r1", "", ""},
		{"no rollout is told", "", "c9", ""},
		{"the rollout is unknown", "soaking@r2", "c9", ""},
		{"the rollout has no such host", "others@r1", "c9", ""},
	} {
		a := c.beat("h1", test.rollout, test.closure)
		a.want(t, wire.OK)
		if got := a.header.Get(wire.HeaderReplayFrom); got != test.want {
			t.Errorf("%s: %s is %q, want %q", test.why, wire.HeaderReplayFrom, got, test.want)
		}
	}
	if after := h.durable(); after != before {
		t.Errorf("drift changed something: it was\n%s\nand is\n%s", before, after)
	}
	if got := h.metric("refrain_replays_asked_total"); got != 5 {
		t.Errorf("%v replays were asked for, want 5", got)
	}
}

func TestAHeartbeatWithoutARolloutIsToldTheActiveRecords(t *testing.T) { // PROTOCOL H3
	h := start(t)
	c := h.agent("h1")
	for _, state := range wire.States {
		id := string(h.openRollout(strings.ToLower(state.String()), "r1", "c1", "h1", "h2"))
		c.tellAll("h1", id, toState[state]...)
	}
	h.openRollout("zeta", "r1", "c1", "h1")
	h.openRollout("zeta", "r2", "c1", "h2") // supersedes it
	h.openRollout("Alpha", "r1", "c1", "h1")
	a := c.beat("h1", "", "")
	a.want(t, wire.OK)
	var doc wire.HeartbeatResponse
	if err := wire.DecodeDocument(new(wire.Decoder), &wire.HeartbeatResponseSchema, []byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range doc.Bootstrap {
		got = append(got, fmt.Sprintf("%s %v", s.RolloutID, s.State))
		if s.Hostname != "h1" {
			t.Errorf("a snapshot of %s", s.Hostname)
		}
	}
	want := "Alpha@r1 Pending, activating@r1 Activating, deferred@r1 Deferred, pending@r1 Pending, soaking@r1 Soaking"
	if strings.Join(got, ", ") != want {
		t.Errorf("told of %s\nwant    %s", strings.Join(got, ", "), want)
	}
	// With a rollout, known or not, nothing is listed; and nothing to list is
	// left out.
	for _, rollout := range []string{"pending@r1", "nothing@r1"} {
		if a := c.beat("h1", rollout, ""); a.body != steadyAnswer {
			t.Errorf("with rollout %s: %s", rollout, a.body)
		}
	}
	if a := h.agent("h3").beat("h3", "", ""); a.body != steadyAnswer {
		t.Errorf("a host without records: %s", a.body)
	}
	// Null is the same as absent.
	nulls := c.do(http.MethodPost, heartbeatPath, `{"hostname":"h1","rollout_id":null,"current_closure":null,"at":"`+noon+`"}`)
	if nulls.body != a.body {
		t.Errorf("null gives %s\nabsent gives %s", nulls.body, a.body)
	}
}

func TestAHeartbeatConfirmsWhatItProves(t *testing.T) { // PROTOCOL H4
	for _, test := range []struct {
		state            wire.State
		rollout, closure string
		want             wire.State
	}{
		{wire.Pending, "", "c1", wire.Soaking},
		{wire.Activating, "", "c1", wire.Soaking},
		{wire.Deferred, "", "c1", wire.Soaking},
		{wire.Soaking, "", "c1", wire.Soaking}, // never as far as Converged
		{wire.Failed, "", "c1", wire.Failed},   // not active
		{wire.Reverted, "", "c1", wire.Reverted},
		{wire.Converged, "", "c1", wire.Converged},
		{wire.Pending, "", "c2", wire.Pending}, // another closure
		{wire.Pending, "", "", wire.Pending},
		{wire.Pending, "stable@r1", "c1", wire.Pending}, // with a rollout it is no confirmation
		{wire.Activating, "stable@r9", "c1", wire.Activating},
	} {
		t.Run(fmt.Sprintf("%v %s %s", test.state, test.rollout, test.closure), func(t *testing.T) {
			h := start(t)
			id := string(h.openRollout("stable", "r1", "c1", "h1", "h2"))
			c := h.agent("h1")
			c.tellAll("h1", id, toState[test.state]...)
			a := c.beat("h1", test.rollout, test.closure)
			a.want(t, wire.OK)
			// It is done before the reply is built, and is durable.
			if bootstrap := test.rollout == "" && test.want.Active(); strings.Contains(a.body, `"state":"`+test.want.String()+`"`) != bootstrap {
				t.Errorf("the reply does not know: %s", a.body)
			}
			h.restart()
			r := h.record(id, "h1")
			if r.Snapshot.State != test.want {
				t.Errorf("%v is %v after the heartbeat, want %v", test.state, r.Snapshot.State, test.want)
			}
			// It does not use up a number of the agent's.
			if got, want := int(r.Snapshot.LastEventSeq), len(toState[test.state]); got != want {
				t.Errorf("the last event is %d, want %d", got, want)
			}
			if confirmed := test.want != test.state; bool(r.Synthesised) != confirmed {
				t.Errorf("synthesised is %v, want %v", r.Synthesised, confirmed)
			}
			if got := h.record(id, "h2").Snapshot.State; got != wire.Pending {
				t.Errorf("the other host is %v", got)
			}
		})
	}
}

func TestOnlyRecordsOfTheNewestRolloutAreConfirmed(t *testing.T) { // PROTOCOL H3, H4
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	h.openRollout("stable", "r2", "c2", "h1")
	h.openRollout("beta", "r1", "c1", "h1")
	h.agent("h1").beat("h1", "", "c1").want(t, wire.OK)
	h.wantState("stable@r1", "h1", wire.Pending, 0) // superseded
	h.wantState("stable@r2", "h1", wire.Pending, 0) // another target
	h.wantState("beta@r1", "h1", wire.Soaking, 0)
}

func TestAConfirmationIsInTheHistory(t *testing.T) { // PROTOCOL H4, R5
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	c.beat("h1", "", "c1").want(t, wire.OK)
	c.beat("h1", "", "c1").want(t, wire.OK) // only once
	a := h.reader().do(http.MethodGet, rolloutsPath+"/"+id+"/events", "")
	want := `{"events":[{"number":1,"at":"` + noon + `","kind":"opened","outcome":"applied"},` +
		`{"number":2,"at":"` + noon + `","hostname":"h1","kind":"confirmed","outcome":"applied"}]}`
	if withoutActs(a.body) != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	if got := h.metric("refrain_confirmations_total"); got != 1 {
		t.Errorf("%v confirmations, want 1", got)
	}
	// The agent's own numbers go on from 1, and its word replaces the inference.
	c.tellAll("h1", id, "DispatchAck", "ActivationCompleted")
	if r := h.record(id, "h1"); r.Synthesised || r.Snapshot.State != wire.Soaking || r.Snapshot.LastEventSeq != 2 {
		t.Errorf("after the agent's own events: %+v", r)
	}
}

func TestAConfirmationIsNotToldBeforeItIsOnDisk(t *testing.T) { // PROTOCOL H4, E2
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	store.set(func() { store.failCommit = 1 })
	c.beat("h1", "", "c1").want(t, wire.DroppedReply)
	h.eventually("the plane is up again", func() bool { return len(h.server.unready()) == 0 })
	h.wantState(id, "h1", wire.Pending, 0)
	c.beat("h1", "", "c1").want(t, wire.OK)
	h.wantState(id, "h1", wire.Soaking, 0)
}

func TestAHeartbeatMovesNothingElse(t *testing.T) { // PROTOCOL H5
	h := start(t)
	c := h.agent("h1")
	for _, state := range wire.States {
		id := string(h.openRollout(state.String(), "r1", "c1", "h1"))
		c.tellAll("h1", id, toState[state]...)
	}
	c.beat("h1", "", "").want(t, wire.OK)
	before := h.durable()
	for _, state := range wire.States {
		for _, closure := range []string{"", "c0", "c1", "c9"} {
			c.beat("h1", state.String()+"@r1", closure).want(t, wire.OK)
		}
	}
	for _, closure := range []string{"", "c0", "c9"} {
		c.beat("h1", "", closure).want(t, wire.OK)
		c.beat("h1", "nothing@r1", closure).want(t, wire.OK)
	}
	if after := h.durable(); after != before {
		t.Errorf("heartbeats moved something: it was\n%s\nand is\n%s", before, after)
	}
}

func TestASnapshotHasWhatTheAgentMayHaveLost(t *testing.T) { // PROTOCOL H6
	h := start(t)
	id := h.open(wire.Halt, []int{10}, "stable", "r1", "c1", "h1")
	c := h.agent("h1")
	c.tell("h1", id, 1, strings.ReplaceAll(eventKinds["DispatchAck"], noon, "2026-01-01T00:00:01Z")).want(t, wire.NoContent)
	unset := `{"rolloutId":"stable@r1","hostname":"h1","channel":"stable","state":"Activating","targetClosure":"c1",` +
		`"currentClosureAtDispatch":"c0","dispatchedAt":"2026-01-01T00:00:00Z","dispatchAckedAt":"2026-01-01T00:00:01Z",` +
		`"soakDueAt":"2026-01-01T00:10:00Z","lastEventSeq":1}`
	check := func(snapshot string) {
		t.Helper()
		want := `{"received_at":"` + noon + `","bootstrap_rollouts":[` + snapshot + `]}`
		if a := c.beat("h1", "", ""); a.body != want {
			t.Errorf("got  %s\nwant %s", a.body, want)
		}
	}
	check(unset)
	c.tell("h1", id, 2, strings.ReplaceAll(eventKinds["ActivationStarted"], noon, "2026-01-01T00:00:02Z")).want(t, wire.NoContent)
	c.tell("h1", id, 3, strings.ReplaceAll(eventKinds["ActivationCompleted"], noon, "2026-01-01T00:00:03Z")).want(t, wire.NoContent)
	check(`{"rolloutId":"stable@r1","hostname":"h1","channel":"stable","state":"Soaking","targetClosure":"c1",` +
		`"currentClosureAtDispatch":"c0","currentClosure":"c1","dispatchedAt":"2026-01-01T00:00:00Z","dispatchAckedAt":"2026-01-01T00:00:01Z",` +
		`"activationStartedAt":"2026-01-01T00:00:02Z","activationCompletedAt":"2026-01-01T00:00:03Z",` +
		`"soakDueAt":"2026-01-01T00:10:00Z","lastEventSeq":3}`)
}

func TestTheSameHeartbeatTwiceIsHarmless(t *testing.T) { // PROTOCOL H7
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1", "h2", "h3")
	h.agent("h2").tellAll("h2", "stable@r1", "DispatchAck")
	for host, body := range map[string][2]string{
		"h1": {"", "c1"},          // is confirmed
		"h2": {"stable@r1", "c9"}, // drifts
		"h3": {"", ""},            // is told what to do
	} {
		c := h.agent(host)
		first := c.beat(host, body[0], body[1])
		first.want(t, wire.OK)
		before := h.everything()
		second := c.beat(host, body[0], body[1])
		second.want(t, wire.OK)
		if second.body != first.body || second.header.Get(wire.HeaderReplayFrom) != first.header.Get(wire.HeaderReplayFrom) {
			t.Errorf("%s: first %v %v\nthen %v %v", host, first, first.header, second, second.header)
		}
		h.unchanged(before, "the same heartbeat")
	}
}
