package page

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// view is what the templates show: texts, bars and links, with nothing left to decide.
type view struct {
	Now time.Time
	// Known says that the plane has answered at least once.
	Known bool
	// Stale says why the figures of the fleet are older than those of the server; empty if
	// they are not. AsOf is when they were true.
	Stale string
	AsOf  wire.Time

	Problems []string

	Hosts, Records   []count
	HostsBar         bar
	RecordsBar       bar
	Total            wire.Count
	HeldBack         []count // by gate
	Inbox            Inbox
	InboxBar         bar
	Refusals         []refusal
	Rollouts         []rolloutView
	MoreRollouts     wire.Count
	Silent           []silentView
	Slow             []slowView
	SearchUnfinished bool
	Quarantine       []wire.QuarantineEntry
	MoreQuarantine   wire.Count
}

// refusal is a reason of a 503, with how often it was given.
type refusal struct {
	Reason        string
	Total, Recent uint64
}

// rolloutView is a rollout with what an operator wants to know of it.
type rolloutView struct {
	ID      wire.RolloutID
	State   string
	Class   string // of its badge
	Bar     bar
	Words   string
	Reasons []string
	Waves   []waveView
}

// waveView is a wave of a rollout, in words and as a bar.
type waveView struct {
	Number     int
	Dispatched bool
	Bar        bar
	Words      string
	Hosts      int
	Soak       wire.Count
}

type silentView struct {
	Name         wire.Hostname
	Reachability string
	For          string
}

type slowView struct {
	Name    wire.Hostname
	Rollout wire.RolloutID
	State   string
	Class   string
	For     string
	Blocked string
}

// view makes what is shown of what is known.
func (k *knowledge) view(now time.Time) *view {
	v := &view{Now: now, Inbox: k.now}
	free := max(k.now.Capacity-k.now.Depth, 0)
	v.InboxBar = barOf(fmt.Sprintf("%d of %d places of the inbox are taken", k.now.Depth, k.now.Capacity),
		[]count{{"taken", "taken", wire.Count(k.now.Depth)}, {"none", "free", wire.Count(free)}})
	for i, r := range k.now.Refused {
		if r.Count > 0 {
			v.Refusals = append(v.Refusals, refusal{r.Reason, r.Count, k.recent(i)})
		}
	}
	v.Problems = append(v.Problems, k.now.Problems...)
	v.Stale = k.staleness()
	if k.overview != nil {
		k.viewFleet(v)
	}
	return v
}

// staleness says why the figures of the fleet are not of now.
func (k *knowledge) staleness() string {
	switch {
	case k.late:
		return "the plane has not answered yet"
	case k.refusal != nil && k.refusal.Code.Unavailable():
		return "the plane refused to answer: " + k.refusal.Code.Reason()
	case k.refusal != nil:
		return "the plane refused to answer: " + k.refusal.Code.String()
	}
	return ""
}

// viewFleet fills in what the plane has answered.
func (k *knowledge) viewFleet(v *view) {
	o := k.overview
	f := &o.Fleet
	v.Known, v.AsOf = true, o.At
	v.Problems = append(v.Problems, problemsOf(o)...)
	v.Hosts = []count{{"reachable", "reachable", f.Reachable}, {"unreachable", "unreachable", f.Unreachable}, {"unseen", "never seen", f.NeverSeen}}
	v.HostsBar = barOf(inWords(v.Hosts), v.Hosts)
	v.Total = f.Reachable + f.Unreachable + f.NeverSeen
	v.Records = stateCounts(&f.Records)
	v.RecordsBar = barOf(inWords(v.Records), v.Records)
	for gate := wire.Gate(1); int(gate) < wire.GateCount; gate++ {
		if n := o.Blocked[gate]; n > 0 {
			v.HeldBack = append(v.HeldBack, count{"", gateWords(gate), n})
		}
	}
	for i := range o.Rollouts {
		v.Rollouts = append(v.Rollouts, viewRollout(&o.Rollouts[i]))
	}
	v.MoreRollouts = o.MoreRollouts
	for _, h := range k.shown.silent {
		v.Silent = append(v.Silent, silentView{h.Hostname, reachabilityWords(h.Reachability), duration(time.Duration(h.Seconds) * time.Second)})
	}
	for _, h := range k.shown.slow {
		s := slowView{Name: h.Hostname, Rollout: h.RolloutID, State: h.State.String(), Class: stateClass(h.State), For: duration(o.At.Std().Sub(h.Since.Std()))}
		if h.Blocked != 0 {
			s.Blocked = "held back by " + gateWords(h.Blocked)
		}
		v.Slow = append(v.Slow, s)
	}
	v.SearchUnfinished = !k.whole
	v.Quarantine, v.MoreQuarantine = o.Quarantine, f.Quarantined-wire.Count(len(o.Quarantine))
}

// problemsOf are the sentences about what an operator may have to do something about.
func problemsOf(o *plane.Overview) (list []string) {
	f := &o.Fleet
	note := func(n wire.Count, one, many string) {
		if n > 0 {
			list = append(list, counted(n, one, many))
		}
	}
	if f.StoreUnavailable {
		list = append(list, "the plane cannot write to its disk: nothing is opened, and events are refused")
	} else if f.DiskScarce {
		list = append(list, "little disk is free: events that only observe are refused")
	}
	note(f.Held, "rollout is held until an operator chooses", "rollouts are held until an operator chooses")
	note(f.Halted, "rollout is halted", "rollouts are halted")
	note(f.Unbacked, "rollout is not backed by the release that is held", "rollouts are not backed by the release that is held")
	note(f.Unreachable, "host is unreachable", "hosts are unreachable")
	note(f.DuplicateIdentities, "host has a duplicate identity", "hosts have a duplicate identity")
	note(f.Quarantined, "closure is quarantined", "closures are quarantined")
	return list
}

func viewRollout(r *plane.RolloutOverview) rolloutView {
	s := &r.Status
	hosts := hostsOf(&s.Counts)
	v := rolloutView{ID: s.RolloutID, State: s.State.String(), Class: badgeClass(s.State), Reasons: reasonsOf(s)}
	v.Words = fmt.Sprintf("%s of %s converged", number(s.Counts.Converged), counted(hosts, "host", "hosts"))
	if waves := len(r.Waves); waves > 1 {
		v.Words += fmt.Sprintf(", wave %d of %d dispatched", s.WavesDispatched, waves)
	}
	counts := stateCounts(&s.Counts)
	v.Bar = waveBar(string(s.RolloutID)+": "+inWords(counts), r.Waves)
	for i := range r.Waves {
		in := stateCounts(&r.Waves[i])
		w := waveView{
			Number: i, Dispatched: i < int(s.WavesDispatched), Words: inWords(in), Hosts: hostsOf(&r.Waves[i]),
			Bar: barOf(fmt.Sprintf("wave %d: %s", i, inWords(in)), in),
		}
		if i < len(s.Policy.Waves) {
			w.Soak = s.Policy.Waves[i].SoakMinutes
		}
		v.Waves = append(v.Waves, w)
	}
	return v
}

// reasonsOf are the sentences about what holds a rollout back.
func reasonsOf(s *wire.RolloutStatus) (list []string) {
	if s.HaltedBy != "" {
		list = append(list, fmt.Sprintf("halted by %s; it goes on when an operator resumes it", s.HaltedBy))
	}
	if !s.Paused.IsUnset() {
		list = append(list, "paused since "+s.Paused.Since.String()+because(s.Paused.Reason))
	}
	if !s.Aborted.IsUnset() {
		list = append(list, "aborted at "+s.Aborted.Since.String()+because(s.Aborted.Reason))
	}
	if s.State == wire.Held {
		list = append(list, "held: nothing says which rollout of the channel is the newest; an operator has to choose")
	}
	if n := s.Counts.Failed; n > 0 {
		list = append(list, counted(n, "host failed", "hosts failed"))
	}
	if n := s.Counts.Reverted; n > 0 {
		list = append(list, counted(n, "host went back", "hosts went back"))
	}
	if n := s.Counts.Deferred; n > 0 {
		list = append(list, counted(n, "host waits for a reboot", "hosts wait for a reboot"))
	}
	for gate := wire.Gate(1); int(gate) < wire.GateCount; gate++ {
		if n := s.Blocked[gate]; n > 0 {
			list = append(list, fmt.Sprintf("%s held back by %s", counted(n, "host is", "hosts are"), gateWords(gate)))
		}
	}
	if s.Signed && !s.Backed && s.State != wire.Terminal {
		list = append(list, "no release that is held says the same")
	}
	return list
}

// because is the reason of an act, if there is one.
func because(reason wire.Text) string {
	if reason == "" {
		return ""
	}
	return ": " + string(reason)
}

func badgeClass(s wire.RolloutState) string {
	switch s {
	case wire.Halted:
		return "bad"
	case wire.Held, wire.Aborted:
		return "warn"
	case wire.Terminal:
		return "good"
	default:
		return "plain"
	}
}

func gateWords(g wire.Gate) string {
	return [wire.GateCount]string{
		wire.GateChannelEdge: "another channel that comes first", wire.GateHostEdge: "another host that comes first",
		wire.GateCompliance: "a failing probe in an earlier wave", wire.GateBudget: "a disruption budget",
		wire.GatePaused: "a pause", wire.GateSkipped: "an operator, who has skipped it", wire.GateCordoned: "a cordon",
	}[g]
}

func reachabilityWords(r wire.Reachability) string {
	if r == wire.NeverSeen {
		return "never seen"
	}
	return r.String()
}
