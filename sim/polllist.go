package sim

import (
	"cmp"
	"slices"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// pollList is the polls that wait for work (PROTOCOL D1): the server's list of
// them, with virtual time in place of goroutines. A host has one poll on it; a
// newer one takes its place, which answers the older 204 (D3). A woken poll
// asks when it has a turn; turns are given in the order of waking, so that a
// herd of polls does not fill the inbox.
type pollList struct {
	polls  []*message // by host
	turns  int        // that nobody has
	line   []*message // woken, waiting for a turn
	giving bool
}

// enter puts a poll on the list. One that does not wait stays off it.
func (p *planeNode) enter(w *World, m *message) {
	m.pollUntil = w.now + m.wait
	if m.wait == 0 {
		return
	}
	host := m.polledFor()
	older := p.polls[host]
	p.polls[host] = m
	if older != nil {
		older.replaced = true
		if older.waits {
			older.outcome = wire.Outcome{Code: wire.NoContent}
			p.answer(w, older)
		}
	}
	w.pushMessage(duePollTimeout, planeNodeID, m.pollUntil, p.epoch, m)
}

// leave takes a poll off the list, and out of the line.
func (p *planeNode) leave(m *message) {
	if host := m.polledFor(); p.polls[host] == m {
		p.polls[host] = nil
	}
	if m.waits && m.woken {
		p.line = slices.DeleteFunc(p.line, func(other *message) bool { return other == m })
	}
	m.waits = false
}

// park lets a poll that found no work wait, if it may.
func (p *planeNode) park(w *World, m *message) {
	p.endTurn(w, m)
	switch {
	case m.wait > 0 && p.gate.State() == gate.Closed:
		p.refusePoll(w, m)
	case m.replaced || w.now >= m.pollUntil:
		m.outcome = wire.Outcome{Code: wire.NoContent}
		p.answer(w, m)
	default:
		m.waits = true
		if m.woken {
			p.line = append(p.line, m)
			p.giveTurns(w)
		}
	}
}

// refusePoll answers a poll that may wait no more, since the plane shuts down.
func (p *planeNode) refusePoll(w *World, m *message) {
	refusal := p.gate.Refuse(w.now, m.caller(), wire.Closed)
	w.effect(scenario.EffectClosed)
	m.outcome = wire.Unavailable(refusal.Code, refusal.RetryAfter)
	w.emitMessage(EventPollRefused, m)
	p.answer(w, m)
}

// pollTimeout answers a poll that has waited long enough. One that is asking
// just then finds out by itself.
func (p *planeNode) pollTimeout(w *World, m *message) {
	if p.suspended {
		p.postponeMessage(w, duePollTimeout, planeNodeID, p.epoch, m)
		return
	}
	if m.answered || !m.waits {
		return
	}
	m.outcome = wire.Outcome{Code: wire.NoContent}
	p.answer(w, m)
}

// wake tells a host's poll that there may be work.
func (p *planeNode) wake(w *World, host int) {
	m := p.polls[host]
	if m == nil || m.woken {
		return
	}
	m.woken = true
	if m.waits {
		p.line = append(p.line, m)
		p.giveTurns(w)
	}
}

// wakeAll tells every poll, in the order of the hosts' names.
func (p *planeNode) wakeAll(w *World) {
	var waiting []*message
	for _, m := range p.polls {
		if m != nil {
			waiting = append(waiting, m)
		}
	}
	slices.SortFunc(waiting, func(a, b *message) int { return cmp.Compare(a.poll.Hostname, b.poll.Hostname) })
	for _, m := range waiting {
		host := m.polledFor()
		if p.polls[host] == m {
			p.wake(w, host)
		}
	}
}

// giveTurns lets those ask who are first in line, as far as there are turns.
func (p *planeNode) giveTurns(w *World) {
	if p.giving {
		return // the one who gives them comes to this one, too
	}
	p.giving = true
	for p.turns > 0 && len(p.line) > 0 {
		m := p.line[0]
		p.line = slices.Delete(p.line, 0, 1)
		p.turns--
		m.waits, m.woken, m.turn = false, false, true
		w.effect(scenario.EffectPollWoken)
		if p.isRevoked(m) { // since it came
			m.outcome = wire.Refuse(wire.CertificateRevoked, "", "")
			p.answer(w, m)
			continue
		}
		p.offer(w, m)
	}
	p.giving = false
}

// endTurn passes on the turn of a poll that has asked.
func (p *planeNode) endTurn(w *World, m *message) {
	if m.turn {
		m.turn = false
		p.turns++
		p.giveTurns(w)
	}
}

// closePolls answers every poll that waits when the plane shuts down.
func (p *planeNode) closePolls(w *World) {
	for _, m := range p.polls {
		if m != nil && m.waits {
			p.refusePoll(w, m)
		}
	}
}

// postpone keeps an event until the plane's machine goes on.
func (p *planeNode) postpone(e timer) { p.postponed = append(p.postponed, e) }

// postponeMessage keeps an event about a message, which it holds.
func (p *planeNode) postponeMessage(w *World, kind timerKind, node int32, epoch uint32, m *message) {
	w.pool.hold(m)
	p.postpone(timer{kind: kind, node: node, epoch: epoch, arg: uint64(m.slot)})
}

// catchUp lets happen what was postponed. Polls whose time is over are answered
// before the loop goes on.
func (p *planeNode) catchUp(w *World) {
	late := p.postponed
	p.postponed = nil
	for _, e := range late {
		if e.kind == duePollTimeout {
			if m := w.message(&e); e.epoch == p.epoch {
				p.pollTimeout(w, m)
			}
			w.pool.release(w.message(&e))
			continue
		}
		e.at = w.now
		w.queue.push(e)
	}
}
