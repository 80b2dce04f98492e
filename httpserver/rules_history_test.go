package httpserver

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// PROTOCOL R5: a history may be large; reading it may not cost much.

// largeHistory is a store with a rollout of n results of a probe, each of more than
// 60 KB. They share their memory, so that the store itself needs little.
func largeHistory(t testing.TB, n int) *memory.Log {
	t.Helper()
	p := must(plane.New(plane.Config{EventBudget: plane.EventBudget{Bytes: 1 << 30}}))(t)
	var out plane.Output
	now := wire.TimeOf(testEpoch)
	step := func(in plane.Input) { p.Step(wire.Instant{Wall: now}, in, &out) }
	step(&plane.OpenRollout{Manifest: wire.Manifest{
		Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}},
		Hosts: []wire.ManifestHost{{Hostname: "h1", TargetClosure: "c1"}},
	}})
	result := wire.ProbeResult{ProbeName: "audit", Mode: wire.Enforce, Status: wire.Pass, ObservedAt: now}
	for i := range 600 {
		result.SubResults = append(result.SubResults, wire.SubResult{
			ControlID: wire.Name("control-" + strconv.Itoa(i)), Status: wire.Pass, Framework: wire.Name(strings.Repeat("f", 40)), EffectiveMode: wire.Enforce,
		})
	}
	bodies := []wire.EventBody{
		wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: now}, wire.ActivationStarted{StartedAt: now, SwitchMethod: "switch"},
		wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: now},
	}
	for len(bodies) < n-1 {
		bodies = append(bodies, result)
	}
	for i, body := range bodies {
		step(&plane.Event{Envelope: wire.EventEnvelope{Hostname: "h1", RolloutID: "stable@r1", Event: wire.Event{Seq: wire.Seq(i + 1), Body: body}}})
	}
	if len(out.Entries) != n {
		t.Fatalf("%d entries, want %d", len(out.Entries), n)
	}
	if size := len(wire.EventEnvelopeSchema.Append(nil, &out.Entries[n-1].Input.(*plane.Event).Envelope)); size < 60_000 {
		t.Fatalf("an event has %d bytes, want 60,000", size)
	}
	log := memory.New(0)
	if err := log.Commit(out.Entries, nil); err != nil {
		t.Fatal(err)
	}
	return log
}

const largePath = rolloutsPath + "/stable@r1/events?limit=1000"

// historyPage is a page as a reader of it has it.
type historyPage struct {
	events []wire.LoggedEvent
	next   wire.Text
}

var historyPageSchema = wire.Schema[historyPage]{Fields: []wire.Field[historyPage]{
	{Name: "events", Presence: wire.Required, Of: func(p *historyPage) wire.Value {
		return wire.List[wire.LoggedEvent]{Items: &p.events, Schema: &wire.LoggedEventSchema}
	}},
	{Name: "next", Presence: wire.Optional, Of: func(p *historyPage) wire.Value { return &p.next }},
}}

// historyOf is the whole history of a rollout in a store.
func historyOf(t testing.TB, s store.Store, id string) (events []wire.LoggedEvent) {
	t.Helper()
	if err := s.Events(wire.RolloutID(id), 0, func(e *wire.LoggedEvent) bool { events = append(events, *e); return true }); err != nil {
		t.Fatal(err)
	}
	return events
}

func TestAPageOfAHistoryIsBoundedInBytes(t *testing.T) { // PROTOCOL R5
	const n = 300
	h := start(t, func(c *Config) { c.Store = largeHistory(t, n) })
	c := h.operator("anna")
	var pages, events int
	for after := ""; ; {
		a := c.do(http.MethodGet, largePath+after, "")
		a.want(t, wire.OK)
		if pages++; len(a.body) > plane.MaxHistoryPage+1<<10 {
			t.Fatalf("page %d has %d bytes, want at most about %d", pages, len(a.body), plane.MaxHistoryPage)
		}
		var page historyPage
		if err := wire.DecodeDocument(new(wire.Decoder), &historyPageSchema, []byte(a.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.events {
			if events++; e.Number != wire.Seq(events) {
				t.Fatalf("event %d has the number %d", events, e.Number)
			}
		}
		if page.next == "" {
			break
		}
		after = "&after=" + string(page.next)
	}
	if events != n || pages < n*60_000/plane.MaxHistoryPage {
		t.Errorf("%d events in %d pages, want %d in more than %d", events, pages, n, n*60_000/plane.MaxHistoryPage)
	}
}

// Readers that take the beginning of their answer and then wait: what they cost is
// measured while they do. Each cost the whole page, about 60 MB.
func TestSlowReadersOfALargeHistoryCostLittle(t *testing.T) { // PROTOCOL R5
	h := start(t, func(c *Config) { c.Store = largeHistory(t, 1000) })
	config := withName(h.operator("anna").transport.TLSClientConfig)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	h.operator("anna").do(http.MethodGet, hostsPath, "").want(t, wire.OK)
	before := heap()
	const readers = 6
	for range readers {
		conn := must(tls.Dial("tcp", h.server.Addr().String(), config))(t)
		defer conn.Close()
		must(io.WriteString(conn, "GET "+largePath+" HTTP/1.1\r\nHost: plane\r\n\r\n"))(t)
		if line := must(bufio.NewReaderSize(conn, 16).ReadString('\n'))(t); line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("answered %q", line)
		}
	}
	const want = readers * 4 * plane.MaxHistoryPage
	if grown := heap() - before; grown > want {
		t.Errorf("%d slow readers cost %d bytes, want at most %d", readers, grown, want)
	} else {
		t.Logf("%d slow readers cost %d bytes", readers, grown)
	}
}

// heldHistory is a store whose histories can be read when the test says so.
type heldHistory struct {
	store.Store
	begun chan struct{}
	held  chan struct{}
}

func (s *heldHistory) Events(id wire.RolloutID, after wire.Seq, yield func(*wire.LoggedEvent) bool) error {
	s.begun <- struct{}{}
	<-s.held
	return s.Store.Events(id, after, yield)
}

func TestSoManyHistoriesAreReadAtATime(t *testing.T) { // PROTOCOL R5
	held := &heldHistory{Store: memory.New(0), begun: make(chan struct{}, 2*maxHistoryReaders), held: make(chan struct{})}
	h := start(t, func(c *Config) { c.Store = held })
	h.openRollout("stable", "r1", "c1", "h1")
	const path = rolloutsPath + "/stable@r1/events"
	var reading sync.WaitGroup
	answers := make([]answer, maxHistoryReaders)
	for i := range answers {
		c := h.operator(fmt.Sprint("o", i))
		reading.Go(func() { answers[i] = c.do(http.MethodGet, path, "") })
	}
	for range answers {
		<-held.begun
	}
	c := h.operator("anna")
	a := c.do(http.MethodGet, path, "")
	wantProblem(t, a, wire.TooManyReaders)
	if got := a.header.Get(wire.HeaderRetryAfter); got != "5" {
		t.Errorf("Retry-After is %q, want 5", got)
	}
	c.do(http.MethodGet, hostsPath, "").want(t, wire.OK) // nothing else is refused
	close(held.held)
	reading.Wait()
	for _, a := range answers {
		a.want(t, wire.OK)
	}
	for range 2 * maxHistoryReaders { // every place is free again, also after a refusal
		c.do(http.MethodGet, rolloutsPath+"/stable@r9/events", "").want(t, wire.UnknownRollout)
	}
	c.do(http.MethodGet, path, "").want(t, wire.OK)
}
