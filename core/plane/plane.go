package plane

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Plane is the control plane's reducer: the one owner of all state. Its only
// mutator is [Plane.Step]. It is not safe for use by two goroutines.
//
// Invariants, verified by [Plane.Check]:
//
//	P1 every record satisfies the invariants of its own package
//	P2 a host's records are the records of that host, ordered by rollout ID,
//	   and every record of a rollout is known to its host
//	P3 of the rollouts of a channel that are not superseded either there is one,
//	   which has the channel, or all are held
//	P4 the counts (records by state, hosts by reachability, a host's active
//	   records, hosts of a wave that hold back the next) are what counting gives
//	P5 a record is dispatched only in a wave that is dispatched
//	P6 no host was heard in the future
//	P7 a rollout that has its channel and is not halted has dispatched its first
//	   wave, and none has dispatched more waves than it has
//	P8 a rollout is halted exactly if a failed host that is not excused is
//	   named as the cause
//	P9 a rollout that is retired is not among those that are known
//	P10 no record has used more than its event budget
//	P11 no more replays are under way than may be, none twice
//	P12 a rollout that is backed is one of the release that is held
//	P13 what the gates and operators hold back is what judging them anew gives, and only what is
//	   Pending and dispatched was offered
//	P14 the chain of acts has a hash exactly if it has an act, and no input is an
//	   operator's between two steps
type Plane struct {
	cfg  Config
	last wire.Instant

	table hostTable
	order hostOrder

	rollouts []*rolloutState // in the order of opening
	byID     map[wire.RolloutID]*rolloutState
	inForce  map[wire.Channel]*rolloutState

	quarantine  map[quarantineKey]wire.QuarantineEntry
	revocations map[wire.CommonName]wire.Time
	retired     map[wire.RolloutID]retiredLine
	enrolments  map[wire.Name]enrolmentLine
	holds       map[holdKey]wire.Mark        // what operators have said of hosts (O5, O6)
	forgotten   int                          // hosts that are (O6)
	toReplay    map[recordRef]struct{}       // see RequestReplays
	release     []wire.RolloutID             // of the release that is held, by ID
	freshUntil  map[wire.RolloutID]wire.Time // of those of them that do not stay fresh
	offers      offers
	senders     senders
	replays     replays
	retakes     retakes
	restarted   retakes // offers that are held back
	unheard     retakes // those whose agent's poll asks, and sent no heartbeat since
	elsewhere   retakes // Activating records that keep a closure from confirming others
	given       retakes // when the offers of rollouts with gates were made last
	gated       int     // rollouts with gates
	stirred     bool    // what gates are judged by has changed in this step
	discards    discards

	opening *opening // a rollout that is opened in slices; nil if there is none
	hidden  int      // hosts that only it knows of, or one before it that came to nothing

	logged   wire.Seq     // number of the last entry
	acts     wire.ActHead // the end of the chain of operators' acts
	by       wire.Actor   // of the input that is being stepped; unset between two steps
	readOnly bool         // nothing can be made durable (G9)
	scarce   bool         // little disk is free (G11)
	walking  bool         // the input is an entry's, which was taken
	liveness liveness
	stats    Stats
	scratch  []byte // of costOf
}

// New returns a plane that knows nothing.
func New(cfg Config) (*Plane, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("plane: %w", err)
	}
	return &Plane{
		cfg:         cfg,
		byID:        make(map[wire.RolloutID]*rolloutState),
		inForce:     make(map[wire.Channel]*rolloutState),
		quarantine:  make(map[quarantineKey]wire.QuarantineEntry),
		revocations: make(map[wire.CommonName]wire.Time),
		retired:     make(map[wire.RolloutID]retiredLine),
		enrolments:  make(map[wire.Name]enrolmentLine),
		holds:       make(map[holdKey]wire.Mark),
	}, nil
}

// Config returns the plane's configuration with its defaults filled in.
func (p *Plane) Config() Config { return p.cfg }

// Step takes one input at now and appends to out what it asks of the world. It
// cannot fail: a refusal is a reply. now.Mono must not be earlier than at the
// step before; an earlier one is taken as that one. [Started] begins a clock of
// its own, which may be anywhere.
func (p *Plane) Step(now wire.Instant, in Input, out *Output) {
	if _, starts := in.(*Started); starts {
		p.started(now)
		return
	}
	p.advanceClock(now, out)
	logged, silent, replies := p.logged, p.logsNothing(), len(out.Replies)
	p.take(in, out)
	changed := p.logged != logged
	regates := p.gated > 0 && p.mayRegate(in, changed)
	if regates {
		p.regate(out)
	}
	if changed {
		p.resteer(out)
	}
	if regates || changed {
		p.showGates(out.Replies[replies:])
	}
	if p.gated > 0 && silent && !p.logsNothing() {
		p.wakeGated(out)
	}
}

// take carries out one input.
func (p *Plane) take(in Input, out *Output) {
	switch in := in.(type) {
	case *Heartbeat:
		p.heartbeat(in, out)
	case *Event:
		p.event(in, out)
	case *Discarded:
		p.discard(in, out)
	case *Poll:
		p.poll(in, out)
	case *OpenRollout:
		p.open(in, in, out)
	case *FileManifest:
		p.openFile(in, out)
	case *Release:
		p.takeUpRelease(in, out)
	case *ContinueOpening:
		p.continueOpening(in, out)
	case *ResumeRollout:
		p.resume(in.RolloutID, out)
	case *Steer:
		p.steer(in, out)
	case *ChooseRollout:
		p.choose(in.RolloutID, out)
	case *ClearQuarantine:
		p.clearQuarantine(in.Channel, in.Closure, out)
	case *Revoke:
		p.revoke(in, out)
	case *Certify:
		p.certify(in, out)
	case *Confirm:
		p.confirmLogged(in, out)
	case *Offer:
		p.offerLogged(in, out)
	case *QueryHost:
		p.queryHost(in.Hostname, out)
	case *QueryHosts:
		p.queryHosts(in, out)
	case *QueryRollout:
		p.queryRollout(in, out)
	case *QueryRollouts:
		p.queryRollouts(in, out)
	case *PlanRollout:
		p.planOpening(in, out)
	case *QueryHostWhy:
		p.queryHostWhy(in, out)
	case *QueryRolloutWhy:
		p.queryRolloutWhy(in, out)
	case *QueryStatus:
		p.queryStatus(out)
	case *QueryOverview:
		p.queryOverview(in, out)
	case *QueryQuarantine:
		p.queryQuarantine(out)
	case *QueryRevocations:
		p.queryRevocations(out)
	case *Tick:
		p.tick(in.Impaired, out)
	case *Requested:
		p.requested(in, out)
	case *Storage:
		p.readOnly, p.scarce = in.Unavailable, in.Scarce
	default:
		panic(fmt.Sprintf("plane: unknown input %T", in))
	}
}

// Apply walks one entry of a log: the plane takes the entry's input at the
// entry's instant. Only durable state follows the log; [Started] has to be
// stepped before the plane serves. It returns an error if the entry does not
// follow the last one, or does not do what the log says it did.
func (p *Plane) Apply(e Entry) error {
	var out Output
	return p.Walk(e, &out)
}

// Walk is Apply for a caller that wants to see what the entry does: it empties out and
// puts it there.
func (p *Plane) Walk(e Entry, out *Output) error {
	out.Reset()
	if e.Number != p.logged+1 {
		return fmt.Errorf("log entry %d follows entry %d; want entry %d", e.Number, p.logged, p.logged+1)
	}
	in := e.Input
	if e.Act != nil {
		in = &Requested{By: e.Act.By, Input: in}
	}
	p.walking = true
	p.Step(wire.Instant{Mono: p.last.Mono, Wall: e.At}, in, out)
	p.walking = false
	if p.logged != e.Number || len(out.Entries) != 1 {
		return fmt.Errorf("log entry %d (%v) changes nothing in the state before it", e.Number, e.Input)
	}
	got := &out.Entries[0]
	if got.Outcome != e.Outcome || got.Kind != e.Kind {
		return fmt.Errorf("log entry %d (%v) says %s %s, but gives %s %s", e.Number, e.Input, e.Kind, e.Outcome, got.Kind, got.Outcome)
	}
	if e.Act != nil && *got.Act != *e.Act {
		return fmt.Errorf("log entry %d (%v) is act %d after one of hash %s, but follows act %d of hash %s",
			e.Number, e.Input, e.Act.Count, wire.OrDash(e.Act.Before), got.Act.Count-1, wire.OrDash(got.Act.Before))
	}
	return nil
}

// Revocations returns the revocation instant of each revoked common name. The
// map is the caller's.
func (p *Plane) Revocations() map[wire.CommonName]wire.Time {
	m := make(map[wire.CommonName]wire.Time, len(p.revocations))
	for name, before := range p.revocations { // order-free: a map into a map
		m[name] = before
	}
	return m
}

// Stats are counts of what the plane knows, and of what it did since it was
// made.
type Stats struct {
	// HostsReachable, HostsUnreachable and HostsNeverSeen count the known hosts
	// (PROTOCOL L).
	HostsReachable, HostsUnreachable, HostsNeverSeen int
	// DuplicateIdentities counts the hosts that are shown with one (L4).
	DuplicateIdentities int
	// Held counts the rollouts that are held until an operator decides (R6).
	Held int
	// Unbacked counts the rollouts in force with hosts that are not offered them, since
	// no release that is held says the same, or it is no longer fresh (V6, V7).
	Unbacked int
	// Blocked counts the hosts whose dispatch a gate holds back (W).
	Blocked wire.BlockedCounts
	// Records counts records by state; index 0 is unused.
	Records [wire.Reverted + 1]int
	// Logged is the number of the last log entry.
	Logged wire.Seq
	// Acts is the head of the chain of operators' acts (T15).
	Acts wire.ActHead
	// ReplaysAsked counts answers with Replay-From (H2, E6).
	ReplaysAsked uint64
	// ReplaysPutOff counts replays that were not asked for, or snapshots that were
	// left out, since as many as may be were under way (H9).
	ReplaysPutOff uint64
	// ReplaysUnderWay counts the replays under way (H9).
	ReplaysUnderWay int
	// Events counts events by what became of them.
	Duplicates, Applied, Absorbed, Gaps, Rejected uint64
	// Discarded counts events of field agents that could never be applied (E12).
	Discarded uint64
	// OverBudget counts events refused over_budget (G10).
	OverBudget uint64
	// Confirmed counts records confirmed by a heartbeat (H4).
	Confirmed uint64
	// Suspicions counts the times the plane suspected itself (L3).
	Suspicions uint64
}

// Stats returns the plane's counts.
func (p *Plane) Stats() Stats {
	s := p.stats
	s.Logged, s.Acts, s.DuplicateIdentities = p.logged, p.acts, p.senders.reported
	for _, r := range p.rollouts {
		if r.held {
			s.Held++
		}
		for gate, n := range r.blockedCounts {
			s.Blocked[gate] += n
		}
		if r.inForce() && p.unbacked(r) && r.counts[wire.Pending] > 0 {
			s.Unbacked++
		}
	}
	for i := range p.replays.underWay {
		if !p.replayOverdue(&p.replays.underWay[i]) {
			s.ReplaysUnderWay++
		}
	}
	s.HostsReachable = p.knownHosts() - s.HostsUnreachable - s.HostsNeverSeen
	return s
}

// ReadOnly reports whether the plane logs nothing, see [Storage].
func (p *Plane) ReadOnly() bool { return p.readOnly }

// Scarce reports whether the plane refuses events that only observe, see [Storage].
func (p *Plane) Scarce() bool { return p.scarce }

// logsNothing reports whether nothing may be logged: nothing can be made durable
// (PROTOCOL G9), or an opening that was prepared becomes durable (R1).
func (p *Plane) logsNothing() bool {
	return p.readOnly || p.opening != nil && p.opening.sealed
}

// withheld refuses an input that would be logged while nothing may be. It reports
// whether it did.
func (p *Plane) withheld(out *Output) bool {
	if p.logsNothing() {
		reply(out, len(out.Entries), wire.Unavailable(wire.StoreUnavailable, 0))
		return true
	}
	return false
}

// log appends an entry, with its number and instant.
func (p *Plane) log(out *Output, e Entry) {
	p.logged++
	e.Number = p.logged
	e.At = p.last.Wall
	if p.by.IsSet() {
		p.chain(&e, p.sign(&e, &p.by), out)
		out.changedActs()
	}
	out.Entries = append(out.Entries, e)
}

// reply appends a reply that depends on the batch's first needs entries.
func reply(out *Output, needs int, o wire.Outcome) {
	out.Replies = append(out.Replies, Reply{Outcome: o, AfterEntries: needs})
}

// dependsOn returns how many entries of the batch have to be durable before
// anything may be said of the host's records.
func dependsOn(out *Output, h wire.Hostname) int {
	for i := len(out.Entries) - 1; i >= 0; i-- {
		// An entry without a hostname may be about any host.
		if e := &out.Entries[i]; e.Hostname == h || e.Hostname == "" {
			return i + 1
		}
	}
	return 0
}
