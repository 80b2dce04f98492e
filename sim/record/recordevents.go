package record

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// subscribe lets the recorder receive what it records.
func (r *Recorder) subscribe(w *world.World) {
	w.Subscribe(world.EventSent, r.sent)
	w.Subscribe(world.EventVanished, r.vanished)
	w.Subscribe(world.EventHeard, r.heard)
	w.Subscribe(world.EventArrived, r.arrived)
	w.Subscribe(world.EventAdmitted, r.admitted)
	w.Subscribe(world.EventStepDone, r.stepDone)
	w.Subscribe(world.EventDropped, r.dropped)
	w.Subscribe(world.EventFinished, r.finished)
	w.Subscribe(world.EventNoticed, r.noticed)
	w.Subscribe(world.EventAnswered, r.answered)
	w.Subscribe(world.EventPlaneStarted, r.planeStarted)
	w.Subscribe(world.EventPlaneDown, r.planeDown)
	w.Subscribe(world.EventHostStepped, r.hostStepped)
	w.Subscribe(world.EventHostLost, r.hostLost)
	w.Subscribe(world.EventFieldStepped, func(e *world.Event) {
		if len(e.AgentOutput.Effects) > 0 {
			r.here().plain = false
		}
	})
	w.Subscribe(world.EventFaultBegan, r.faultBegan)
	w.Subscribe(world.EventStepEnded, r.stepEnded)
}

func (r *Recorder) sent(e *world.Event) {
	m := e.Message
	r.track(m).Sent = r.now()
}

func (r *Recorder) vanished(e *world.Event) {
	m, dir, why := e.Message, e.Dir, e.Effect
	t := r.track(m)
	if t.Lost == scenario.Both {
		t.Lost, t.Why, t.Gone = dir, why, r.now()
	}
	if why == scenario.EffectPlaneCrash {
		t.inside = false
	}
}

func (r *Recorder) heard(e *world.Event) {
	m, answered := e.Message, e.Answered
	t := r.about(m)
	t.Heard, t.NoAnswer = r.now(), !answered
	r.close(t)
}

func (r *Recorder) arrived(e *world.Event) {
	m := e.Message
	t := r.about(m)
	t.Arrived = r.now()
	if !t.Sent.Happened() { // the manifests directory sends nothing
		t.Sent = t.Arrived
	}
}

func (r *Recorder) admitted(e *world.Event) {
	t := r.track(e.Message)
	if !t.inside && t.Kind != scenario.RouteHeartbeat {
		r.series.others++
	}
	t.inside = true
}

func (r *Recorder) stepDone(e *world.Event) {
	m, in, reply := e.Message, e.Input, e.Reply
	if m != nil {
		t := r.about(m)
		t.Stepped = r.now()
		t.bootstraps = reply != nil && len(reply.Outcome.Heartbeat.Bootstrap) > 0
	}
	switch in := in.(type) {
	case *plane.Heartbeat:
		r.lookAtMirror(in.Request.Hostname)
	case *plane.Event:
		r.lookAtMirror(in.Envelope.Hostname)
	case *plane.Tick, *plane.Poll: // they change no record
	default:
		r.lookAtAll()
	}
	for _, name := range e.Output.Wakes {
		r.lookAtMirror(name)
	}
}

func (r *Recorder) dropped(e *world.Event) { r.about(e.Message).Dropped = true }

func (r *Recorder) finished(e *world.Event) {
	m := e.Message
	t := r.about(m)
	if t.inside && t.Kind != scenario.RouteHeartbeat {
		r.series.others--
	}
	t.inside = false
	if t.Answered.Happened() {
		t.Late = r.now()
	}
	r.close(t)
}

func (r *Recorder) noticed(e *world.Event) {
	n := *e.Notice
	switch n.Kind {
	case plane.NoticeReachable, plane.NoticeUnreachable:
		r.lookAtReach(n.Hostname)
	}
}

func (r *Recorder) answered(e *world.Event) {
	w, m := e.World, e.Message
	t := r.about(m)
	t.Answered, t.Code = r.now(), m.Outcome().Code
	t.RetryAfter, t.Replay, t.ReplayFrom = m.Outcome().RetryAfter, m.Outcome().Replay, m.Outcome().ReplayFrom
	r.series.answered(w.Now(), m.Outcome().Code)
	r.close(t)
}

func (r *Recorder) planeStarted(*world.Event) { r.lookAtAll() }

func (r *Recorder) planeDown(e *world.Event) {
	replaced := e.Wiped || e.Restored // of a backup, what it has is looked at with the start
	r.series.others = 0
	for id, t := range r.open { // order-free: each for itself
		t.inside = false
		if over := t.Heard.Happened(); over {
			delete(r.open, id)
		}
	}
	if replaced {
		for _, t := range r.rec.Records {
			r.mirror(t, nil)
		}
	}
}

func (r *Recorder) hostStepped(e *world.Event) {
	if out := e.AgentOutput; len(out.Appends)+len(out.Effects)+len(out.Notices) > 0 {
		r.here().plain = false
	}
	r.lookAtAgent(e.Host)
}

func (r *Recorder) hostLost(e *world.Event) {
	for _, t := range r.ofHost[e.Host-1] {
		if n := len(t.Agent); n > 0 && t.Agent[n-1].There {
			t.Agent = append(t.Agent, AgentVersion{RecordVersion: RecordVersion{Stamp: r.now()}})
		}
	}
}

func (r *Recorder) faultBegan(*world.Event) { r.faulted = true }
func (r *Recorder) stepEnded(*world.Event)  { r.look() }

// look looks at what the step has changed.
func (r *Recorder) look() {
	r.lookAtPlane()
	if r.faulted {
		for i := range r.rec.Hosts {
			r.lookAtHost(i + 1)
		}
	} else if n := r.w.Timer().Host(); n > 0 {
		r.lookAtHost(n)
	}
	r.faulted = false
	r.series.sample(r.w)
}

func (r *Recorder) lookAtPlane() {
	state := r.w.PlaneState()
	if n := len(r.rec.Plane); n == 0 || r.rec.Plane[n-1].State != state {
		r.rec.Plane = append(r.rec.Plane, PlaneChange{r.now(), state})
	}
}

func (r *Recorder) lookAtHost(host int) {
	t := &r.rec.Hosts[host-1]
	c := HostChange{Stamp: r.now(), Up: r.w.HostUp(host), Running: r.w.Runs(host), Switching: r.w.Switching(host)}
	if n := len(t.Process); n > 0 {
		last := t.Process[n-1]
		if last.Up == c.Up && last.Running == c.Running && last.Switching == c.Switching {
			return
		}
		if last.Up {
			r.series.up--
		}
	}
	if c.Up {
		r.series.up++
	}
	t.Process = append(t.Process, c)
}

func (r *Recorder) lookAtReach(name wire.Hostname) {
	n, known := scenario.HostNumber(name)
	if !known || n > len(r.rec.Hosts) {
		return
	}
	status, _ := r.w.CurrentPlane().Host(name)
	t := &r.rec.Hosts[n-1]
	last := wire.Reachability(0)
	if len(t.Reach) > 0 {
		last = t.Reach[len(t.Reach)-1].State
	}
	if last != status.Reachability {
		t.Reach = append(t.Reach, ReachChange{r.now(), status.Reachability})
	}
}

// lookAtAll looks at every host's records at the plane.
func (r *Recorder) lookAtAll() {
	for i := range r.rec.Hosts {
		r.lookAtMirror(r.rec.Hosts[i].Name)
	}
}

// lookAtMirror looks at what the plane has of a host.
func (r *Recorder) lookAtMirror(name wire.Hostname) {
	n, known := scenario.HostNumber(name)
	if !known || n > len(r.rec.Hosts) {
		return
	}
	r.lookAtReach(name)
	r.looked = r.w.CurrentPlane().Look(name, r.looked[:0])
	for _, rec := range r.looked {
		r.mirror(r.record(rec.RolloutID, n), rec)
	}
	for _, t := range r.ofHost[n-1] {
		if !slices.ContainsFunc(r.looked, func(rec *rollout.Record) bool { return rec.RolloutID == t.Rollout }) {
			r.mirror(t, nil)
		}
	}
}

// mirror notes the plane's version of a record; nil says that it has none.
func (r *Recorder) mirror(t *RecordTrack, rec *rollout.Record) {
	if n := len(t.Plane); rec == nil && (n == 0 || !t.Plane[n-1].There) || rec != nil && n > 0 && t.Plane[n-1].There && alike(&t.Plane[n-1].Record, rec) {
		return
	}
	v := RecordVersion{Stamp: r.now(), There: rec != nil}
	if rec != nil {
		v.Record = rec.Clone()
	}
	t.Plane = append(t.Plane, v)
}

// lookAtAgent looks at what an agent has.
func (r *Recorder) lookAtAgent(host int) {
	r.views = r.w.Agent(host).Views(r.views[:0])
	for _, v := range r.views {
		t := r.record(v.Record.RolloutID, host)
		rec := v.Record
		v.Record = nil
		if n := len(t.Agent); n > 0 && t.Agent[n-1].There && t.Agent[n-1].View == v && alike(&t.Agent[n-1].Record, rec) {
			continue
		}
		t.Agent = append(t.Agent, AgentVersion{RecordVersion{r.now(), true, rec.Clone()}, v})
	}
	for _, t := range r.ofHost[host-1] {
		if n := len(t.Agent); n == 0 || !t.Agent[n-1].There {
			continue
		}
		if !slices.ContainsFunc(r.views, func(v agent.View) bool { return v.Record.RolloutID == t.Rollout }) {
			t.Agent = append(t.Agent, AgentVersion{RecordVersion: RecordVersion{Stamp: r.now()}})
		}
	}
}

func (r *Recorder) record(id wire.RolloutID, host int) *RecordTrack {
	key := recordOf{id, host}
	t := r.records[key]
	if t == nil {
		t = &RecordTrack{Rollout: id, Host: host}
		r.records[key] = t
		r.rec.Records = append(r.rec.Records, t)
		r.ofHost[host-1] = append(r.ofHost[host-1], t)
	}
	return t
}

// alike reports whether nothing of a record has changed but when its probes
// ran last.
func alike(a, b *rollout.Record) bool {
	return a.State == b.State && a.LastEventSeq == b.LastEventSeq && a.Marks == b.Marks &&
		a.TargetClosure == b.TargetClosure && a.CurrentClosureAtDispatch == b.CurrentClosureAtDispatch && a.CurrentClosure == b.CurrentClosure &&
		a.DispatchedAt == b.DispatchedAt && a.DispatchAckedAt == b.DispatchAckedAt && a.ActivationStartedAt == b.ActivationStartedAt &&
		a.ActivationCompletedAt == b.ActivationCompletedAt && a.SoakDueAt == b.SoakDueAt && a.EndedAt == b.EndedAt &&
		slices.EqualFunc(a.Probes, b.Probes, func(p, q rollout.Probe) bool {
			p.LastObservedAt, q.LastObservedAt = wire.Time{}, wire.Time{}
			return p == q
		})
}

var (
	hostWord    = regexp.MustCompile(`\bh([0-9]+)\b`)
	messageWord = regexp.MustCompile(`\bm([0-9]+)\b`)
)

// focus finds out what the violation is about: what it names, or else what the
// step was about.
func (r *Recorder) focus() Focus {
	v := r.w.Violation()
	if v == nil {
		return Focus{}
	}
	var f Focus
	number := func(word *regexp.Regexp) uint64 {
		if found := word.FindStringSubmatch(v.Detail); found != nil {
			n, _ := strconv.ParseUint(found[1], 10, 64)
			return n
		}
		return 0
	}
	var message *MessageTrack
	if id := number(messageWord); id > 0 {
		if i := slices.IndexFunc(r.rec.Messages, func(t *MessageTrack) bool { return t.ID == id }); i >= 0 {
			message = r.rec.Messages[i]
		}
	}
	if n := number(hostWord); n >= 1 && n <= uint64(len(r.rec.Hosts)) {
		f.Host = int(n)
	}
	last := len(r.rec.Steps) - 1
	if message == nil && last >= 0 && r.rec.Steps[last].Step == v.Step {
		message = r.rec.Steps[last].message
		if f.Host == 0 {
			f.Host = r.rec.Steps[last].Host
		}
	}
	if f.Host == 0 && message != nil {
		f.Host = message.Host
	}
	for _, t := range r.rec.Records { // the last one named, so that r10 is not taken for r1
		if strings.Contains(v.Detail, string(t.Rollout)) && len(t.Rollout) > len(f.Rollout) {
			f.Rollout = t.Rollout
		}
	}
	if f.Rollout == "" && message != nil {
		f.Rollout = message.Rollout
	}
	if f.Rollout == "" && f.Host > 0 {
		if of := r.ofHost[f.Host-1]; len(of) > 0 {
			f.Rollout = of[len(of)-1].Rollout
		}
	}
	return f
}
