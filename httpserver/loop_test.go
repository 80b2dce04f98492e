package httpserver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// brittleStore is a memory store whose calls fail when the test says so.
type brittleStore struct {
	*memory.Log
	mu                    sync.Mutex
	failCommit, failLoad  int  // how many calls fail; negative: all
	late                  bool // a commit that fails is in the log all the same
	commits, loads, close int
}

var errBrittle = errors.New("no space left on device")

func newBrittleStore() *brittleStore { return &brittleStore{Log: memory.New(0)} }

func (s *brittleStore) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *brittleStore) get(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

func (s *brittleStore) fails(n, calls *int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	*calls++
	if *n != 0 {
		*n--
		return true
	}
	return false
}

func (s *brittleStore) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	if s.fails(&s.failLoad, &s.loads) {
		return nil, errBrittle
	}
	return s.Log.Load(ctx, cfg)
}

func (s *brittleStore) Commit(entries []plane.Entry, rows iter.Seq[plane.Row]) error {
	fails := s.fails(&s.failCommit, &s.commits)
	if fails && !s.late {
		return errBrittle
	}
	if err := s.Log.Commit(entries, rows); err != nil {
		return err
	}
	if fails {
		return errBrittle
	}
	return nil
}

func (s *brittleStore) Close() error {
	s.set(func() { s.close++ })
	return s.Log.Close()
}

func TestAnEventIsNotAcknowledgedIfItIsNotOnDisk(t *testing.T) { // PROTOCOL E2
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	store.set(func() { store.failCommit = 1 })
	c := h.agent("h1")
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.DroppedReply)
	// The plane was built again by itself, and it does not know the event.
	h.eventually("the plane is up again", func() bool { return len(h.server.unready()) == 0 })
	a := h.operator("anna").do(http.MethodGet, "/v1/operator/rollouts/stable@r1", "")
	if !strings.Contains(a.body, `"state":"Pending"`) {
		t.Errorf("the plane took an event that is not on disk: %s", a.body)
	}
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.NoContent)
	if got := h.metric("refrain_plane_rebuilds_total"); got != 1 {
		t.Errorf("%v rebuilds, want 1", got)
	}
}

func TestACommitThatFailedAfterAllIsADuplicateNextTime(t *testing.T) { // PROTOCOL E3
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	store.set(func() { store.failCommit, store.late = 1, true })
	c := h.agent("h1")
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.DroppedReply)
	h.eventually("the plane is up again", func() bool { return len(h.server.unready()) == 0 })
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.NoContent)
	if got := h.metric(`refrain_events_total{outcome="duplicate"}`); got != 1 {
		t.Errorf("%v duplicates, want 1", got)
	}
}

func TestAHeartbeatDoesNotWaitForTheDisk(t *testing.T) { // PROTOCOL H4
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	store.set(func() { store.failCommit = 1 })
	// Both are in one batch: they queue behind a wedge.
	rule := h.faults.Install(Fault{Kind: Wedge, Match: func(in plane.Input) bool {
		beat, ok := in.(*plane.Heartbeat)
		return ok && beat.Request.Hostname == "first"
	}})
	first := h.agent("first").beginHeartbeat("first")
	<-rule.Reached()
	event := h.agent("h1").begin(http.MethodPost, "/v1/agent/events", ackBody("h1", id))
	h.inside(2)
	beat := h.agent("h2").beginHeartbeat("h2")
	h.inside(3)
	rule.Lift()
	(<-first).want(t, wire.OK)
	(<-beat).want(t, wire.OK)
	(<-event).want(t, wire.DroppedReply)
}

func TestAStoreThatFailsForLongMakesThePlaneUnreadyAndNotDead(t *testing.T) { // PROTOCOL G7
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	id := string(h.openRollout("stable", "r1", "c1", "h1", "h2"))
	store.set(func() { store.failCommit, store.failLoad = 1, -1 })
	loads := store.get(&store.loads)
	c := h.agent("h1")
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.DroppedReply)
	h.eventually("an attempt to load", func() bool { return store.get(&store.loads) > loads })
	c.heartbeat("h1").want(t, wire.NotStarted)
	if status, body := h.ops("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "store failing") {
		t.Errorf("readyz says %d %s", status, body)
	}
	// Time goes by. Each attempt fails until the disk is well again.
	for range 4 {
		loads := store.get(&store.loads)
		h.eventually("the next attempt", func() bool {
			h.clock.Add(5 * time.Second) // the longest backoff
			return store.get(&store.loads) > loads
		})
	}
	if status, body := h.ops("/livez"); status != http.StatusOK {
		t.Errorf("livez says %d %s: a restart mends no disk", status, body)
	}
	store.set(func() { store.failLoad = 0 })
	h.eventually("service resumes", func() bool {
		h.clock.Add(5 * time.Second) // the longest backoff
		return len(h.server.unready()) == 0
	})
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.NoContent)
}

func TestRequestsThatQueueWhileTheStoreFailsAreLetGo(t *testing.T) { // PROTOCOL G2
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store, c.BatchSize = store, 1 })
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	store.set(func() { store.failCommit, store.failLoad = 1, -1 })
	after, lift := h.holdSections() // so that the heartbeat is not taken before the commit has failed
	event := h.agent("h1").begin(http.MethodPost, "/v1/agent/events", ackBody("h1", id))
	after(driver.Commit)
	h.eventually("the commit has failed", func() bool { return h.server.loop.signals.Load()&signalCommit != 0 })
	beat := h.agent("h2").beginHeartbeat("h2")
	h.inside(2)
	lift()
	(<-event).want(t, wire.DroppedReply)
	(<-beat).want(t, wire.DroppedReply)
	store.set(func() { store.failLoad = 0 })
}

func TestAPanicOfAStepIsContained(t *testing.T) {
	h := start(t)
	h.wantPanics = true
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	h.faults.Install(Fault{Kind: Drop, Count: 1, Match: func(in plane.Input) bool {
		if ofKind[*plane.Event](in) {
			panic("on purpose")
		}
		return false
	}})
	c := h.agent("h1")
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.DroppedReply)
	if lines := h.logs.matching("level=ERROR", "a step of the plane panicked", "on purpose", "loop.go"); len(lines) != 1 {
		t.Errorf("%d log lines with the stack, want 1", len(lines))
	}
}

func TestARestartLosesNothingThatWasAcknowledged(t *testing.T) { // PROTOCOL E2
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.NoContent)
	h.restart()
	a := h.operator("anna").do(http.MethodGet, "/v1/operator/rollouts/stable@r1", "")
	if !strings.Contains(a.body, `"state":"Activating"`) || !strings.Contains(a.body, `"lastEventSeq":1`) {
		t.Errorf("after a restart: %s", a.body)
	}
	if got := h.metric(`refrain_events_total{outcome="applied"}`); got != 0 {
		t.Errorf("%v events counted as applied by loading them, want 0", got)
	}
}

func TestASilentHostIsUnreachableAfterThreeIntervals(t *testing.T) { // PROTOCOL L1
	h := start(t)
	c := h.agent("h1")
	c.heartbeat("h1").want(t, wire.OK)
	h.advance(3*time.Minute - 5*time.Second)
	if got := h.metric(`refrain_hosts{reachability="unreachable"}`); got != 0 {
		t.Fatal("unreachable too early")
	}
	h.advance(5 * time.Second)
	h.eventually("the host is unreachable", func() bool { return h.metric(`refrain_hosts{reachability="unreachable"}`) == 1 })
	h.eventually("it is logged", func() bool { return len(h.logs.matching("level=WARN", "host unreachable", "host=h1")) == 1 })
	c.heartbeat("h1").want(t, wire.OK)
	h.eventually("the host is back", func() bool { return h.metric(`refrain_hosts{reachability="unreachable"}`) == 0 })
}

func TestABatchIsCommittedAtOnce(t *testing.T) { // PROTOCOL E2
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	hosts := make([]string, 8)
	for i := range hosts {
		hosts[i] = fmt.Sprint("h", i)
	}
	id := string(h.openRollout("stable", "r1", "c1", hosts...))
	rule := h.faults.Install(Fault{Kind: Wedge, Match: ofKind[*plane.Heartbeat]})
	beat := h.agent("first").beginHeartbeat("first")
	<-rule.Reached()
	var calls []<-chan answer
	for i, host := range hosts {
		calls = append(calls, h.agent(host).begin(http.MethodPost, "/v1/agent/events", ackBody(host, id)))
		h.inside(i + 2)
	}
	before := store.get(&store.commits)
	rule.Lift()
	(<-beat).want(t, wire.OK)
	for _, call := range calls {
		(<-call).want(t, wire.NoContent)
	}
	if got := store.get(&store.commits) - before; got != 1 {
		t.Errorf("%d commits for one batch, want 1", got)
	}
}

func TestNobodyIsLeftBehindAFullBatch(t *testing.T) { // PROTOCOL G3
	h := start(t, func(c *Config) { c.BatchSize = 1 })
	rule := h.wedge()
	var calls []<-chan answer
	for i := range 6 {
		host := fmt.Sprint("h", i)
		calls = append(calls, h.agent(host).beginHeartbeat(host))
		h.inside(i + 1)
	}
	rule.Lift()
	for _, call := range calls {
		(<-call).want(t, wire.OK)
	}
}

// stuckStore fails one commit, and its loads after that wait for the test.
type stuckStore struct {
	*brittleStore
	first   sync.Once
	loading chan struct{} // a load waits
	proceed chan struct{}
}

func (s *stuckStore) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	atStart := false
	s.first.Do(func() { atStart = true })
	if !atStart {
		s.loading <- struct{}{}
		<-s.proceed
	}
	return s.brittleStore.Load(ctx, cfg)
}

func TestAPlaneThatIsBuiltAgainSlowlyIsNotWedged(t *testing.T) { // PROTOCOL G7
	store := &stuckStore{brittleStore: newBrittleStore(), loading: make(chan struct{}), proceed: make(chan struct{})}
	h := start(t, func(c *Config) { c.Store, c.BatchSize = store, 1 })
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	store.set(func() { store.failCommit = 1 })
	// A heartbeat is queued when the commit fails.
	after, lift := h.holdSections()
	event := h.agent("h1").begin(http.MethodPost, "/v1/agent/events", ackBody("h1", id))
	after(driver.Commit)
	h.eventually("the commit has failed", func() bool { return h.server.loop.signals.Load()&signalCommit != 0 })
	beat := h.agent("h2").beginHeartbeat("h2")
	h.inside(2)
	lift()
	(<-event).want(t, wire.DroppedReply)
	<-store.loading
	h.clock.Add(DefaultReplyTimeout + time.Second) // advance would wait for the loop
	(<-beat).want(t, wire.Timeout)
	if state := h.server.admission.look(); state.depth == 0 || state.wedged {
		t.Errorf("%d inside, wedged %v; want what is queued to stay, and no wedge", state.depth, state.wedged)
	}
	close(store.proceed)
	h.eventually("the plane is up again", func() bool { return len(h.server.unready()) == 0 })
}

func TestOneHostCannotFloodTheLogWithRejectedEvents(t *testing.T) {
	h := start(t)
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", id)).want(t, wire.NoContent)
	for range 20 {
		body := `{"hostname":"h1","rolloutId":"` + id + `","event":{"kind":"Converged","seq":2,"convergedAt":"2026-01-01T00:00:00Z","currentClosure":"c1"}}`
		c.do(http.MethodPost, "/v1/agent/events", body).want(t, wire.Rejected)
	}
	h.eventually("a line says so", func() bool { return len(h.logs.matching("event rejected")) > 0 })
	if lines := h.logs.matching("event rejected"); len(lines) != 1 {
		t.Errorf("%d lines for 20 rejected events in one instant, want 1", len(lines))
	}
	// The counters are published when the loop comes to rest.
	h.eventually("all are counted", func() bool { return h.metric(`refrain_events_total{outcome="rejected"}`) == 20 })
}
