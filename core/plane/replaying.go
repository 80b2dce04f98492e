package plane

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// replays are the replays under way: of all that the plane would ask for, at
// most [Config.MaxReplays] at a time (PROTOCOL H9, decision 038). It keeps
// something of these alone, and of each host one byte among its vitals. None of
// it is durable: a plane that starts knows of no replay.
type replays struct {
	underWay []replaying // in the order of asking
	// crowded: a round has begun, since a host was put off that had no turn in
	// one. It ends when that has not happened for two intervals.
	crowded bool
	round   uint8         // the number of the last round; 0 for none
	putOff  time.Duration // when it happened last, on the driver's clock
}

// replaying is a replay that a host was asked for.
type replaying struct {
	ref recordRef
	// closure is what the heartbeat said that the host runs; it is empty if it
	// said that the host has no outstanding rollout.
	closure wire.Closure
	// at is the heartbeat's own time.
	at wire.Time
	// asked and progress are when the replay was asked for, and when an event
	// last took the record further, on the driver's clock.
	asked, progress time.Duration
	// again: the host had its turn in this round. It makes way for one that had
	// none.
	again bool
}

// behind reports whether the record lacks what the heartbeat told. A host that
// runs what it ran at the dispatch is no news while its record is before the
// end of the activation.
func (r *replaying) behind() bool {
	rec := r.ref.record()
	if r.closure == "" {
		return rec.State.Active()
	}
	return rec.Drifted(r.closure) && !(rec.CurrentClosure == "" && rec.CurrentClosureAtDispatch == r.closure)
}

// The limits of a replay, in heartbeat intervals: without progress, and in all.
func (c Config) replayStall() time.Duration { return c.HeartbeatInterval / 4 }
func (c Config) replayTime() time.Duration  { return c.HeartbeatInterval }

func (p *Plane) replayOverdue(r *replaying) bool {
	now := p.last.Mono
	return now-r.progress >= p.cfg.replayStall() || now-r.asked >= p.cfg.replayTime()
}

// mayReplay reports whether a host may be asked for the replay of a record now,
// since a heartbeat told something that the record lacks: it is under way
// already, or there is room. Otherwise a later heartbeat of the host asks.
func (p *Plane) mayReplay(host int, ref recordRef, req *wire.HeartbeatRequest, out *Output) bool {
	r, v := &p.replays, &p.table.vitals[host]
	r.underWay = slices.DeleteFunc(r.underWay, func(x replaying) bool { return p.replayOverdue(&x) })
	if slices.ContainsFunc(r.underWay, func(x replaying) bool { return x.ref == ref }) {
		return true
	}
	r.crowded = r.crowded && p.last.Mono-r.putOff <= 2*p.cfg.HeartbeatInterval
	had := r.crowded && v.replayRound == r.round
	if len(r.underWay) >= p.cfg.MaxReplays {
		again := slices.IndexFunc(r.underWay, func(x replaying) bool { return x.again })
		if had || again < 0 {
			if !had {
				r.refuse(p.last.Mono)
			}
			p.stats.ReplaysPutOff++
			out.Notices = append(out.Notices, Notice{Kind: NoticeReplayPutOff, Hostname: p.table.hosts[host].name, RolloutID: ref.rollout.id})
			return false
		}
		r.underWay = slices.Delete(r.underWay, again, again+1)
	}
	next := replaying{ref: ref, at: req.At, asked: p.last.Mono, progress: p.last.Mono, again: had}
	if req.RolloutID != "" {
		next.closure = req.CurrentClosure
	}
	r.underWay = append(r.underWay, next)
	if r.crowded {
		v.replayRound = r.round
	}
	return true
}

// refuse notes that a host was put off that had no turn in this round. Numbers of
// rounds come again: a host whose turn was 255 rounds ago waits for the next.
func (r *replays) refuse(now time.Duration) {
	if !r.crowded {
		r.crowded = true
		if r.round++; r.round == 0 {
			r.round = 1
		}
	}
	r.putOff = now
}

// replayArrived notes that the plane has taken an event, or has it already.
// Events come in order (PROTOCOL A2), so one that is later than the heartbeat
// that told what the record lacks says that everything before it has come.
func (p *Plane) replayArrived(ref recordRef, event wire.Event, from wire.Seq) {
	r := &p.replays
	at := slices.IndexFunc(r.underWay, func(x replaying) bool { return x.ref == ref })
	if at < 0 {
		return
	}
	switch x := &r.underWay[at]; {
	case p.replayOverdue(x), x.at.Before(event.Body.At()), !x.behind():
		r.underWay = slices.Delete(r.underWay, at, at+1)
	case ref.record().LastEventSeq > from:
		x.progress = p.last.Mono
	}
}

// forgetReplays takes away the replays of a rollout.
func (p *Plane) forgetReplays(of *rolloutState) {
	p.replays.underWay = slices.DeleteFunc(p.replays.underWay, func(x replaying) bool { return x.ref.rollout == of })
}

// startReplays begins with none under way.
func (p *Plane) startReplays() {
	p.replays = replays{}
	for i := range p.table.vitals {
		p.table.vitals[i].replayRound = 0
	}
}

// checkReplays verifies P10.
func (p *Plane) checkReplays() error {
	list := p.replays.underWay
	if len(list) > p.cfg.MaxReplays {
		return fmt.Errorf("P10: %d replays under way, at most %d may be", len(list), p.cfg.MaxReplays)
	}
	for i := range list {
		x := &list[i]
		if x.asked > x.progress || x.progress > p.last.Mono {
			return fmt.Errorf("P10: a replay of %s was asked for at %v and made progress at %v; it is %v", x.ref.record().Hostname, x.asked, x.progress, p.last.Mono)
		}
		if slices.ContainsFunc(list[:i], func(y replaying) bool { return x.ref == y.ref }) {
			return fmt.Errorf("P10: the replay of %s in %s is under way twice", x.ref.record().Hostname, x.ref.rollout.id)
		}
	}
	return nil
}
