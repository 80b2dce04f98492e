package gate_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
)

// model is PROTOCOL G as a list of inputs and nothing clever: every rule is a
// walk over the list. It shares no code with the gate.
type model struct {
	capacity, reserve, perHost   int
	replyTimeout, widestInterval time.Duration

	state      gate.State
	now        time.Duration
	inside     []input
	admitted   int
	unheard    bool
	lastFinish time.Duration
	filledAt   time.Duration

	nextSlot time.Duration
	promises map[gate.Caller]time.Duration
	spells   []spell         // in which the inbox was not empty
	finishes []time.Duration // each as the time that the inbox had been not empty

	stats   gate.Stats
	answers map[int]string // what each request was answered
}

type input struct {
	number, request int
	caller          gate.Caller
	class           gate.Class
	offered         time.Duration
	taken, answered bool
}

type spell struct {
	from, to time.Duration
	over     bool
}

func (m *model) deadline(in input) time.Duration { return in.offered + m.replyTimeout }

func (m *model) at(now time.Duration) {
	if now < m.now {
		m.stats.ClockReversals++
	} else {
		m.now = now
	}
}

func (m *model) count(keep func(input) bool) int {
	n := 0
	for _, in := range m.inside {
		if keep(in) {
			n++
		}
	}
	return n
}

// answer keeps the ledger of S5.
func (m *model) answer(request int, what string) {
	if before, twice := m.answers[request]; twice {
		panic(fmt.Sprintf("the model answers request %d %s after %s", request, what, before))
	}
	m.answers[request] = what
}

func (m *model) offer(now time.Duration, caller gate.Caller, class gate.Class, request int) (string, gate.Refusal) {
	m.at(now)
	m.stats.Offered++
	refuse := func(code wire.Code, unheard bool) (string, gate.Refusal) {
		m.unheard = m.unheard || unheard
		m.answer(request, code.String())
		return "t0", m.refuse(caller, code)
	}
	bulk := m.count(func(in input) bool { return in.class == gate.Bulk })
	switch {
	case m.state == gate.NotStarted:
		return refuse(wire.NotStarted, true)
	case m.state == gate.Closed:
		return refuse(wire.Closed, true)
	case m.count(func(in input) bool { return in.caller == caller })+1 > m.perHost:
		m.stats.RefusedByCap++
		return refuse(wire.Saturated, false)
	case len(m.inside)+1 > m.capacity:
		return refuse(wire.Saturated, true)
	case class == gate.Bulk && bulk+1 > m.capacity-m.reserve:
		m.stats.RefusedByReserve++
		return refuse(wire.Saturated, false)
	}
	m.stats.Admitted++
	m.admitted++
	delete(m.promises, caller)
	if len(m.inside) == 0 {
		m.filledAt = m.now
		m.spells = append(m.spells, spell{from: m.now})
	}
	m.inside = append(m.inside, input{number: m.admitted, request: request, caller: caller, class: class, offered: m.now})
	return fmt.Sprintf("t%d", m.admitted), gate.Refusal{}
}

func (m *model) take(now time.Duration, most int) []input {
	m.at(now)
	var taken []input
	for i := range m.inside {
		if !m.inside[i].taken && len(taken) < most {
			m.inside[i].taken = true
			taken = append(taken, m.inside[i])
			m.stats.Taken++
		}
	}
	return taken
}

func (m *model) finish(now time.Duration, number int, dropped bool) (gate.Disposal, gate.Refusal) {
	m.at(now)
	i := slices.IndexFunc(m.inside, func(in input) bool { return in.number == number })
	in := m.inside[i]
	m.lastFinish = m.now
	m.finishes = append(m.finishes, m.busy())
	m.remove(i)
	late := m.now >= m.deadline(in)
	switch {
	case dropped:
		m.stats.Dropped++
	case late:
		m.stats.Settled++
		m.stats.LateReplies++
	default:
		m.stats.Settled++
	}
	switch {
	case in.answered:
		return gate.Discard, gate.Refusal{}
	case late:
		m.answer(in.request, "timeout")
		return gate.Refuse, m.refuse(in.caller, wire.Timeout)
	case dropped:
		m.answer(in.request, "dropped_reply")
		return gate.Refuse, m.refuse(in.caller, wire.DroppedReply)
	default:
		m.answer(in.request, "delivered")
		m.stats.Delivered++
		return gate.Deliver, gate.Refusal{}
	}
}

// late says whether an input has had its answer, or its deadline has come.
func (m *model) late(now time.Duration, number int) bool {
	m.at(now)
	in := m.inside[slices.IndexFunc(m.inside, func(in input) bool { return in.number == number })]
	return in.answered || m.now >= m.deadline(in)
}

// skip ends an input that is late and was not worked on.
func (m *model) skip(now time.Duration, number int) (gate.Disposal, gate.Refusal) {
	m.at(now)
	i := slices.IndexFunc(m.inside, func(in input) bool { return in.number == number })
	in := m.inside[i]
	m.lastFinish = m.now
	m.remove(i)
	m.stats.Skipped++
	m.unheard = true
	if in.answered {
		return gate.Discard, gate.Refusal{}
	}
	m.answer(in.request, "timeout")
	return gate.Refuse, m.refuse(in.caller, wire.Timeout)
}

func (m *model) remove(i int) {
	m.inside = slices.Delete(m.inside, i, i+1)
	if len(m.inside) == 0 {
		last := &m.spells[len(m.spells)-1]
		last.to, last.over = m.now, true
	}
}

type expiry struct {
	number, request int
	refusal         gate.Refusal
}

func (m *model) expire(now time.Duration) []expiry {
	m.at(now)
	var all []expiry
	for i, in := range m.inside {
		if !in.answered && m.deadline(in) <= m.now {
			m.inside[i].answered = true
			m.answer(in.request, "timeout")
			all = append(all, expiry{in.number, in.request, m.refuse(in.caller, wire.Timeout)})
		}
	}
	return all
}

func (m *model) flush(now time.Duration) []expiry {
	m.at(now)
	var all []expiry
	for i := 0; i < len(m.inside); {
		in := m.inside[i]
		if in.taken {
			i++
			continue
		}
		if !in.answered {
			m.answer(in.request, "closed")
			all = append(all, expiry{in.number, in.request, m.refuse(in.caller, wire.Closed)})
		}
		m.stats.Flushed++
		m.unheard = true
		m.remove(i)
	}
	return all
}

func (m *model) refuseOutside(now time.Duration, caller gate.Caller, code wire.Code) gate.Refusal {
	m.at(now)
	m.stats.RefusedOutside++
	return m.refuse(caller, code)
}

func (m *model) refuse(caller gate.Caller, code wire.Code) gate.Refusal {
	m.stats.Refused[slices.Index(wire.UnavailableCodes[:], code)]++
	slot, promised := m.promises[caller]
	if !promised || slot <= m.now {
		slot = m.nextSlot
		if slot < m.now+time.Second || slot > m.now+m.widestInterval {
			slot = m.now + time.Second
		}
		m.promises[caller] = slot
		m.nextSlot = slot + m.gap()
	}
	seconds := time.Duration(1)
	for m.now+seconds*time.Second < slot {
		seconds++
	}
	return gate.Refusal{Code: code, RetryAfter: seconds * time.Second}
}

// busy is the time that the inbox has been not empty.
func (m *model) busy() time.Duration {
	var sum time.Duration
	for _, s := range m.spells {
		if !s.over {
			s.to = m.now
		}
		sum += s.to - s.from
	}
	return sum
}

// gap is the time per finished input in the running second and the seven before
// it, of the time that the inbox was not empty.
func (m *model) gap() time.Duration {
	busy := m.busy()
	from := max(0, busy.Truncate(time.Second)-7*time.Second)
	finished := 0
	for _, at := range m.finishes {
		if at >= from {
			finished++
		}
	}
	slowest := min(m.widestInterval/time.Duration(m.capacity), time.Second)
	quickest := time.Second / time.Duration(m.capacity)
	if finished == 0 {
		return slowest
	}
	gap := max(busy-from, time.Second) / time.Duration(finished)
	return max(quickest, min(gap, slowest))
}

func (m *model) wedgedFrom() time.Duration { return max(m.lastFinish, m.filledAt) + m.replyTimeout + 1 }

func (m *model) wedged() bool { return len(m.inside) > 0 && m.now >= m.wedgedFrom() }

func (m *model) nextDeadline() (time.Duration, bool) {
	for _, in := range m.inside {
		if !in.answered {
			return m.deadline(in), true
		}
	}
	return 0, false
}

func (m *model) oldest() (time.Duration, bool) {
	if len(m.inside) == 0 {
		return 0, false
	}
	return m.now - m.inside[0].offered, true
}

func (m *model) impaired() bool {
	unheard := m.unheard
	m.unheard = false
	return unheard
}
