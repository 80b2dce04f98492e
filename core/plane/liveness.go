package plane

import (
	"cmp"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// liveness judges who is reachable (PROTOCOL L).
//
// It runs on a clock of its own: the driver's monotonic clock less all time
// during which the plane was impaired. Crediting a stall to every host (L2) is
// then one addition, however many hosts there are.
type liveness struct {
	// impaired is how much of the driver's clock is credited.
	impaired time.Duration
	// lastTick is the driver's clock at the last tick.
	lastTick time.Duration
	// credited is what was credited since the last tick.
	credited time.Duration
	// quietUntil: before it no host can be due, so none is looked at.
	quietUntil time.Duration
	// suspecting: the plane suspects itself (L3) and judges again at judgeAt.
	suspecting bool
	judgeAt    time.Duration
}

// The limits of PROTOCOL L3.
const (
	suspectAtLeast = 10 // hosts
	suspectOneIn   = 5  // more than 20 % of the known hosts
)

// clock is the liveness clock now.
func (p *Plane) clock() time.Duration { return p.last.Mono - p.liveness.impaired }

// advanceClock takes over the driver's clocks. A gap between two steps in
// which not even a tick came is a stall: the plane was wedged or suspended and
// could hear no host, so the gap is credited (L2).
func (p *Plane) advanceClock(now wire.Instant, out *Output) {
	gap := now.Mono - p.last.Mono
	if gap < 0 {
		now.Mono, gap = p.last.Mono, 0
	}
	p.last = now
	if gap > p.cfg.StallAfter {
		p.credit(gap, out)
	}
}

func (p *Plane) credit(d time.Duration, out *Output) {
	p.liveness.impaired += d
	p.liveness.credited += d
	if p.knownHosts() > 0 {
		out.Notices = append(out.Notices, Notice{Kind: NoticeCredited, Count: int(d / time.Second)})
	}
}

// started gives every host a whole silence from now on (L2): how long the
// plane was down is unknown, and which hosts were heard before is forgotten,
// except that those whose records show it are no longer never seen. A plane that was restored from a snapshot has instants of another process's
// clock, so nothing of the old clock is kept (decision 002).
func (p *Plane) started(now wire.Instant) {
	p.last = now
	p.liveness = liveness{lastTick: now.Mono}
	p.offers, p.discards = offers{}, nil
	p.startRetakes()
	p.forgetBudgets()
	p.forgetSenders()
	p.startReplays()
	p.forgetRelease()
	p.startGiven()
	p.regate(new(Output)) // without the release; the driver wakes every poll
	p.stats.HostsUnreachable, p.stats.HostsNeverSeen = 0, 0
	for i := range p.table.vitals {
		v := &p.table.vitals[i]
		v.heard, v.gone = p.clock(), false
		if v.unseen = v.unseen && !p.table.hosts[i].spoke(); v.unseen && !p.isHidden(i) && !p.isForgotten(p.table.hosts[i].name) {
			p.stats.HostsNeverSeen++
		}
	}
}

// tick credits what the driver says the plane missed, then judges (L1–L3).
func (p *Plane) tick(impaired bool, out *Output) {
	l := &p.liveness
	if missed := p.last.Mono - l.lastTick - l.credited; impaired && missed > 0 {
		p.credit(missed, out)
		for i := range p.table.vitals { // no host may have been heard in the future
			v := &p.table.vitals[i]
			v.heard = min(v.heard, p.clock())
		}
	}
	l.lastTick, l.credited = p.last.Mono, 0
	p.reoffer(out)
	p.offerRestarted(out)
	p.sweepSenders()
	p.judge(out)
}

// judge marks the hosts that were silent for three intervals, unless so many
// are silent that the fault is likely the plane's own.
func (p *Plane) judge(out *Output) {
	l := &p.liveness
	now := p.clock()
	if l.suspecting && now < l.judgeAt || !l.suspecting && now < l.quietUntil {
		return
	}
	interval := p.cfg.HeartbeatInterval
	var due []int32
	var soon, recent, judged int
	first := now
	for i := range p.table.vitals {
		v := &p.table.vitals[i]
		if v.gone || p.isHidden(i) || p.isForgotten(p.table.hosts[i].name) {
			continue
		}
		judged++
		first = min(first, v.heard)
		silent := now - v.heard
		if silent < interval {
			recent++
		}
		if silent >= 2*interval { // due now or within one interval
			soon++
		}
		if silent >= p.cfg.silence() {
			due = append(due, int32(i))
		}
	}
	l.quietUntil = first + p.cfg.silence()
	tooMany := soon >= suspectAtLeast && soon*suspectOneIn > p.knownHosts()
	// A plane that hears most of its fleet is not deaf: what stays silent an
	// interval later is really gone.
	hearsMost := recent*2 > judged
	if len(due) > 0 && tooMany && !(l.suspecting && hearsMost) {
		if !l.suspecting {
			p.stats.Suspicions++
			out.Notices = append(out.Notices, Notice{Kind: NoticeObserverSuspect, Count: soon})
		}
		l.suspecting, l.judgeAt = true, now+interval
		return
	}
	l.suspecting = false
	slices.SortFunc(due, func(a, b int32) int { return cmp.Compare(p.table.hosts[a].name, p.table.hosts[b].name) })
	for _, i := range due {
		p.table.vitals[i].gone = true
		p.stats.HostsUnreachable++
		if p.table.vitals[i].unseen {
			p.stats.HostsNeverSeen--
		}
		out.Notices = append(out.Notices, Notice{Kind: NoticeUnreachable, Hostname: p.table.hosts[i].name})
	}
}
