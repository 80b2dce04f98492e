package sim

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// ledger is what an onlooker of the plane writes down: a copy of every record
// as it was seen last, and what was decided about rollouts (see [decisions]).
// Several checkers judge by it: S3, S4, S8, S9, S10, S13 and S14.
//
// Of every input that is about a host the ledger reads the records of that
// host before and after the step. It reads no others, since that would take a
// look at the whole fleet at every step: what an input does to another host's
// record comes to light at that host's next input.
type ledger struct {
	// hosts are the copies by number of the host, each list in the order of
	// rollout IDs.
	hosts [][]*recordCopy
	names []wire.Hostname

	live, durable decisions
	undurable     []decision // what live has and durable has not

	// host is the number of the host that the input is about; 0 if it is about
	// none. now are the copies of its records.
	host int
	now  []*recordCopy

	// affected are the rollouts that the input did something to, released the
	// waves of which dispatches may be offered since.
	affected []*openedRollout
	released []releasedWave
}

// releasedWave is a wave of a rollout, or all of them if wave is negative.
type releasedWave struct {
	of   *openedRollout
	wave int
}

// recordCopy is a record as the plane had it when it was looked at.
type recordCopy struct {
	of     *openedRollout
	host   int
	wave   int
	target wire.Closure // by the manifest
	// before is how it was before the input that the tap is about, last how it
	// was when it was looked at last.
	before, last rollout.Record
	// there is false when the plane said that it has no such record.
	there bool
	// disturbed says that it was changed since its host's last input.
	disturbed bool
	// dispatchJudged is S14's: its dispatch was judged. wokenAt is S13's: the
	// step at which its host was woken.
	dispatchJudged bool
	wokenAt        uint64

	beforeProbes, lastProbes []rollout.Probe
}

func newLedger(w *World) *ledger {
	n := w.scenario.Fleet.Hosts
	l := &ledger{hosts: make([][]*recordCopy, n+1), names: make([]wire.Hostname, n+1), live: newDecisions(), durable: newDecisions()}
	for i := 1; i <= n; i++ {
		l.names[i] = HostName(i)
	}
	return l
}

// number returns the number of a host by its name; 0 if the fleet has no such
// host.
func (l *ledger) number(name wire.Hostname) int {
	n := 0
	for i := 1; i < len(name); i++ {
		if n = 10*n + int(name[i]-'0'); n >= len(l.names) {
			return 0
		}
	}
	if l.names[n] != name {
		return 0
	}
	return n
}

// copyOf returns the copy of a host's record; nil if there is none.
func (l *ledger) copyOf(host int, id wire.RolloutID) *recordCopy {
	for _, c := range l.hosts[host] {
		if c.of.id == id {
			return c
		}
	}
	return nil
}

// aboutHost is the name of the host that an input is about; empty if it is
// about none.
func aboutHost(in plane.Input) wire.Hostname {
	switch in := in.(type) {
	case *plane.Heartbeat:
		return in.Request.Hostname
	case *plane.Event:
		return in.Envelope.Hostname
	case *plane.Poll:
		return in.Hostname
	default:
		return ""
	}
}

func (l *ledger) stepping(w *World, _ *message, in plane.Input) {
	l.host, l.now = l.number(aboutHost(in)), nil
	l.affected, l.released = l.affected[:0], l.released[:0]
	if l.host == 0 {
		return
	}
	l.now = l.hosts[l.host]
	for _, c := range l.now {
		l.read(w, c, &c.before, &c.beforeProbes)
		c.disturbed = !sameRecord(&c.before, &c.last)
	}
}

func (l *ledger) stepDone(w *World, _ *message, in plane.Input, r *plane.Reply) {
	for _, c := range l.now {
		l.read(w, c, &c.last, &c.lastProbes)
		if c.last.State != c.before.State {
			l.moved(c, c.before.State)
		}
	}
	l.decide(w, in, r)
}

// read copies a record of the plane. The probes are copied too, since the plane
// goes on with its own.
func (l *ledger) read(w *World, c *recordCopy, into *rollout.Record, probes *[]rollout.Probe) {
	*into, c.there = w.plane.plane.Record(c.of.id, l.names[c.host])
	if len(into.Probes) > 0 {
		*probes = append((*probes)[:0], into.Probes...)
		into.Probes = *probes
	}
}

// committed: what was decided in this batch is durable.
func (l *ledger) committed(*World, []plane.Entry) {
	for _, d := range l.undurable {
		d(&l.durable)
	}
	l.undurable = l.undurable[:0]
}

func (l *ledger) planeDown(_ *World, wiped bool) {
	if wiped {
		l.durable = newDecisions()
	}
	l.undurable = l.undurable[:0]
	l.host, l.now = 0, nil
}

// planeStarted: the plane has what was durable, so everything is looked at
// anew.
func (l *ledger) planeStarted(w *World) {
	l.undurable = l.undurable[:0]
	l.host, l.now = 0, nil
	l.live = l.durable.clone()
	for i := range l.hosts {
		l.hosts[i] = nil
	}
	for _, o := range l.live.opened {
		l.install(o)
		for _, c := range o.records {
			l.read(w, c, &c.last, &c.lastProbes)
		}
		o.recount(&l.live)
	}
}

// install makes the records of a rollout known to their hosts.
func (l *ledger) install(o *openedRollout) {
	for _, c := range o.records {
		list := l.hosts[c.host]
		at := 0
		for at < len(list) && list[at].of.id < o.id {
			at++
		}
		l.hosts[c.host] = slices.Insert(list, at, c)
	}
}

// sameRecord reports whether two copies are alike.
func sameRecord(a, b *rollout.Record) bool {
	return a.State == b.State && a.LastEventSeq == b.LastEventSeq && a.Marks == b.Marks &&
		a.DispatchedAt == b.DispatchedAt && a.SoakDueAt == b.SoakDueAt &&
		a.DispatchAckedAt == b.DispatchAckedAt && a.ActivationStartedAt == b.ActivationStartedAt &&
		a.ActivationCompletedAt == b.ActivationCompletedAt && a.EndedAt == b.EndedAt &&
		a.CurrentClosure == b.CurrentClosure && a.CurrentClosureAtDispatch == b.CurrentClosureAtDispatch &&
		a.TargetClosure == b.TargetClosure && a.Wave == b.Wave && a.SoakSeconds == b.SoakSeconds &&
		slices.Equal(a.Probes, b.Probes)
}

// isActive reports whether a host has something to do by PROTOCOL H3.
func isActive(s wire.State) bool {
	return s == wire.Pending || s == wire.Activating || s == wire.Deferred || s == wire.Soaking
}
