package httpserver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL T12, T13, H10, D4, E11, E12: an agent without the header is one of the
// field, which sends nothing else before an event is answered 2xx.

// fromField leaves the header out that names our agents.
const fromField = wire.HeaderAgent + ": "

// tellField sends an event as a field agent does. text is what eventKinds has.
func (c *client) tellField(host, rollout string, seq int, text string) answer {
	c.h.t.Helper()
	return c.do(http.MethodPost, eventsPath, event(host, rollout, seq, text), fromField)
}

// discarded is how many events were discarded, by the metric.
func (h *harness) discarded() float64 {
	h.t.Helper()
	return h.metric(`refrain_events_total{outcome="discarded"}`)
}

func TestFieldAgent_IsNeverRefusedForEver(t *testing.T) { // PROTOCOL E12
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	field, ours := h.agent("h1"), h.agent("h1")
	ours.tell("h1", id, 1, eventKinds["DispatchAck"]).want(t, wire.NoContent)
	long := `"kind":"Converged","convergedAt":"` + noon + `","currentClosure":"c1","x":"` + strings.Repeat("y", 3<<20) + `"`
	for i, test := range []struct {
		name, body string
		ours       wire.Code
		reason     string
	}{
		{"an unknown rollout", event("h1", "stable@r9", 7, eventKinds["Converged"]), wire.UnknownRollout, "unknown_rollout"},
		{"a gap", event("h1", id, 9, eventKinds["Converged"]), wire.Gap, "gap"},
		{"an event that the record does not allow", event("h1", id, 2, eventKinds["Converged"]), wire.Rejected, "rejected"},
		{"a wrong shape", event("h1", id, 2, `"kind":"Converged"`), wire.WrongShape, "wrong_shape"},
		{"an unknown kind", event("h1", id, 2, `"kind":"Teleported"`), wire.WrongShape, "wrong_shape"},
		{"no JSON", `{"hostname":`, wire.NotJSON, "not_json"},
		{"more than 2 MiB", event("h1", id, 2, long), wire.BodyTooLarge, "body_too_large"},
	} {
		before := durableWithoutLog(h)
		ours.do(http.MethodPost, eventsPath, test.body).want(t, test.ours)
		a := field.do(http.MethodPost, eventsPath, test.body, fromField)
		a.want(t, wire.NoContent)
		if a.header.Get(wire.HeaderReplayFrom) != "" {
			t.Errorf("%s: asks a field agent for a replay", test.name)
		}
		if got := h.discarded(); got != float64(i+1) {
			t.Errorf("%s: %v are discarded, want %d", test.name, got, i+1)
		}
		if after := durableWithoutLog(h); after != before {
			t.Errorf("%s: changed the durable state from\n%s\nto\n%s", test.name, before, after)
		}
		if got := h.host("h1").Discarded; int(got.Count) != i+1 || string(got.Reason) != test.reason {
			t.Errorf("%s: an operator is shown %+v, want %d and %s", test.name, got, i+1, test.reason)
		}
	}
	// It is in the history, and still after a restart.
	h.restart()
	a := h.reader().do(http.MethodGet, rolloutsPath+"/"+id+"/events", "")
	for _, want := range []string{`"kind":"discarded","outcome":"discarded","detail":"Converged#9: gap:`, `"detail":"Converged#2: rejected:`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the history lacks %s: %s", want, a.body)
		}
	}
}

// durableWithoutLog is the durable state without the number of the last entry.
func durableWithoutLog(h *harness) string {
	h.t.Helper()
	_, rest, _ := strings.Cut(h.durable(), "\n")
	return rest
}

func TestFieldAgent_IsRefusedWhatARetryHeals(t *testing.T) { // PROTOCOL E12, G9, T3
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.agent("h1")
	c.tellField("h2", "stable@r1", 1, eventKinds["DispatchAck"]).want(t, wire.WrongIdentity)
	store.set(func() { store.failCommit = 1 })
	c.tellField("h1", "stable@r9", 1, eventKinds["Converged"]).want(t, wire.DroppedReply)
	h.eventually("the plane is up again", func() bool {
		return c.tellField("h1", "stable@r9", 1, eventKinds["Converged"]).status == http.StatusNoContent
	})
}

func TestFieldAgent_SendsWhatOursMayNot(t *testing.T) { // PROTOCOL E11
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	name, other := strings.Repeat("n", 600)+"a", strings.Repeat("n", 600)+"b"
	for i, text := range []string{
		`"kind":"DispatchAck","currentClosureAtDispatch":"","receivedAt":"` + noon + `"`,
		`"kind":"ActivationDeferred","component":"","deferredAt":"` + noon + `"`,
		eventKinds["ActivationCompleted"],
		`"kind":"ProbeTopologyDeclared","probes":[{"probeName":"` + name + `","kind":"","mode":"enforce"},{"probeName":"` + other + `","kind":"http","mode":"enforce"}],"declaredAt":"` + noon + `"`,
		`"kind":"ProbeResult","probeName":"` + name + `","mode":"enforce","status":"fail","observedAt":"` + noon + `","failureReason":"` + strings.Repeat("é", 1<<19) +
			`","subResults":[{"controlId":"a\nb","status":"pass","framework":""}]`,
	} {
		c.tellField("h1", id, i+1, text).want(t, wire.NoContent)
	}
	r := h.record(id, "h1")
	if r.Snapshot.State != wire.Soaking || r.Snapshot.LastEventSeq != 5 || len(r.FailingProbes) != 2 {
		t.Fatalf("the record is %+v, want Soaking at event 5 with two failing probes", r)
	}
	if got := h.discarded(); got != 0 {
		t.Errorf("%v are discarded, want none", got)
	}
	a := h.reader().do(http.MethodGet, rolloutsPath+"/"+id+"/events", "")
	if len(a.body) > 32<<10 || !strings.Contains(a.body, "… [cut: ") || !strings.Contains(a.body, `"effectiveMode":"enforce"`) {
		t.Errorf("a history of %d bytes, want long texts cut and the mode put in: %s", len(a.body), clipTo(a.body, 2000))
	}
	before := h.durable()
	h.restart()
	if after := h.durable(); after != before {
		t.Errorf("after a restart the durable state is\n%s\nwant\n%s", after, before)
	}
}

func TestFieldAgent_NumbersThatBeginAgainFailNobody(t *testing.T) { // PROTOCOL E11
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	c.tellField("h1", id, 1, eventKinds["DispatchAck"]).want(t, wire.NoContent)
	c.tellField("h1", id, 2, eventKinds["ActivationStarted"]).want(t, wire.NoContent)
	c.tellField("h1", id, 1, eventKinds["DispatchAck"]).want(t, wire.NoContent) // again
	c.tellField("h1", id, 0, eventKinds["ActivationCompleted"]).want(t, wire.NoContent)
	h.wantState(id, "h1", wire.Soaking, 2)
	c.tellField("h1", id, 2, eventKinds["Converged"]).want(t, wire.NoContent)
	h.wantState(id, "h1", wire.Converged, 2)
	c.tellField("h1", id, 3, eventKinds["ActivationFailed"]).want(t, wire.NoContent)
	h.wantState(id, "h1", wire.Converged, 2)
}

func TestFieldAgent_ConvergesByItsOwnRule(t *testing.T) { // PROTOCOL E11
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c, ours := h.agent("h1"), h.agent("h1")
	for i, kind := range []string{"DispatchAck", "ActivationCompleted", "ProbeTopologyDeclared"} {
		c.tellField("h1", id, i+1, eventKinds[kind]).want(t, wire.NoContent)
	}
	ours.tell("h1", id, 4, eventKinds["Converged"]).want(t, wire.Rejected)
	c.tellField("h1", id, 4, eventKinds["Converged"]).want(t, wire.NoContent)
	h.wantState(id, "h1", wire.Converged, 4)
}

// beatField sends a heartbeat as a field agent does and returns the snapshots of the
// answer as text; empty if there are none.
func (c *client) beatField(host, closure string, at time.Time) string {
	c.h.t.Helper()
	body := fmt.Sprintf(`{"hostname":%q,"current_closure":%q,"at":%q}`, host, closure, at.Format(time.RFC3339Nano))
	a := c.do(http.MethodPost, heartbeatPath, body, fromField)
	a.want(c.h.t, wire.OK)
	_, list, _ := strings.Cut(a.body, `"bootstrap_rollouts":`)
	return list
}

func TestFieldAgent_IsToldSparingly(t *testing.T) { // PROTOCOL H10
	h := start(t)
	const id = "stable@r1"
	soaks := strings.Replace(manifest("stable", "r1", "c1", "h1"), `"soak_minutes":0`, `"soak_minutes":5`, 1)
	h.reader().do(http.MethodPost, rolloutsPath, soaks).want(t, wire.Created)
	c := h.agent("h1")
	c.do(http.MethodGet, dispatchPath, "", fromField).want(t, wire.OK)
	at := testEpoch
	for range 3 {
		if list := c.beatField("h1", "c0", at); list != "" {
			t.Fatalf("a Pending record was delivered, and the heartbeat tells %s", list)
		}
		at = at.Add(time.Second)
	}
	at = at.Add(time.Minute)
	// It runs the target, and may have forgotten what for.
	list := c.beatField("h1", "c1", at)
	for _, member := range []string{`"state":"Soaking"`, `"dispatchedAt":"`, `"soakDueAt":"`, `"currentClosure":"c1"`, `"targetClosure":"c1"`} {
		if !strings.Contains(list, member) {
			t.Errorf("the snapshot lacks %s: %s", member, list)
		}
	}
	h.wantState(id, "h1", wire.Soaking, 0)
	if list := c.beatField("h1", "c1", at.Add(time.Minute)); list != "" {
		t.Errorf("a steady heartbeat is told %s", list)
	}
	if list := c.beatField("h1", "c1", at.Add(time.Minute+time.Millisecond)); list == "" {
		t.Error("an agent that has started is told nothing")
	}
	if list := c.beatField("h1", "c0", at.Add(time.Minute+2*time.Millisecond)); list != "" {
		t.Errorf("one that runs something else is told %s", list)
	}
	at = at.Add(8 * time.Minute)
	if list := c.beatField("h1", "c1", at); list == "" {
		t.Error("two intervals after the soak, it is told nothing")
	}
}

func TestFieldAgent_OursIsToldAsBefore(t *testing.T) { // PROTOCOL T12, H3
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	if a := h.agent("h1").beat("h1", "", "c0"); !strings.Contains(a.body, `"state":"Pending"`) {
		t.Errorf("got %v, want a snapshot", a)
	}
}

func TestFieldAgent_ForgottenActivationIsOfferedAgain(t *testing.T) { // PROTOCOL D4
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	c.do(http.MethodGet, dispatchPath, "", fromField).want(t, wire.OK)
	c.tellField("h1", id, 1, eventKinds["DispatchAck"]).want(t, wire.NoContent)
	c.do(http.MethodGet, dispatchPath, "", fromField).want(t, wire.NoContent)
	h.advance(10*time.Minute - time.Second)
	c.do(http.MethodGet, dispatchPath, "", fromField).want(t, wire.NoContent)
	h.advance(time.Second)
	c.do(http.MethodGet, dispatchPath, "").want(t, wire.NoContent) // ours has it on its disk
	c.do(http.MethodGet, dispatchPath, "", fromField).want(t, wire.OK)
	c.do(http.MethodGet, dispatchPath, "", fromField).want(t, wire.NoContent)
}

func TestAgentHeader_IsOneThatIsKnown(t *testing.T) { // PROTOCOL T12
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.agent("h1")
	for _, lines := range [][]string{{"X-Refrain-Agent: 2"}, {"X-Refrain-Agent: x"}, {"X-Refrain-Agent: 1"}} {
		a := c.do(http.MethodGet, dispatchPath, "", lines...) // beside the one that do adds
		a.want(t, wire.BadProtocolHeader)
		if got := a.problem(t).Field; got != wire.HeaderAgent {
			t.Errorf("%q: the field is %q, want %s", lines, got, wire.HeaderAgent)
		}
	}
	// Operators need none.
	h.operator("anna").do(http.MethodGet, hostsPath, "").want(t, wire.OK)
}

func TestStrict_AsksFieldAgentsForNoHeader(t *testing.T) { // PROTOCOL T6
	h := start(t, func(c *Config) { c.StrictProtocol = true })
	c := h.agent("h1")
	c.heartbeat("h1").want(t, wire.ProtocolRequired)
	c.do(http.MethodPost, heartbeatPath, heartbeatBody("h1"), fromField).want(t, wire.OK)
	h.operator("anna").do(http.MethodGet, hostsPath, "").want(t, wire.ProtocolRequired)
}

func TestWhoamiAndHealthz(t *testing.T) { // PROTOCOL T13
	h := start(t)
	for name, c := range map[string]*client{"agent-h1." + testSuffix: h.agent("h1"), "operator-anna." + testSuffix: h.operator("anna")} {
		want := `{"cn":"` + name + `","issuedAt":"2026-01-01T00:00:00Z"}`
		if a := c.do(http.MethodGet, "/v1/whoami", ""); a.status != http.StatusOK || a.body != want {
			t.Errorf("got %v, want %s", a, want)
		}
	}
	stranger := h.stranger()
	stranger.do(http.MethodGet, "/v1/whoami", "").want(t, wire.NoCertificate)
	a := stranger.do(http.MethodGet, "/healthz", "")
	if a.status != http.StatusOK || !strings.HasPrefix(a.body, `{"ok":true,"version":"`) || !strings.HasSuffix(a.body, `,"last_tick_at":null}`) {
		t.Errorf("got %v", a)
	}
	if !a.last {
		t.Error("the connection of a caller without a certificate is kept")
	}
}
