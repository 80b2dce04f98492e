package world

import (
	"cmp"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// operatorNode is the operators: they open rollouts and do the acts of the
// scenario, each until the plane has taken it. A rollout that was
// opened lies in the plane's manifests directory from then on.
type operatorNode struct {
	stream random.Stream
	// identities are those of the operators, from the first on.
	identities []wire.Identity
	// pages are where lists go on that are being read, by act.
	pages   map[int]string
	opened  []int // rollouts, in the order of opening
	refused int   // how many were older than one in force
	// forced are the acts that the plane refused because it knows nobody by the
	// name: the operator knows better.
	forced map[int]bool
}

// operatorRetry is how long the operator waits before an act is tried again.
const operatorRetry = 5 * time.Second

// operatorTimeout is how long the operator waits for an answer.
const operatorTimeout = 10 * time.Second

func (o *operatorNode) init(w *World) {
	o.stream = random.New(w.scenario.Seed, "operator", 0)
	operators := 1
	for i := range w.scenario.Acts {
		operators = max(operators, w.scenario.Acts[i].By)
	}
	for i := range operators {
		name := "sim"
		if i > 0 {
			name += strconv.Itoa(i + 1)
		}
		o.identities = append(o.identities, wire.Identity{CommonName: "operator-" + name + "." + nameSuffix, Operator: true, Name: name})
	}
	for i := range w.scenario.Rollouts {
		w.queue.push(Timer{at: w.scenario.Rollouts[i].At, kind: dueOperator, node: operatorNodeID, arg: uint64(i)})
	}
	for i := range w.scenario.Acts {
		w.queue.push(Timer{at: w.scenario.Acts[i].At, kind: dueOperator, node: operatorNodeID, arg: uint64(len(w.scenario.Rollouts) + i)})
	}
}

// act sends one act: the rollouts come first in their numbering.
func (o *operatorNode) act(w *World, i int) {
	if n := i - len(w.scenario.Rollouts); n >= 0 && w.scenario.Acts[n].Kind == scenario.ActSend {
		w.sendActs(&w.scenario.Acts[n])
		return
	}
	if n := i - len(w.scenario.Rollouts); n >= 0 && w.scenario.Acts[n].Kind == scenario.ActCompact {
		w.compactCopy(&w.scenario.Acts[n])
		return
	}
	if i < len(w.scenario.Rollouts) && w.scenario.Rollouts[i].Signed {
		w.newRelease(i, nil)
		return
	}
	if n := i - len(w.scenario.Rollouts); n >= 0 && w.scenario.Acts[n].Kind == scenario.ActSign {
		w.newRelease(w.scenario.RolloutIndex(w.scenario.Acts[n].Rollout), &w.scenario.Acts[n])
		return
	}
	m := w.pool.take()
	m.kind, m.node, m.call, m.timeout = scenario.RouteOperator, operatorNodeID, uint64(i), operatorTimeout
	m.identity, m.notBefore = &o.identities[0], w.firstIssue()
	if i < len(w.scenario.Rollouts) {
		m.operator = &plane.OpenRollout{Manifest: w.scenario.Manifest(&w.scenario.Rollouts[i])}
	} else {
		a := &w.scenario.Acts[i-len(w.scenario.Rollouts)]
		m.identity = &o.identities[max(a.By, 1)-1]
		if a.Kind == scenario.ActRead {
			m.operator = w.query(a, o.pages[i])
			m.history = history(a, o.pages[i])
		} else {
			m.operator = w.actInput(a, o.forced[i])
		}
	}
	w.send(m, &o.stream)
}

// compactCopy retires from a copy of what the plane's disk has the rollouts that have
// been finished for as long as an act says. The plane goes on with its own.
func (w *World) compactCopy(a *scenario.Act) {
	before := w.wallAt(w.plane.wallOffset).Add(-a.For)
	kept, retired, err := plane.Retire(w.plane.cfg, w.plane.walked.AppendDurable(nil), before)
	if err != nil {
		w.Violate("S28", "the plane's database cannot be compacted: %v; want it readable", err)
		return
	}
	for range retired {
		w.effect(scenario.EffectRetired)
	}
	w.emit(Event{Kind: EventCompacted, Lines: kept, For: a.For, Count: len(retired)})
}

func (w *World) actInput(a *scenario.Act, force bool) plane.Input {
	if act, steers := a.Steers(); steers {
		in := &plane.Steer{Act: act, RolloutID: a.Rollout}
		if a.Hosts.First > 0 {
			in.Hostname = scenario.HostName(a.Hosts.First)
		}
		return in
	}
	switch a.Kind {
	case scenario.ActOpen:
		return &plane.OpenRollout{Manifest: w.scenario.Other(a)}
	case scenario.ActResume:
		return &plane.ResumeRollout{RolloutID: a.Rollout}
	case scenario.ActChoose:
		return &plane.ChooseRollout{RolloutID: a.Rollout}
	case scenario.ActClear:
		return &plane.ClearQuarantine{Channel: a.Channel, Closure: a.Closure}
	default:
		in := revocationOf(hostCommonName(a.Hosts.First), force)
		if a.Before > 0 {
			in.Before = w.wallAt(w.plane.wallOffset - a.Before)
		}
		return in
	}
}

// query is what an operator reads by, after the page that ended with after.
func (w *World) query(a *scenario.Act, after string) plane.Input {
	limit := cmp.Or(a.Count, defaultPage)
	switch {
	case a.ReadsPlan():
		return &plane.PlanRollout{Manifest: w.scenario.Other(a)}
	case a.ReadsEvents(): // a server asks whether the rollout is known
		return &plane.QueryRollout{RolloutID: a.Rollout, Limit: 1}
	case a.Rollout != "":
		return &plane.QueryRollout{RolloutID: a.Rollout, After: wire.Hostname(after), Limit: limit, State: a.State}
	case a.List == "hosts":
		return &plane.QueryHosts{After: wire.Hostname(after), Limit: limit, Filter: plane.HostFilter{State: a.State}}
	case a.List == "rollouts":
		return &plane.QueryRollouts{After: wire.RolloutID(after), Limit: limit}
	case a.List == "quarantine":
		return &plane.QueryQuarantine{}
	case a.List == "revocations":
		return &plane.QueryRevocations{}
	default:
		return &plane.QueryHost{Hostname: scenario.HostName(a.Hosts.First)}
	}
}

// history is what an operator asks for of a history, after the page that ended with
// after.
func history(a *scenario.Act, after string) History {
	if !a.ReadsEvents() {
		return History{}
	}
	n, _ := strconv.ParseUint(after, 10, 64) // empty for the first page
	return History{After: wire.Seq(n), Limit: cmp.Or(a.Count, defaultPage)}
}

// readHistory puts a page of a rollout's history in place of what the plane said of
// the rollout, as a server does: from what its store has by then.
func (p *planeNode) readHistory(w *World, m *Message) {
	in, is := m.operator.(*plane.QueryRollout)
	if !is || m.history.Limit == 0 || m.request.Outcome.Code != wire.OK {
		return
	}
	page := plane.NewHistoryPage(m.history.Limit)
	plane.History(p.log, in.RolloutID, m.history.After, page.Take)
	m.request.Outcome.Document = page
}

// defaultPage is the limit of a page that a request does not name (PROTOCOL R5).
const defaultPage = 100

// turn asks for the page that follows, if there is one.
func (o *operatorNode) turn(w *World, m *Message) {
	next := ""
	switch page := m.request.Outcome.Document.(type) {
	case *wire.Page[wire.HostStatus]:
		next = page.Next
	case *wire.Page[wire.RolloutStatus]:
		next = page.Next
	case *wire.RolloutStatus:
		next = string(page.Next)
	case *plane.HistoryPage:
		next = page.Next
	}
	if next == "" {
		return
	}
	if o.pages == nil {
		o.pages = make(map[int]string)
	}
	o.pages[int(m.call)] = next
	w.queue.push(Timer{at: w.now, kind: dueOperator, node: operatorNodeID, arg: m.call})
}

// revocationOf is what a server makes of the request to revoke a host's names.
func revocationOf(name wire.CommonName, force bool) *plane.Revoke {
	id := wire.ParseIdentity(string(name), nameSuffix)
	in := &plane.Revoke{CommonName: name, Holder: plane.Holder{Judge: true, Force: force}}
	in.Also, _ = id.OtherSpelling(nameSuffix)
	in.Holder.Hostname, _ = id.Hostname()
	return in
}

// nameSuffix is what the common names of a simulated fleet end in (PROTOCOL T2).
const nameSuffix = "sim"

// hear takes the plane's answer, or tries again.
func (o *operatorNode) hear(w *World, m *Message, answered bool) {
	i := int(m.call)
	if code := m.request.Outcome.Code; !answered || code.Unavailable() || code == wire.Accepted {
		w.queue.push(Timer{at: w.now + operatorRetry, kind: dueOperator, node: operatorNodeID, arg: m.call})
		return
	}
	if w.wire {
		w.operatorAnswerOverTheWire(m)
	}
	if i < len(w.scenario.Rollouts) {
		if m.request.Outcome.Code == wire.Created || m.request.Outcome.Code == wire.OK {
			o.note(w, i)
		} else {
			o.refused++
		}
		return
	}
	a := &w.scenario.Acts[i-len(w.scenario.Rollouts)]
	if m.request.Outcome.Code == wire.UnknownName { // nobody has told the plane of the host yet
		if o.forced == nil {
			o.forced = make(map[int]bool)
		}
		o.forced[i] = true
		w.queue.push(Timer{at: w.now + operatorRetry, kind: dueOperator, node: operatorNodeID, arg: m.call})
		return
	}
	if a.Kind == scenario.ActRead && m.request.Outcome.Code == wire.OK {
		o.turn(w, m)
	}
	if a.Kind != scenario.ActRevoke || m.request.Outcome.Code != wire.OK {
		return
	}
	w.effect(scenario.EffectRevoked)
	if a.For > 0 {
		// Not before the next whole second of the plane's clock: a certificate
		// knows no fractions, and one from the future is refused (PROTOCOL T5).
		late := time.Duration(w.wallAt(w.plane.wallOffset + a.For).Std().Nanosecond())
		at := w.now + a.For + (time.Second-late)%time.Second
		w.queue.push(Timer{at: at, kind: dueReissue, node: int32(max(a.Hosts.First, 1) - 1)})
	}
}

// note puts a rollout that was opened into the manifests directory. A plane
// that is up reads the directory when it changes (PROTOCOL R6); it is spared a
// manifest that it knows. One that has lost its disk since it answered does not.
func (o *operatorNode) note(w *World, rollout int) {
	for _, known := range o.opened {
		if known == rollout {
			return
		}
	}
	o.opened = append(o.opened, rollout)
	if p := &w.plane; p.opened && !w.scenario.Plane.NoManifests {
		r := &w.scenario.Rollouts[rollout]
		if _, known := p.current().Rollout(r.ID); !known {
			p.files = append(p.files, &plane.FileManifest{Manifest: w.scenario.Manifest(r)})
			p.planManifest(w, w.now, len(p.files)-1)
		}
	}
}
