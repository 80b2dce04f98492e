package gate_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
)

// walk plays drawn calls on a gate and on the model and compares every result.
type walk struct {
	*rapid.T
	gate *gate.Gate[int]
	// twin gets the same calls that change anything, with other payloads, and
	// none of the questions.
	twin     *gate.Gate[int]
	model    *model
	tickets  map[int]gate.Ticket // those that were taken, by number
	requests int
}

// These are the simulator's checkers S5, S6, S7 and S11 for the gate alone.
// PROTOCOL G1 to G7
func TestTheGateDoesWhatTheModelDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWalk(t)
		if rapid.IntRange(0, 9).Draw(t, "start") > 0 {
			w.start(0)
		}
		for range rapid.SampledFrom([]int{5, 30, 200}).Draw(t, "steps") {
			w.step()
			w.compare()
		}
		w.finish()
	})
}

func newWalk(t *rapid.T) *walk {
	capacity := rapid.IntRange(1, 6).Draw(t, "capacity")
	m := &model{
		capacity:       capacity,
		reserve:        rapid.IntRange(0, capacity-1).Draw(t, "reserve"),
		perHost:        rapid.IntRange(1, 4).Draw(t, "per host"),
		replyTimeout:   rapid.SampledFrom([]time.Duration{1, time.Millisecond, 5 * time.Second, 20 * time.Second}).Draw(t, "reply timeout"),
		widestInterval: time.Duration(rapid.IntRange(1, 60).Draw(t, "max retry after")) * time.Second,
		promises:       map[gate.Caller]time.Duration{},
		answers:        map[int]string{},
	}
	cfg := gate.Config{
		Capacity: m.capacity, HeartbeatReserve: m.reserve, PerHost: m.perHost,
		ReplyTimeout: m.replyTimeout, MaxRetryAfter: m.widestInterval,
	}
	if m.reserve == 0 {
		cfg.HeartbeatReserve = -1
	}
	w := &walk{T: t, model: m, tickets: map[int]gate.Ticket{}}
	for _, g := range []**gate.Gate[int]{&w.gate, &w.twin} {
		made, err := gate.New[int](cfg)
		if err != nil {
			t.Fatal(err)
		}
		*g = made
	}
	return w
}

// instant draws when the next call is made: often now, often on either side of
// an instant at which something changes, sometimes before now.
func (w *walk) instant() time.Duration {
	m := w.model
	near := func(at time.Duration) time.Duration {
		at += time.Duration(rapid.IntRange(-1, 1).Draw(w.T, "off by"))
		return max(at, m.now)
	}
	switch rapid.IntRange(0, 11).Draw(w.T, "when") {
	case 0:
		return m.now + 1
	case 1:
		return m.now + time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(w.T, "later"))
	case 2:
		return m.now + time.Duration(rapid.IntRange(1, 30).Draw(w.T, "seconds later"))*time.Second
	case 3, 4:
		if at, ok := m.nextDeadline(); ok {
			return near(at)
		}
	case 5:
		return near(m.wedgedFrom())
	case 6:
		if len(m.promises) > 0 {
			caller := rapid.SampledFrom(slices.Sorted(maps.Keys(m.promises))).Draw(w.T, "promise of")
			return near(m.promises[caller])
		}
	case 7:
		if rapid.IntRange(0, 5).Draw(w.T, "backwards") == 0 {
			return max(0, m.now-time.Duration(rapid.IntRange(1, 10).Draw(w.T, "seconds earlier"))*time.Second)
		}
	}
	return m.now
}

func (w *walk) step() {
	now := w.instant()
	switch rapid.IntRange(0, 19).Draw(w.T, "call") {
	default:
		w.offer(now)
	case 0, 1, 2:
		w.take(now, rapid.IntRange(0, 3).Draw(w.T, "max"))
	case 3, 4, 5:
		if number, ok := w.someTaken(); ok {
			w.settle(now, number)
		}
	case 6:
		if number, ok := w.someTaken(); ok {
			w.skip(now, number)
		}
	case 7:
		if number, ok := w.someTaken(); ok {
			w.drop(now, number)
		}
	case 8, 9:
		w.expire(now)
	case 10:
		w.refuse(now)
	case 11:
		if got, want := w.gate.Impaired(), w.model.impaired(); got != want {
			w.Fatalf("impaired is %t, want %t", got, want)
		}
		w.twin.Impaired()
	case 12:
		switch rapid.IntRange(0, 5).Draw(w.T, "life") {
		case 0:
			w.close(now)
		case 1:
			w.start(now)
		default:
			if w.model.state == gate.Closed {
				w.flush(now)
			}
		}
	}
}

func (w *walk) start(now time.Duration) {
	w.gate.Start(now)
	w.twin.Start(now)
	w.model.at(now)
	if w.model.state == gate.NotStarted {
		w.model.state = gate.Open
		w.model.unheard = false
	}
}

func (w *walk) close(now time.Duration) {
	w.gate.Close(now)
	w.twin.Close(now)
	w.model.at(now)
	w.model.state = gate.Closed
}

func (w *walk) offer(now time.Duration) {
	w.requests++
	caller := w.caller()
	class := rapid.SampledFrom([]gate.Class{gate.Heartbeat, gate.Bulk}).Draw(w.T, "class")
	ticket, refusal := w.gate.Offer(now, caller, class, w.requests)
	w.twin.Offer(now, caller, class, -w.requests)
	wantTicket, wantRefusal := w.model.offer(now, caller, class, w.requests)
	if ticket.String() != wantTicket || refusal != wantRefusal {
		w.Fatalf("at %s: %s of %s: %s %s, want %s %s", now, class, caller, ticket, refusal, wantTicket, wantRefusal)
	}
}

func (w *walk) caller() gate.Caller {
	return gate.Caller(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(w.T, "caller"))
}

func (w *walk) take(now time.Duration, most int) {
	got := w.gate.Take(now, most, nil)
	w.twin.Take(now, most, nil)
	want := w.model.take(now, most)
	if len(got) != len(want) {
		w.Fatalf("at %s: took %v, want %v", now, got, want)
	}
	for i, taken := range got {
		if taken.Ticket.String() != fmt.Sprintf("t%d", want[i].number) || taken.Payload != want[i].request {
			w.Fatalf("at %s: took %v, want %v", now, taken, want[i])
		}
		w.tickets[want[i].number] = taken.Ticket
	}
}

func (w *walk) someTaken() (int, bool) {
	if len(w.tickets) == 0 {
		return 0, false
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(w.tickets))).Draw(w.T, "ticket"), true
}

func (w *walk) settle(now time.Duration, number int) {
	disposal, refusal := w.gate.Settle(now, w.tickets[number])
	w.twin.Settle(now, w.tickets[number])
	w.finished(now, number, false, disposal, refusal)
}

// skip asks whether an input is late, and skips it if so.
func (w *walk) skip(now time.Duration, number int) {
	late := w.gate.Late(now, w.tickets[number])
	w.twin.Late(now, w.tickets[number])
	if want := w.model.late(now, number); late != want {
		w.Fatalf("at %s: t%d is late: %t, want %t", now, number, late, want)
	}
	if !late {
		return
	}
	disposal, refusal := w.gate.Skip(now, w.tickets[number])
	w.twin.Skip(now, w.tickets[number])
	delete(w.tickets, number)
	if wantDisposal, wantRefusal := w.model.skip(now, number); disposal != wantDisposal || refusal != wantRefusal {
		w.Fatalf("at %s: t%d, skipped: %s %s, want %s %s", now, number, disposal, refusal, wantDisposal, wantRefusal)
	}
}

func (w *walk) drop(now time.Duration, number int) {
	disposal, refusal := w.gate.Drop(now, w.tickets[number])
	w.twin.Drop(now, w.tickets[number])
	w.finished(now, number, true, disposal, refusal)
}

func (w *walk) finished(now time.Duration, number int, dropped bool, disposal gate.Disposal, refusal gate.Refusal) {
	delete(w.tickets, number)
	wantDisposal, wantRefusal := w.model.finish(now, number, dropped)
	if disposal != wantDisposal || refusal != wantRefusal {
		w.Fatalf("at %s: t%d, dropped %t: %s %s, want %s %s", now, number, dropped, disposal, refusal, wantDisposal, wantRefusal)
	}
}

func (w *walk) expire(now time.Duration) {
	got := w.gate.Expire(now, nil)
	w.twin.Expire(now, nil)
	w.answered(now, got, w.model.expire(now))
}

func (w *walk) flush(now time.Duration) {
	got := w.gate.Flush(now, nil)
	w.twin.Flush(now, nil)
	w.answered(now, got, w.model.flush(now))
}

func (w *walk) answered(now time.Duration, got []gate.Expired[int], want []expiry) {
	if len(got) != len(want) {
		w.Fatalf("at %s: answered %v, want %v", now, got, want)
	}
	for i, e := range got {
		if e.Ticket.String() != fmt.Sprintf("t%d", want[i].number) || e.Payload != want[i].request || e.Refusal != want[i].refusal {
			w.Fatalf("at %s: answered %v, want %v", now, e, want[i])
		}
	}
}

func (w *walk) refuse(now time.Duration) {
	caller := w.caller()
	code := rapid.SampledFrom(wire.UnavailableCodes[:]).Draw(w.T, "code")
	got := w.gate.Refuse(now, caller, code)
	w.twin.Refuse(now, caller, code)
	if want := w.model.refuseOutside(now, caller, code); got != want {
		w.Fatalf("at %s: %s is refused %s, want %s", now, caller, got, want)
	}
}

// compare asks everything that can be asked.
func (w *walk) compare() {
	m, g := w.model, w.gate
	if got := g.State(); got != m.state {
		w.Fatalf("the state is %s, want %s", got, m.state)
	}
	if got := g.Depth(); got != len(m.inside) {
		w.Fatalf("the depth is %d, want %d", got, len(m.inside))
	}
	if got, want := g.Wedged(m.now), m.wedged(); got != want {
		w.Fatalf("at %s: wedged is %t, want %t", m.now, got, want)
	}
	if got, ok := g.NextDeadline(); true {
		if want, wantOK := m.nextDeadline(); got != want || ok != wantOK {
			w.Fatalf("the next deadline is %s %t, want %s %t", got, ok, want, wantOK)
		}
	}
	if got, ok := g.Oldest(m.now); true {
		if want, wantOK := m.oldest(); got != want || ok != wantOK {
			w.Fatalf("at %s: the oldest is %s %t old, want %s %t", m.now, got, ok, want, wantOK)
		}
	}
	if got := g.Stats(); got != m.stats {
		w.Fatalf("the counters are %s, want %s", got, m.stats)
	}
	if err := g.Check(); err != nil {
		w.Fatal(err)
	}
	if !strings.Contains(g.String(), " at="+m.now.String()+" ") {
		w.Fatalf("the gate is %s, want it at %s", g, m.now)
	}
	if g.String() != w.twin.String() || !bytes.Equal(g.AppendState(nil), w.twin.AppendState(nil)) {
		w.Fatalf("the gate is %s, and its twin %s", g, w.twin)
	}
}

// finish lets everything end and looks at the ledger.
func (w *walk) finish() {
	m := w.model
	w.close(m.now)
	if deadline, ok := m.nextDeadline(); ok {
		w.expire(max(m.now, deadline))
	}
	w.flush(m.now)
	for _, number := range slices.Sorted(maps.Keys(w.tickets)) {
		w.settle(m.now, number)
	}
	w.compare()
	if w.gate.Depth() != 0 {
		w.Fatalf("%d inputs are left", w.gate.Depth())
	}
	for request := 1; request <= w.requests; request++ {
		if m.answers[request] == "" {
			w.Fatalf("request %d was never answered", request)
		}
	}
}
