package httpserver

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// flooder is a host of a flood. It keeps one request under way.
type flooder struct {
	name   string
	client *client
	beats  bool // it sends heartbeats; the others poll
}

func (f *flooder) request() answer {
	if f.beats {
		return f.client.heartbeat(f.name)
	}
	return f.client.do(http.MethodGet, dispatchPath, "")
}

func (f *flooder) begin() <-chan answer {
	done := make(chan answer, 1)
	go func() { done <- f.request() }()
	return done
}

// floodTally counts the answers of a flood.
type floodTally struct {
	mu                     sync.Mutex
	beats, polls, refusals int
	slots                  map[int]int // refusals by Retry-After
	strange                []string
}

func (l *floodTally) count(t testing.TB, f *flooder, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case a.err == nil && a.status == http.StatusOK && f.beats && a.body == steadyAnswer:
		l.beats++
	case a.err == nil && a.status == http.StatusNoContent && !f.beats:
		l.polls++
	case a.err == nil && a.status == http.StatusServiceUnavailable && a.problem(t).Reason == wire.Name(wire.Saturated.Reason()):
		l.refusals++
		l.slots[a.retryAfter(t)]++
	default:
		l.strange = append(l.strange, a.String())
	}
}

// steps is how many inputs of a kind the loop has stepped.
func (h *harness) steps(kind inputKind) int {
	h.t.Helper()
	var m dto.Metric
	if err := h.server.metrics.stepSeconds[kind].(prometheus.Metric).Write(&m); err != nil {
		h.t.Fatal(err)
	}
	return int(m.GetHistogram().GetSampleCount())
}

// A thousand hosts would need a thousand handshakes, which is what would be
// measured then. So some hosts ask often; each is still one caller of the gate.
func TestAFloodIsAnsweredExactlyOnce(t *testing.T) { // PROTOCOL G1, G3, G4, G5
	const (
		capacity, reserve = 8, 2
		hosts, each       = 125, 40 // 5,000 requests
	)
	h := start(t, func(c *Config) { c.InboxCapacity, c.CheckInvariants = capacity, true })
	flood := make([]*flooder, hosts)
	for i := range flood {
		name := fmt.Sprint("h", i)
		flood[i] = &flooder{name, h.agent(name), i%2 == 0}
		flood[i].client.do(http.MethodGet, "/", "").want(t, wire.NotFound) // connects
	}
	tally := floodTally{slots: make(map[int]int)}

	// At first nothing moves: everybody but those who fit in is refused.
	rule := h.wedge()
	first := make([]<-chan answer, hosts)
	for i, f := range flood {
		first[i] = f.begin()
	}
	h.inside(capacity)
	h.eventually("the others are refused", func() bool {
		return h.server.admission.look().stats.RefusedWith(wire.Saturated) == hosts-capacity
	})
	// Then the reducer is slow, and everybody goes on asking.
	h.faults.Install(Fault{Kind: Drop, Match: func(plane.Input) bool {
		time.Sleep(100 * time.Microsecond) // the slowness itself, nothing waits for it
		return false
	}})
	rule.Lift()
	admittedBeats := 0
	for i, f := range flood {
		a := <-first[i]
		tally.count(t, f, a)
		if a.status == http.StatusOK {
			admittedBeats++
		}
	}
	if admittedBeats < reserve {
		t.Errorf("%d heartbeats were admitted to the full inbox, want at least the %d of the reserve", admittedBeats, reserve)
	}
	if tally.beats+tally.polls != capacity {
		t.Errorf("%d heartbeats and %d polls were inside, want %d together", tally.beats, tally.polls, capacity)
	}
	// Nothing had finished, so the slots were a second apart.
	for slot := 1; slot <= 60; slot++ {
		want := (hosts - capacity) / 60
		if got := tally.slots[slot]; got < want || got > want+1 {
			t.Errorf("%d hosts were sent away for %d s, want %d or %d", got, slot, want, want+1)
		}
	}

	var wg sync.WaitGroup
	for _, f := range flood {
		wg.Go(func() {
			for range each - 1 {
				tally.count(t, f, f.request())
			}
		})
	}
	wg.Wait()
	h.inside(0)

	for _, s := range tally.strange {
		t.Errorf("a strange answer: %s", s)
	}
	if got := tally.beats + tally.polls + tally.refusals; got != hosts*each {
		t.Errorf("%d requests were answered, want %d", got, hosts*each)
	}
	stats := h.server.admission.look().stats
	// The clock stands still, so of each host that polls ten are admitted (D3).
	if want := (hosts / 2) * driver.PollBurst; tally.polls > want || h.server.admission.look().paced == 0 {
		t.Errorf("%d polls were admitted and %d refused for their pace; want at most %d and some", tally.polls, h.server.admission.look().paced, want)
	}
	if stats.Offered+stats.RefusedOutside != hosts*each || int(stats.Delivered) != tally.beats+tally.polls || int(stats.RefusedWith(wire.Saturated)) != tally.refusals {
		t.Errorf("the gate counts %+v\nthe hosts count %d heartbeats, %d polls, %d refusals", stats, tally.beats, tally.polls, tally.refusals)
	}
	if stats.LateReplies != 0 || stats.RefusedByCap != 0 {
		t.Errorf("%d late replies and %d refused by the cap, want none", stats.LateReplies, stats.RefusedByCap)
	}
	// A step is counted after its reply has gone out.
	h.eventually("every step is counted", func() bool {
		return h.steps(kindHeartbeat)+h.steps(kindPoll) >= tally.beats+tally.polls
	})
	if beats, polls := h.steps(kindHeartbeat), h.steps(kindPoll); beats != tally.beats || polls != tally.polls {
		t.Errorf("the plane stepped %d heartbeats and %d polls, the hosts know of %d and %d", beats, polls, tally.beats, tally.polls)
	}
	for slot := range tally.slots {
		if slot < 1 || slot > 60 {
			t.Errorf("a host was sent away for %d s", slot)
		}
	}
	h.agent("after").heartbeat("after").want(t, wire.OK)
}
