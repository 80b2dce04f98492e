package httpserver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// The harness is a real server on free ports of the loopback, with a CA of its
// own, a clock that the test moves, and clients that connect over mutual TLS.
// When the test ends, the server is shut down and no goroutine may be left, so
// tests that use it do not run in parallel.

const testSuffix = "fleet.test"

// testEpoch is what the harness's clock shows at first.
var testEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	if runLoad() {
		return // this process is the load of a benchmark
	}
	os.Exit(m.Run())
}

type harness struct {
	t      testing.TB
	cfg    Config
	server *Server
	clock  *clock.Mock
	faults *Faults
	logs   *logRecorder
	ca     *pki.Authority

	clients []*client
	looker  *client // see reader
	// wantPanics says that the test makes the plane or a handler panic.
	wantPanics bool
	// wantUncleanShutdown says that the test leaves something inside.
	wantUncleanShutdown bool
}

// newHarness makes a server that does not listen yet. The edits change its
// configuration.
func newHarness(t testing.TB, edits ...func(*Config)) *harness {
	t.Helper()
	before := goleak.IgnoreCurrent()
	h := &harness{t: t, clock: clock.NewMock(), faults: new(Faults), logs: new(logRecorder)}
	h.clock.Set(testEpoch)
	h.ca = must(pki.New(pki.Config{Suffix: testSuffix, Clock: h.clock}))(t)
	cert := must(h.ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{}))(t)
	h.cfg = Config{
		Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0",
		Certificate: &cert, ClientCAs: h.ca.Pool(), AgentCNSuffix: testSuffix,
		Logger: slog.New(h.logs), Clock: h.clock, Store: memory.New(0),
		Faults: h.faults, CheckInvariants: true, FlightDir: t.TempDir(),
	}
	for _, edit := range edits {
		edit(&h.cfg)
	}
	h.server = must(New(h.cfg))(t)
	t.Cleanup(func() {
		h.stop()
		goleak.VerifyNone(t, before)
	})
	return h
}

// start makes a server and starts it.
func start(t testing.TB, edits ...func(*Config)) *harness {
	t.Helper()
	h := newHarness(t, edits...)
	h.start()
	return h
}

func (h *harness) start() {
	h.t.Helper()
	if err := h.server.Start(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// listen lets the server answer without being started.
func (h *harness) listen() {
	h.t.Helper()
	if err := h.server.Listen(); err != nil {
		h.t.Fatal(err)
	}
}

// stop shuts the server down.
func (h *harness) stop() {
	h.t.Helper()
	for _, c := range h.clients {
		c.transport.CloseIdleConnections()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if h.t.Failed() {
		cancel() // it may have left a wedge, which would be waited for
	}
	err := h.server.Shutdown(ctx)
	if err != nil && !h.wantUncleanShutdown && !h.t.Failed() {
		h.t.Errorf("shutdown: %v", err)
	}
	for _, c := range h.clients {
		c.transport.CloseIdleConnections()
	}
	if panics := h.logs.matching("panicked"); len(panics) > 0 && !h.wantPanics {
		h.t.Errorf("something panicked:\n%s", strings.Join(panics, "\n"))
	}
}

// restart shuts the server down and starts another one with the same
// configuration, and so with the same store.
func (h *harness) restart() {
	h.t.Helper()
	h.stop()
	h.server = must(New(h.cfg))(h.t)
	for _, c := range h.clients {
		c.base = ""
	}
	h.start()
}

// eventually waits until something that happens beside the test has happened.
func (h *harness) eventually(what string, happened func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: it does not happen", what)
		}
	}
}

// inside waits until so many requests are inside.
func (h *harness) inside(n int) {
	h.t.Helper()
	h.eventually(fmt.Sprintf("%d requests inside", n), func() bool { return h.server.InboxDepth() == n })
}

// advance moves the clock as time passes for a plane that is not wedged: in
// steps that end with a tick, each of which the loop has worked off before time
// goes on.
func (h *harness) advance(d time.Duration) {
	h.t.Helper()
	every := h.server.cfg.plane().TickEvery()
	for d > 0 {
		step := min(d, every)
		ticks := h.ticks()
		h.clock.Add(step)
		if step == every {
			h.eventually("a tick", func() bool { return h.ticks() > ticks })
		}
		d -= step
	}
}

// ticks is how many ticks the loop has stepped.
func (h *harness) ticks() uint64 {
	h.t.Helper()
	var m dto.Metric
	if err := h.server.metrics.stepSeconds[kindTick].(prometheus.Metric).Write(&m); err != nil {
		h.t.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount()
}

// wedge installs a wedge before the next step. The loop stands still when the
// rule says that it was reached.
func (h *harness) wedge() *FaultRule { return h.faults.Install(Fault{Kind: Wedge}) }

// ofKind matches inputs by a type.
func ofKind[T plane.Input](in plane.Input) bool { _, ok := in.(T); return ok }

// provoke makes a server answer a heartbeat of a host, or an event where no
// heartbeat is refused, with one of the reasons of a 503 (PROTOCOL G1, G2, G9, G10), and
// returns the answer. The harness must be fresh and started, but for not_started,
// its store a brittle one for store_unavailable, and its event budget two events for
// over_budget.
func (h *harness) provoke(code wire.Code) answer {
	h.t.Helper()
	c := h.agent("victim")
	switch code {
	case wire.NotStarted:
		h.listen()
		return c.heartbeat("victim")
	case wire.Saturated:
		rule := h.wedge()
		defer rule.Lift()
		h.fill()
		return c.heartbeat("victim")
	case wire.Closed:
		rule := h.wedge()
		other := h.agent("other").beginHeartbeat("other")
		<-rule.Reached()
		ended := make(chan error, 1)
		go func() { ended <- h.server.Shutdown(context.Background()) }()
		<-h.server.admission.closed
		a := c.heartbeat("victim")
		rule.Lift()
		<-other
		<-ended
		return a
	case wire.DroppedReply:
		h.faults.Install(Fault{Kind: Drop, Count: 1})
		return c.heartbeat("victim")
	case wire.Timeout:
		rule := h.wedge()
		defer rule.Lift()
		done := c.beginHeartbeat("victim")
		<-rule.Reached()
		h.clock.Add(h.server.cfg.ReplyTimeout)
		return <-done
	case wire.StoreUnavailable:
		store := h.cfg.Store.(*brittleStore)
		id := string(h.openRollout("stable", "r1", "c1", "victim", "other"))
		store.set(func() { store.failCommit = -1 })
		h.agent("other").do(http.MethodPost, eventsPath, ackBody("other", id)).want(h.t, wire.DroppedReply)
		h.eventually("the plane goes on without a disk", func() bool { return h.server.store.readOnly.Load() })
		return c.do(http.MethodPost, eventsPath, ackBody("victim", id))
	case wire.OverBudget:
		id := string(h.openRollout("stable", "r1", "c1", "victim"))
		c.do(http.MethodPost, eventsPath, ackBody("victim", id)).want(h.t, wire.NoContent)
		c.do(http.MethodPost, eventsPath, eventBody("victim", id, 1)).want(h.t, wire.NoContent)
		return c.do(http.MethodPost, eventsPath, eventBody("victim", id, 2))
	default:
		panic("not a reason of a 503: " + code.String())
	}
}

// fill fills the inbox with heartbeats of hosts f0, f1 … behind a wedge. Their
// answers are thrown away.
func (h *harness) fill() {
	h.t.Helper()
	for i := range h.server.cfg.InboxCapacity {
		host := "f" + strconv.Itoa(i)
		h.agent(host).beginHeartbeat(host)
	}
	h.inside(h.server.cfg.InboxCapacity)
}

// ops asks the ops listener.
func (h *harness) ops(path string) (status int, body string) {
	h.t.Helper()
	resp, err := http.Get("http://" + h.server.OpsAddr().String() + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text := must(io.ReadAll(resp.Body))(h.t)
	http.DefaultClient.CloseIdleConnections()
	return resp.StatusCode, string(text)
}

// metric returns the value of a series, for instance
// `refrain_unavailable_total{reason="timeout"}`.
func (h *harness) metric(series string) float64 {
	h.t.Helper()
	_, text := h.ops("/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return must(strconv.ParseFloat(strings.TrimSpace(value), 64))(h.t)
		}
	}
	h.t.Fatalf("there is no series %s", series)
	return 0
}

// logRecorder keeps the log lines.
type logRecorder struct {
	mu    sync.Mutex
	lines []string
}

// Enabled implements [slog.Handler].
func (l *logRecorder) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements [slog.Handler].
func (l *logRecorder) Handle(ctx context.Context, r slog.Record) error {
	var b bytes.Buffer
	if err := slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}).Handle(ctx, r); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, b.String())
	return nil
}

// WithAttrs implements [slog.Handler].
func (l *logRecorder) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements [slog.Handler].
func (l *logRecorder) WithGroup(string) slog.Handler { return l }

// matching returns the lines that contain every text.
func (l *logRecorder) matching(texts ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, line := range l.lines {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}

// must ends the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
