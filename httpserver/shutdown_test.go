package httpserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestShutdownWorksOffWhatIsInside(t *testing.T) { // PROTOCOL G1
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	rule := h.wedge()
	first, second := h.agent("h1").beginHeartbeat("h1"), h.agent("h2").beginHeartbeat("h2")
	h.inside(2)
	ended := make(chan error, 1)
	go func() { ended <- h.server.Shutdown(context.Background()) }()
	<-h.server.admission.closed
	rule.Lift()
	(<-first).want(t, wire.OK)
	(<-second).want(t, wire.OK)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := store.get(&store.close); got != 1 {
		t.Errorf("the store was closed %d times, want once", got)
	}
	if _, err := net.Dial("tcp", h.server.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

func TestShutdownAnswersEverybodyEvenIfThePlaneIsWedged(t *testing.T) { // PROTOCOL G1, G2, G3
	h := start(t, func(c *Config) { c.BatchSize, c.ReplyTimeout = 1, time.Minute })
	h.wantUncleanShutdown = true
	rule := h.wedge()
	taken := h.agent("h1").beginHeartbeat("h1")
	<-rule.Reached()
	queued := h.agent("h2").beginHeartbeat("h2")
	h.inside(2)
	ended := make(chan error, 1)
	go func() { ended <- h.server.Shutdown(context.Background()) }()
	<-h.server.admission.closed
	h.eventually("the patience ends", func() bool {
		h.clock.Add(DefaultShutdownTimeout)
		select {
		case err := <-ended:
			ended <- err
			return true
		default:
			return false
		}
	})
	(<-taken).want(t, wire.DroppedReply) // it may have been applied
	(<-queued).want(t, wire.Closed)      // it was not
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "2 requests still in the inbox") {
		t.Errorf("shutdown says %v", err)
	}
}

func TestAShutdownThatIsCutShortAnswersEverybody(t *testing.T) { // PROTOCOL G3
	h := start(t)
	h.wantUncleanShutdown = true
	rule := h.wedge()
	done := h.agent("h1").beginHeartbeat("h1")
	<-rule.Reached()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.server.Shutdown(ctx); err == nil {
		t.Error("a shutdown that left a request inside says that all is well")
	}
	// The connection may be cut before its answer is out, since there was no
	// time at all.
	if a := <-done; a.err == nil {
		a.want(t, wire.DroppedReply)
	}
}

func TestAServerThatDidNothingShutsDown(t *testing.T) {
	newHarness(t)
	h := newHarness(t)
	h.listen()
}

func TestAServerIsStartedOnce(t *testing.T) {
	h := start(t)
	if err := h.server.Start(t.Context()); err == nil {
		t.Error("a second start went well")
	}
	if err := h.server.Listen(); err == nil {
		t.Error("a second listen went well")
	}
	h.stop()
	if err := h.server.Start(t.Context()); err == nil {
		t.Error("a start after the shutdown went well")
	}
}

func TestAStoreThatCannotBeLoadedStopsTheStart(t *testing.T) {
	store := newBrittleStore()
	store.failLoad = 1
	h := newHarness(t, func(c *Config) { c.Store = store })
	if err := h.server.Start(t.Context()); !errors.Is(err, errBrittle) {
		t.Fatalf("start says %v, want %v", err, errBrittle)
	}
	h.agent("h1").heartbeat("h1").want(t, wire.NotStarted)
}

func TestRunServesUntilItsContextEnds(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.server.Run(ctx) }()
	h.eventually("it listens", func() bool { return h.server.Addr() != nil })
	h.eventually("it serves", func() bool { return h.agent("h1").heartbeat("h1").status == http.StatusOK })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunEndsWhenAListenerFails(t *testing.T) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	h := newHarness(t, func(c *Config) { c.Listener = listener })
	ended := make(chan error, 1)
	go func() { ended <- h.server.Run(t.Context()) }()
	h.eventually("it serves", func() bool { return len(h.logs.matching("serving")) == 1 })
	listener.Close()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "a listener failed") {
		t.Errorf("run says %v", err)
	}
}
