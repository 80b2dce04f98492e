package httpserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// fieldClient is an agent of NixFleet as a plane meets it, over TLS: what it knows is
// in memory, its queue stops at the first answer that is not 2xx, it reads no header,
// and every snapshot is the truth. It verifies what is signed before it acts.
type fieldClient struct {
	t       testing.TB
	c       *client
	release *testRelease
	runs    string
	at      time.Time // its clock
	queue   []string
	known   map[string]*fieldState
	refused int // answers that stopped the queue
}

// fieldState is what it knows of a rollout; the members are those of a snapshot.
type fieldState struct {
	RolloutID      string    `json:"rolloutId"`
	State          string    `json:"state"`
	TargetClosure  string    `json:"targetClosure"`
	CurrentClosure string    `json:"currentClosure"`
	DispatchedAt   time.Time `json:"dispatchedAt"`
	SoakDueAt      time.Time `json:"soakDueAt"`
	LastEventSeq   int       `json:"lastEventSeq"`
}

func newFieldClient(h *harness, release *testRelease) *fieldClient {
	return &fieldClient{t: h.t, c: h.agent("h1"), release: release, runs: "c0", at: testEpoch, known: map[string]*fieldState{}}
}

func (f *fieldClient) do(method, path, body string) answer {
	f.t.Helper()
	return f.c.do(method, path, body, "X-Refrain-Agent: ")
}

// restart loses everything but the queue.
func (f *fieldClient) restart() {
	f.t.Helper()
	f.known = map[string]*fieldState{}
	f.beat(0)
	f.beat(time.Millisecond)
}

// beat sends a heartbeat after a while and takes the snapshots.
func (f *fieldClient) beat(after time.Duration) {
	f.t.Helper()
	f.at = f.at.Add(after)
	a := f.do(http.MethodPost, heartbeatPath, fmt.Sprintf(`{"hostname":"h1","current_closure":%q,"at":%q}`, f.runs, f.at.Format(time.RFC3339Nano)))
	a.want(f.t, wire.OK)
	var answer struct {
		Bootstrap []fieldState `json:"bootstrap_rollouts"`
	}
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
		f.t.Fatal(err)
	}
	for i := range answer.Bootstrap {
		s := &answer.Bootstrap[i]
		if s.DispatchedAt.IsZero() {
			f.t.Fatalf("a snapshot without dispatchedAt spoils the whole answer: %s", a.body)
		}
		f.known[s.RolloutID] = s
	}
}

// fetch reads a document and its signature.
func (f *fieldClient) fetch(path string) artifact.Signed {
	f.t.Helper()
	a, sig := f.do(http.MethodGet, path, ""), f.do(http.MethodGet, path+"/sig", "")
	a.want(f.t, wire.OK)
	sig.want(f.t, wire.OK)
	return artifact.Signed{Document: []byte(a.body), Signature: []byte(sig.body)}
}

// poll asks for work. It reports whether it took a dispatch up.
func (f *fieldClient) poll() bool {
	f.t.Helper()
	a := f.do(http.MethodGet, dispatchPath, "")
	if a.status == http.StatusNoContent {
		return false
	}
	a.want(f.t, wire.OK)
	var d struct {
		RolloutID     string    `json:"rollout_id"`
		TargetClosure string    `json:"target_closure"`
		SoakDueAt     time.Time `json:"soak_due_at"`
		EnqueuedAt    string    `json:"enqueued_at"`
	}
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		f.t.Fatal(err)
	}
	f.verify(d.RolloutID, d.TargetClosure)
	s := f.known[d.RolloutID]
	if s == nil {
		s = &fieldState{RolloutID: d.RolloutID, State: "Pending", TargetClosure: d.TargetClosure, SoakDueAt: d.SoakDueAt}
		f.known[d.RolloutID] = s
	}
	if s.State != "Pending" {
		return false
	}
	f.emit(s, "Activating", fmt.Sprintf(`"kind":"DispatchAck","currentClosureAtDispatch":%q,"receivedAt":%q`, d.TargetClosure, d.EnqueuedAt))
	f.emit(s, "Activating", fmt.Sprintf(`"kind":"ActivationStarted","startedAt":%q,"switchMethod":"switch-to-configuration"`, f.now()))
	return true
}

// verify fetches and verifies the fleet and the manifest of a dispatch, and looks the
// host's own line up.
func (f *fieldClient) verify(id, target string) {
	f.t.Helper()
	trust := must(artifact.ParseTrust(must(os.ReadFile(f.release.trust))(f.t)))(f.t)
	v := artifact.Verifier{Trust: trust, Now: wire.TimeOf(f.at), Window: artifact.AgentWindow}
	if _, err := v.Fleet(f.fetch(fleetPath)); err != nil {
		f.t.Fatal(err)
	}
	manifest := f.fetch(manifestsPath + id)
	if _, err := v.Rollout(manifest); err != nil {
		f.t.Fatal(err)
	}
	if document := string(manifest.Document); !strings.Contains(document, `{"hostname":"h1","targetClosure":"`+target+`"`) {
		f.t.Fatalf("the manifest does not say that h1 shall run %s: %s", target, document)
	}
}

func (f *fieldClient) now() string { return f.at.Format(time.RFC3339Nano) }

// emit queues an event under the next number.
func (f *fieldClient) emit(s *fieldState, to, text string) {
	s.State = to
	s.LastEventSeq++
	f.queue = append(f.queue, event("h1", s.RolloutID, s.LastEventSeq, text))
}

// switched ends the switch of a rollout, if this process began it.
func (f *fieldClient) switched(id, closure string) {
	f.runs = closure
	if s := f.known[id]; s != nil && s.State == "Activating" {
		s.CurrentClosure = closure
		f.emit(s, "Soaking", fmt.Sprintf(`"kind":"ActivationCompleted","observedCurrentClosure":%q,"exitCode":0,"completedAt":%q`, closure, f.now()))
		f.emit(s, "Soaking", fmt.Sprintf(`"kind":"ProbeTopologyDeclared","probes":[{"probeName":"web","kind":"http","mode":"enforce"}],"declaredAt":%q`, f.now()))
	}
}

// advance converges what has soaked.
func (f *fieldClient) advance() {
	for _, s := range f.known {
		if s.State == "Soaking" && !f.at.Before(s.SoakDueAt) && s.CurrentClosure == s.TargetClosure {
			f.emit(s, "Converged", fmt.Sprintf(`"kind":"Converged","convergedAt":%q,"currentClosure":%q`, f.now(), s.CurrentClosure))
		}
	}
}

// drain sends the queue, up to the first answer that is not 2xx.
func (f *fieldClient) drain() {
	f.t.Helper()
	for len(f.queue) > 0 {
		if a := f.do(http.MethodPost, eventsPath, f.queue[0]); a.status < 200 || a.status > 299 {
			f.t.Logf("the queue stops with %v at %.200s", a, f.queue[0])
			f.refused++
			return
		}
		f.queue = f.queue[1:]
	}
}

// wantDrained drains the queue, which must not stop.
func (f *fieldClient) wantDrained() {
	f.t.Helper()
	f.drain()
	if len(f.queue) > 0 {
		f.t.Fatalf("%d events wait behind the one that was refused, for ever", len(f.queue))
	}
}

// fieldRollout is a plane with a signed release and its rollout.
func fieldRollout(t testing.TB, edits ...func(*Config)) (*harness, *fieldClient, string) {
	t.Helper()
	release := newTestRelease(t)
	release.write("00ff", testEpoch)
	h := start(t, append([]func(*Config){release.configure}, edits...)...)
	h.wantOpened("stable@00ff")
	return h, newFieldClient(h, release), "stable@00ff"
}

// wantOpened waits until the plane has opened a rollout of its release (PROTOCOL V4).
func (h *harness) wantOpened(id string) {
	h.t.Helper()
	h.eventually(id+" is open", func() bool {
		return h.operator("reader").do(http.MethodGet, "/v1/operator/rollouts/"+id, "").status == http.StatusOK
	})
}

func TestFieldClient_FromHeartbeatToConverged(t *testing.T) { // PROTOCOL T12, V1, D1, E11
	h, f, id := fieldRollout(t)
	f.restart()
	if !f.poll() {
		t.Fatal("there is no dispatch")
	}
	f.wantDrained()
	h.wantState(id, "h1", wire.Activating, 2)
	f.beat(time.Minute)
	f.switched(id, "c1")
	f.advance() // before any probe has run
	f.wantDrained()
	h.wantState(id, "h1", wire.Converged, 5)
}

// An event that the plane cannot apply stopped the queue, for every rollout.
func TestFieldClient_AnEventOfALostRolloutStopsNothing(t *testing.T) { // PROTOCOL E12
	h, f, id := fieldRollout(t)
	f.queue = []string{event("h1", "stable@00ee", 4, eventKinds["Converged"]), event("h1", id, 9, eventKinds["Converged"])}
	f.restart()
	f.poll()
	f.switched(id, "c1")
	f.advance()
	f.wantDrained()
	h.wantState(id, "h1", wire.Converged, 5)
}

// A snapshot of what was just delivered had the agent switch a second time.
func TestFieldClient_OneSwitchForADispatch(t *testing.T) { // PROTOCOL H10
	h, f, id := fieldRollout(t)
	f.restart()
	f.poll()
	f.beat(time.Minute) // the acknowledgement is still on its disk
	if f.poll() {
		t.Fatal("it takes the dispatch up a second time")
	}
	h.advance(20 * time.Second)
	if f.poll() {
		t.Fatal("offered again, it takes the dispatch up a second time")
	}
	f.switched(id, "c1")
	f.advance()
	f.wantDrained()
	h.wantState(id, "h1", wire.Converged, 5)
}

// An agent that its own switch restarts has forgotten the rollout.
func TestFieldClient_RestartedInItsSwitchItConverges(t *testing.T) { // PROTOCOL H4, H10, E11
	h, f, id := fieldRollout(t)
	f.restart()
	f.poll()
	f.drain()
	f.runs = "c1"
	f.at = f.at.Add(time.Minute)
	f.restart()
	h.wantState(id, "h1", wire.Soaking, 2)
	f.advance()
	f.wantDrained()
	h.wantState(id, "h1", wire.Converged, 3)
}

// One that is restarted in a switch that came to nothing has forgotten the dispatch,
// and the plane believed it to be at work.
func TestFieldClient_RestartedInAFailedSwitchItSwitchesAgain(t *testing.T) { // PROTOCOL D4
	h, f, id := fieldRollout(t)
	f.restart()
	f.poll()
	f.drain()
	f.restart()
	f.poll()
	h.advance(11 * time.Minute)
	if !f.poll() {
		t.Fatal("it is never given the dispatch again")
	}
	f.switched(id, "c1")
	f.advance()
	f.wantDrained()
	if got := h.record(id, "h1").Snapshot.State; got != wire.Converged {
		t.Fatalf("the record is %v, want Converged", got)
	}
}

// A plane that lost its disk knows nothing of an agent that keeps nothing.
func TestFieldClient_MeetsAPlaneThatLostItsDisk(t *testing.T) { // PROTOCOL E12, H10
	h, f, id := fieldRollout(t)
	f.restart()
	f.poll()
	f.drain()
	f.switched(id, "c1")
	h.stop()
	h.cfg.Store = memory.New(0)
	h.server = must(New(h.cfg))(t)
	f.c.base, h.looker = "", nil
	h.start()
	f.wantDrained() // whether or not the rollout is open already
	h.wantOpened(id)
	for range 4 {
		f.beat(time.Minute)
		f.advance()
		f.wantDrained()
	}
	if got := h.record(id, "h1").Snapshot.State; got != wire.Converged {
		t.Fatalf("the record is %v, want Converged", got)
	}
}
