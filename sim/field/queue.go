package field

import (
	"cmp"
	"slices"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Disk is what an agent keeps over a restart: the queue of its events, in the order of
// their files' names.
type Disk struct{ Queue []wire.EventEnvelope }

// key names a file of the queue.
type key struct {
	seq     wire.Seq
	rollout wire.RolloutID
	kind    wire.EventKind
}

func keyOf(e *wire.EventEnvelope) key { return key{e.Event.Seq, e.RolloutID, e.Event.Body.Kind()} }

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.seq, other.seq), cmp.Compare(k.rollout, other.rollout), cmp.Compare(k.kind, other.kind))
}

func (d *Disk) find(k key) (int, bool) {
	return slices.BinarySearchFunc(d.Queue, k, func(e wire.EventEnvelope, k key) int { return keyOf(&e).compare(k) })
}

// enqueue writes an event to the disk and wakes the sender.
func (a *Agent) enqueue(id wire.RolloutID, seq wire.Seq, body wire.EventBody) {
	e := wire.EventEnvelope{Hostname: a.cfg.Hostname, RolloutID: id, Event: wire.Event{Seq: seq, Body: body}}
	at, there := a.disk.find(keyOf(&e))
	if there {
		a.disk.Queue[at] = e
	} else {
		a.disk.Queue = slices.Insert(a.disk.Queue, at, e)
	}
	a.again = true
}

// beginPass reads the queue: of two events with one number the later name is sent in
// this pass, the other one in a later pass.
func (a *Agent) beginPass(out *agent.Output) {
	a.again, a.queueAt = false, a.last.Mono+queueEvery
	a.pass = a.pass[:0]
	for i := range a.disk.Queue {
		k := keyOf(&a.disk.Queue[i])
		if last := len(a.pass) - 1; last >= 0 && a.pass[last].seq == k.seq {
			a.pass[last] = k
		} else {
			a.pass = append(a.pass, k)
		}
	}
	a.sendFirst(out)
}

// sendFirst sends the first event of the pass that is still there.
func (a *Agent) sendFirst(out *agent.Output) {
	for len(a.pass) > 0 {
		if at, there := a.disk.find(a.pass[0]); there {
			a.sending = a.id()
			out.Requests = append(out.Requests, agent.Request{ID: a.sending, Kind: agent.RequestEvent, Timeout: requestTimeout, Event: a.disk.Queue[at]})
			return
		}
		a.pass = a.pass[1:]
	}
}

// eventAnswered deletes the event and goes on after a 2xx, and stops the pass after
// everything else.
func (a *Agent) eventAnswered(in *agent.EventAnswered, out *agent.Output) {
	if in.ID != a.sending {
		return
	}
	a.sending = 0
	if in.Status < 200 || in.Status > 299 {
		a.pass = a.pass[:0]
		return
	}
	if at, there := a.disk.find(a.pass[0]); there {
		a.disk.Queue = slices.Delete(a.disk.Queue, at, at+1)
	}
	a.pass = a.pass[1:]
	a.sendFirst(out)
}
