package httpserver

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// gatedStore is a memory store whose commits wait for the test.
type gatedStore struct {
	*memory.Log
	begun chan []plane.Entry
	end   chan error
}

func newGatedStore() *gatedStore {
	return &gatedStore{Log: memory.New(0), begun: make(chan []plane.Entry), end: make(chan error)}
}

func (s *gatedStore) Commit(entries []plane.Entry, rows iter.Seq[plane.Row]) error {
	s.begun <- entries
	if err := <-s.end; err != nil {
		return err
	}
	return s.Log.Commit(entries, rows)
}

// pass lets the next commit through and returns how many entries it has.
func (s *gatedStore) pass() int {
	n := len(<-s.begun)
	s.end <- nil
	return n
}

// startSlowly starts a server with a slow store and a rollout over hosts.
func startSlowly(t *testing.T, hosts ...string) (*harness, *gatedStore, string) {
	t.Helper()
	store := newGatedStore()
	h := start(t, func(c *Config) { c.Store = store })
	done := h.operator("anna").begin(http.MethodPost, "/v1/operator/rollouts", manifest("stable", "r1", "c1", hosts...))
	store.pass()
	(<-done).want(t, wire.Created)
	return h, store, "stable@r1"
}

func (h *harness) ack(host, id string) <-chan answer {
	return h.agent(host).begin(http.MethodPost, "/v1/agent/events", ackBody(host, id))
}

func TestAHeartbeatIsAnsweredWhileACommitIsUnderWay(t *testing.T) { // PROTOCOL E2, H4
	h, store, id := startSlowly(t, "h1")
	event := h.ack("h1", id)
	<-store.begun
	h.agent("h2").heartbeat("h2").want(t, wire.OK)
	select {
	case a := <-event:
		t.Fatalf("the event was answered %v before it was durable", a)
	default:
	}
	store.end <- nil
	(<-event).want(t, wire.NoContent)
}

func TestWhoComesDuringACommitSharesTheNext(t *testing.T) { // PROTOCOL E2
	hosts := []string{"h0", "h1", "h2", "h3", "h4", "h5"}
	h, store, id := startSlowly(t, hosts...)
	first := h.ack("h0", id)
	<-store.begun
	var calls []<-chan answer
	for i, host := range hosts[1:] {
		calls = append(calls, h.ack(host, id))
		h.inside(i + 2)
	}
	h.agent("looker").heartbeat("looker").want(t, wire.OK) // all of them are stepped
	store.end <- nil
	(<-first).want(t, wire.NoContent)
	if n := store.pass(); n != len(calls) {
		t.Errorf("the second commit has %d entries, want %d", n, len(calls))
	}
	for _, call := range calls {
		(<-call).want(t, wire.NoContent)
	}
}

func TestADuplicateWaitsForTheCommitThatIsUnderWay(t *testing.T) { // PROTOCOL E2, E3
	h, store, id := startSlowly(t, "h1")
	first := h.ack("h1", id)
	<-store.begun
	again := h.ack("h1", id)
	h.inside(2)
	h.agent("looker").heartbeat("looker").want(t, wire.OK)
	select {
	case a := <-again:
		t.Fatalf("the duplicate was answered %v before the first was durable", a)
	default:
	}
	store.end <- nil
	(<-first).want(t, wire.NoContent)
	(<-again).want(t, wire.NoContent)
}

func TestAFailedCommitTakesBackAllThatWasSteppedSince(t *testing.T) { // PROTOCOL E2, G2
	h, store, id := startSlowly(t, "h1", "h2")
	first := h.ack("h1", id)
	<-store.begun
	second, again := h.ack("h2", id), h.ack("h1", id)
	h.inside(3)
	look := h.operator("anna").begin(http.MethodGet, "/v1/operator/rollouts/"+id, "")
	h.inside(4)
	h.agent("looker").heartbeat("looker").want(t, wire.OK) // all of them are stepped
	store.end <- errors.New("no space left on device")
	for _, call := range []<-chan answer{first, second, again, look} {
		(<-call).want(t, wire.DroppedReply)
	}
	h.eventually("the plane is up again", func() bool { return len(h.server.unready()) == 0 })
	a := h.operator("anna").do(http.MethodGet, "/v1/operator/rollouts/"+id, "")
	if strings.Count(a.body, `"state":"Pending"`) != 2 {
		t.Errorf("what was not durable is there: %s", a.body)
	}
	if n := store.pass(); n != 0 { // PROTOCOL G9
		t.Errorf("the commit after the failed one has %d entries, want a trial", n)
	}
	h.eventually("the plane knows that commits succeed", func() bool { return !h.server.store.readOnly.Load() })
	first = h.ack("h1", id)
	if entries := <-store.begun; entries[0].Number != 2 {
		t.Errorf("the log goes on with entry %d, want 2", entries[0].Number)
	}
	store.end <- nil
	(<-first).want(t, wire.NoContent)
}

func TestAPollIsNotWokenByWhatIsNotDurable(t *testing.T) { // PROTOCOL D1, E2
	h, store, _ := startSlowly(t, "h1")
	poll := h.agent("h2").begin(http.MethodGet, "/v1/agent/dispatch?wait=60", "")
	h.eventually("the poll waits", func() bool { return h.server.WaitingPolls() == 1 })
	opened := h.operator("anna").begin(http.MethodPost, "/v1/operator/rollouts", manifest("edge", "r1", "c1", "h2"))
	<-store.begun
	h.agent("looker").heartbeat("looker").want(t, wire.OK)
	if n := h.server.WaitingPolls(); n != 1 {
		t.Errorf("%d polls wait, want the one", n)
	}
	store.end <- nil
	(<-opened).want(t, wire.Created)
	(<-poll).want(t, wire.OK)
}

func TestARevocationIsInForceWhenItIsDurable(t *testing.T) { // PROTOCOL E2, T5
	h, store, _ := startSlowly(t, "h1")
	c := h.agent("h2")
	h.advance(time.Hour) // certificates are good from a little before they are issued
	revoked := h.operator("anna").begin(http.MethodPost, "/v1/operator/revocations", `{"common_name":"agent-h2.`+testSuffix+`","force":true}`)
	<-store.begun
	c.heartbeat("h2").want(t, wire.OK)
	store.end <- nil
	(<-revoked).want(t, wire.OK)
	c.heartbeat("h2").want(t, wire.CertificateRevoked)
}

// Whoever has been told of a revocation may rely on it, however long the replies
// after it take.
func TestARevocationIsInForceBeforeItIsAnswered(t *testing.T) { // PROTOCOL E2, T5
	h, store, id := startSlowly(t, "h1")
	c := h.agent("h2")
	h.advance(time.Hour) // certificates are good from a little before they are issued
	first := h.ack("h1", id)
	<-store.begun
	revoked := h.operator("anna").begin(http.MethodPost, "/v1/operator/revocations", `{"common_name":"agent-h2.`+testSuffix+`","force":true}`)
	h.inside(2)
	second := h.agent("h1").begin(http.MethodPost, "/v1/agent/events", eventBody("h1", id, 1))
	h.inside(3)
	h.agent("looker").heartbeat("looker").want(t, wire.OK) // both are stepped
	store.end <- nil
	(<-first).want(t, wire.NoContent)
	<-store.begun
	wedge := h.faults.Install(Fault{Kind: Wedge, At: BeforeReply, Match: ofKind[*plane.Event]})
	store.end <- nil
	(<-revoked).want(t, wire.OK)
	c.heartbeat("h2").want(t, wire.CertificateRevoked)
	wedge.Lift()
	(<-second).want(t, wire.NoContent)
}

// What is told of a step that logs nothing does not wait for a commit that never
// comes.
func TestWhatIsToldDuringACommitIsToldAfterIt(t *testing.T) {
	h, store, id := startSlowly(t, "h1", "h2")
	event := h.ack("h1", id)
	<-store.begun
	drifts := `{"hostname":"h2","rollout_id":"` + id + `","current_closure":"c9","at":"2026-01-01T00:00:00Z"}`
	h.agent("h2").do(http.MethodPost, "/v1/agent/heartbeat", drifts).want(t, wire.OK)
	store.end <- nil
	(<-event).want(t, wire.NoContent)
	h.eventually("the drift is logged", func() bool { return len(h.logs.matching("replay requested", "host=h2")) == 1 })
}

func TestAShutdownWaitsForTheCommitThatIsUnderWay(t *testing.T) { // PROTOCOL E2, G3
	h, store, id := startSlowly(t, "h1")
	event := h.ack("h1", id)
	<-store.begun
	down := make(chan error, 1)
	go func() { down <- h.server.Shutdown(t.Context()) }()
	h.eventually("the gate is closed", func() bool { return h.server.admission.isClosed() })
	store.end <- nil
	(<-event).want(t, wire.NoContent)
	for _, c := range h.clients {
		c.transport.CloseIdleConnections()
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

func TestAPanicLosesNothingThatIsBeingCommitted(t *testing.T) { // PROTOCOL E2
	h, store, id := startSlowly(t, "h1", "h2")
	h.wantPanics = true
	first := h.ack("h1", id)
	<-store.begun
	h.faults.Install(Fault{Kind: Drop, Count: 1, Match: func(in plane.Input) bool {
		if ofKind[*plane.Event](in) {
			panic("on purpose")
		}
		return false
	}})
	second := h.ack("h2", id)
	h.eventually("the panic is logged", func() bool { return len(h.logs.matching("on purpose")) > 0 })
	store.end <- nil
	(<-first).want(t, wire.NoContent)
	(<-second).want(t, wire.DroppedReply)
	h.eventually("the plane is up again", func() bool { return len(h.server.unready()) == 0 })
	if a := h.operator("anna").do(http.MethodGet, "/v1/operator/rollouts/"+id, ""); !strings.Contains(a.body, `"state":"Activating"`) {
		t.Errorf("what was committed is lost: %s", a.body)
	}
}

// TestEveryCommitMayFail drives events through a store that fails now and then:
// what was answered 204 is in the log, and the log has nothing twice.
func TestEveryCommitMayFail(t *testing.T) { // PROTOCOL E2, E3
	const hosts = 8
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	var names []string
	for i := range hosts {
		names = append(names, fmt.Sprint("h", i))
	}
	id := string(h.openRollout("stable", "r1", "c1", names...))
	for round := range 12 {
		store.set(func() { store.failCommit, store.late = round%3, round%2 == 0 })
		var calls []<-chan answer
		for _, name := range names {
			calls = append(calls, h.agent(name).begin(http.MethodPost, "/v1/agent/events", eventBody(name, id, round)))
		}
		for i, call := range calls {
			for a := <-call; a.status != http.StatusNoContent; a = h.agent(names[i]).do(http.MethodPost, "/v1/agent/events", eventBody(names[i], id, round)) {
				if a.status != http.StatusServiceUnavailable {
					t.Fatalf("round %d: %s is answered %v", round, names[i], a)
				}
				h.eventually("the plane is up again, and commits succeed", func() bool {
					h.clock.Add(100 * time.Millisecond) // the time of the next trial
					return len(h.server.unready()) == 0 && !h.server.store.readOnly.Load()
				})
			}
		}
	}
	seen := map[string]int{}
	for _, e := range historyOf(t, store, id) {
		seen[fmt.Sprint(e.Hostname, " ", e.Event.Seq)]++
	}
	for _, name := range names {
		for seq := 1; seq <= 12; seq++ {
			if n := seen[fmt.Sprint(name, " ", seq)]; n != 1 {
				t.Errorf("event %d of %s is %d times in the log", seq, name, n)
			}
		}
	}
}

// eventBody is the event that a host sends in a round.
func eventBody(host, id string, round int) string {
	if round == 0 {
		return ackBody(host, id)
	}
	return fmt.Sprintf(`{"hostname":%q,"rolloutId":%q,"event":{"kind":"ActivationStarted","seq":%d,"startedAt":"2026-01-01T00:00:00Z","switchMethod":"switch"}}`, host, id, round+1)
}
