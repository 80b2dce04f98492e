package world

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What the network does, with faults and without.

// hearing is an answer that a host hears, or the news that none will come.
type hearing struct {
	node     int32
	at       time.Duration
	answered bool
}

// ears note what the agents hear.
type ears struct{ heard []hearing }

func (e *ears) hostStepped(x *Event) {
	hears := func(status int) {
		e.heard = append(e.heard, hearing{int32(x.Host - 1), x.At, status != 0})
	}
	switch in := x.AgentInput.(type) {
	case *agent.HeartbeatAnswered:
		hears(in.Status)
	case *agent.EventAnswered:
		hears(in.Status)
	case *agent.PollAnswered:
		hears(in.Status)
	}
}

func listen(r *rig) *ears {
	e := &ears{}
	r.w.Subscribe(EventHostStepped, e.hostStepped)
	return e
}

func (e *ears) between(n int, from, to time.Duration) (answered, silent int) {
	for _, h := range e.heard {
		if h.node == int32(n-1) && h.at > from && h.at <= to {
			if h.answered {
				answered++
			} else {
				silent++
			}
		}
	}
	return answered, silent
}

func TestADelayIsDrawnBetweenItsBounds(t *testing.T) {
	r := play(t, "seed 1\nfleet 20 interval=10s\nnetwork delay=50ms..70ms\nactive 5m\n")
	r.finish()
	least, most := time.Hour, time.Duration(0)
	for _, q := range r.requests {
		if q.node < 0 {
			continue
		}
		least, most = min(least, q.arrivedAt-q.sentAt), max(most, q.arrivedAt-q.sentAt)
	}
	if least < 50*time.Millisecond || least > 51*time.Millisecond || most > 70*time.Millisecond || most < 69*time.Millisecond {
		t.Errorf("requests took %v to %v, want 50ms to 70ms", least, most)
	}
}

// PROTOCOL L1
func TestAPartitionOfOneDirectionSilencesThatDirection(t *testing.T) {
	from, to := 2*time.Minute, 4*time.Minute
	for _, c := range []struct {
		dir     string
		arrives bool // requests of h1
		hears   bool // h1 its answers
	}{{"dir=up", false, false}, {"dir=down", true, false}, {"", false, false}} {
		t.Run(c.dir, func(t *testing.T) {
			r := play(t, busyFleet+"at 2m net partition host=h1 for=2m "+c.dir)
			e := listen(r)
			r.until(to)
			arrived := r.count(func(q *noted) bool { return q.node == 0 && q.sentAt > from && q.sentAt < to })
			if (arrived > 0) != c.arrives {
				t.Errorf("%d requests of h1 arrived", arrived)
			}
			// What was on its way at the beginning may come in, up or down.
			answered, silent := e.between(1, from+time.Second, to)
			if (answered > 0) != c.hears || silent == 0 {
				t.Errorf("h1 heard %d answers, and %d times that none comes", answered, silent)
			}
			if answered, _ := e.between(2, from, to); answered == 0 {
				t.Error("h2 heard nothing either")
			}
			// A host that is heard is reachable, whether or not it hears (L1).
			want := wire.Unreachable
			if c.arrives {
				want = wire.Reachable
			}
			if got := r.status(1).Reachability; got != want {
				t.Errorf("h1 is %v, want %v", got, want)
			}
			r.finish()
			if got := r.status(1).Reachability; got != wire.Reachable {
				t.Errorf("in the end h1 is %v", got)
			}
		})
	}
}

// PROTOCOL A6, E9
func TestAMessageThatIsLostIsMissedAtTheClientsTimeout(t *testing.T) {
	r := play(t, "seed 1\nfleet 2 interval=60s\nactive 5m\nat 1m net drop host=h1 for=3m rate=1000")
	e := listen(r)
	r.finish()
	if n := r.count(func(q *noted) bool { return q.node == 0 && q.sentAt > time.Minute && q.sentAt < 4*time.Minute }); n != 0 {
		t.Errorf("%d requests got through", n)
	}
	if answered, silent := e.between(1, time.Minute+time.Second, 4*time.Minute); answered != 0 || silent == 0 {
		t.Errorf("h1 heard %d answers, and %d times that none comes", answered, silent)
	}
	if answered, _ := e.between(2, time.Minute, 4*time.Minute); answered == 0 {
		t.Error("h2 heard nothing either")
	}
}

func TestARateIsOfAThousand(t *testing.T) {
	r := play(t, "seed 1\nfleet 40 interval=10s\nactive 20m\nat 1m net dup for=10m rate=250")
	r.finish()
	sent, twice := 0, 0
	for _, q := range r.requests {
		if q.node < 0 || q.sentAt < time.Minute || q.sentAt >= 11*time.Minute {
			continue
		}
		if q.duplicate {
			twice++
		} else {
			sent++
		}
	}
	if share := float64(twice) / float64(sent); share < 0.2 || share > 0.3 {
		t.Errorf("%d of %d requests came twice, want a quarter", twice, sent)
	}
}

// PROTOCOL E3, H7
func TestADuplicateIsAnsweredAndChangesNothing(t *testing.T) {
	r := play(t, oneHost+"at 1s net dup for=6m rate=1000")
	e := listen(r)
	result := r.finish()
	twins := r.count(func(q *noted) bool { return q.duplicate && q.answered })
	if twins < 20 {
		t.Errorf("only %d duplicates were answered", twins)
	}
	answers, _ := e.between(1, 0, r.w.now)
	if originals := r.count(func(q *noted) bool { return !q.duplicate && q.node == 0 && q.answered }); answers > originals {
		t.Errorf("the host heard %d answers to %d requests", answers, originals)
	}
	if rec := r.record(1); rec.State != wire.Converged || result.Effects[scenario.EffectSwitch] != 1 {
		t.Errorf("the record is %v after %d activations, want it Converged after one", rec.State, result.Effects[scenario.EffectSwitch])
	}
	seqs := make(map[wire.Seq]bool)
	for _, entry := range r.w.plane.log {
		if ev, is := entry.Input.(*plane.Event); is {
			if seq := ev.Envelope.Event.Seq; seqs[seq] {
				t.Errorf("event %d is in the log twice", seq)
			} else {
				seqs[seq] = true
			}
		}
	}
}

// PROTOCOL A6
func TestADelayBeyondTheClientsTimeoutIsNoAnswer(t *testing.T) {
	r := play(t, busyFleet+"at 2m net delay host=h1 for=1m each=6s")
	e := listen(r)
	result := r.finish()
	for _, q := range r.requests {
		if q.node != 0 || q.sentAt < 2*time.Minute || q.sentAt > 3*time.Minute {
			continue
		}
		if took := q.arrivedAt - q.sentAt; took < 6*time.Second {
			t.Errorf("a request took %v, want 6s and more", took)
		}
	}
	// Six there and six back are more than the ten of a heartbeat (A6).
	if answered, silent := e.between(1, 2*time.Minute+15*time.Second, 3*time.Minute); silent == 0 || answered > 2 {
		t.Errorf("h1 heard %d answers, and %d times that none comes", answered, silent)
	}
	if result.Effects[scenario.EffectClientTimeout] == 0 {
		t.Error("no client ran out of patience")
	}
}

// PROTOCOL A2, E3
func TestReorderedMessagesOvertakeOneAnother(t *testing.T) {
	r := play(t, busyFleet+"rollout stable@r1 at=1m target=c1 waves=1m\nat 1m net reorder for=3m each=9s")
	result := r.finish()
	overtaken := uint64(0)
	latest := make(map[int32]uint64)
	for _, q := range r.requests {
		if q.node < 0 {
			continue
		}
		if q.id < latest[q.node] {
			overtaken++
		}
		latest[q.node] = max(latest[q.node], q.id)
	}
	if overtaken == 0 || overtaken != result.Effects[scenario.EffectReordered] {
		t.Errorf("%d requests were overtaken, %d counted; want some, and as many", overtaken, result.Effects[scenario.EffectReordered])
	}
}

// PROTOCOL E9, E3
func TestAResetComesBeforeTheRequestOrAfterItWasApplied(t *testing.T) {
	for _, c := range []struct {
		fault   string
		arrives int // times that the event arrives
	}{{"net reset host=h1 count=1", 1}, {"net reset host=h1 count=1 after=yes", 2}} {
		t.Run(c.fault, func(t *testing.T) {
			quiet := play(t, oneHost)
			quiet.arrival(1, wire.KindDispatchAck)
			sent := quiet.first(wire.KindDispatchAck).sentAt
			r := play(t, oneHost+"at "+(sent-time.Microsecond).String()+" "+c.fault)
			e := listen(r)
			result := r.finish()
			if result.Effects[scenario.EffectReset] != 1 {
				t.Fatalf("%d resets, want one", result.Effects[scenario.EffectReset])
			}
			acks := r.count(func(q *noted) bool { return q.event == wire.KindDispatchAck })
			if acks != c.arrives {
				t.Errorf("the event arrived %d times, want %d", acks, c.arrives)
			}
			ack := r.first(wire.KindDispatchAck)
			if c.arrives == 2 && (ack.sentAt != sent || ack.code != wire.NoContent) {
				t.Errorf("the first was sent at %v and answered %v; want it sent at %v and applied", ack.sentAt, ack.code, sent)
			}
			if _, silent := e.between(1, sent, sent+time.Second); silent != 1 {
				t.Errorf("the host learned %d times at once that no answer comes, want once", silent)
			}
			if rec := r.record(1); rec.State != wire.Converged || result.Effects[scenario.EffectSwitch] != 1 {
				t.Errorf("the record is %v after %d activations", rec.State, result.Effects[scenario.EffectSwitch])
			}
		})
	}
}

// A plane that is down refuses connections, which is heard at once and not at
// the client's timeout.
func TestADownPlaneIsNoticedAtOnce(t *testing.T) {
	r := play(t, busyFleet+"at 2m plane crash for=20s")
	e := listen(r)
	r.until(2 * time.Minute)
	r.until(2*time.Minute + 50*time.Millisecond)
	reset := 0
	for n := 1; n <= 20; n++ {
		if _, silent := e.between(n, 2*time.Minute, 2*time.Minute+50*time.Millisecond); silent > 0 {
			reset++
		}
	}
	if reset < 18 {
		t.Errorf("%d of 20 hosts learned within 50ms that their poll is gone", reset)
	}
	r.finish()
}

// An answer to a process that is gone is nobody's.
func TestAnAnswerToAnEarlierLifeIsNotHeard(t *testing.T) {
	scene := "seed 1\nfleet 1 interval=10s\nnetwork delay=1s..1s\nactive 2m\n"
	quiet := play(t, scene)
	at := quiet.when("a heartbeat arrived", func() bool {
		return quiet.count(func(q *noted) bool { return q.kind == scenario.RouteHeartbeat && q.sentAt > 30*time.Second }) > 0
	})
	r := play(t, scene+"at "+at.String()+" agent crash for=100ms")
	e := listen(r)
	r.until(at + 3*time.Second)
	for _, h := range e.heard {
		if h.at > at && h.at < at+1500*time.Millisecond {
			t.Errorf("the new process heard something at %v, before it could be answered", h.at)
		}
	}
	r.finish()
}
