package plane_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// requestKind is one thing that may come next in a run.
type requestKind struct {
	name string
	make func(*fleet) []request
}

func (k requestKind) String() string { return k.name }

// requestKinds has each kind as often as it shall come; rapid favours what
// stands at the front.
var requestKinds = func() []requestKind {
	var list []requestKind
	for _, k := range []struct {
		weight int
		requestKind
	}{
		{14, requestKind{"progress", (*fleet).progress}},
		{10, requestKind{"heartbeat", (*fleet).heartbeat}},
		{8, requestKind{"poll", (*fleet).poll}},
		{3, requestKind{"open", (*fleet).open}},
		{2, requestKind{"files", (*fleet).files}},
		{3, requestKind{"release", (*fleet).release}},
		{4, requestKind{"tick", (*fleet).tick}},
		{3, requestKind{"resume", (*fleet).resume}},
		{2, requestKind{"choose", (*fleet).choose}},
		{3, requestKind{"steer", (*fleet).steer}},
		{3, requestKind{"clear", (*fleet).clear}},
		{3, requestKind{"repeat", (*fleet).repeat}},
		{2, requestKind{"skip", (*fleet).skip}},
		{2, requestKind{"reopen", (*fleet).reopen}},
		{2, requestKind{"quiet", (*fleet).quiet}},
		{3, requestKind{"amnesia", (*fleet).amnesia}},
		{1, requestKind{"twins", (*fleet).twins}},
		{5, requestKind{"stranger", (*fleet).stranger}},
		{4, requestKind{"crowd", (*fleet).crowd}},
		{2, requestKind{"query", (*fleet).query}},
		{2, requestKind{"revoke", (*fleet).revoke}},
		{1, requestKind{"storage", (*fleet).storage}},
		{1, requestKind{"set clock", (*fleet).setClock}},
	} {
		for range k.weight {
			list = append(list, k.requestKind)
		}
	}
	return list
}()

// pauses are the times between two inputs: mostly none, sometimes just no stall
// and sometimes just one.
var pauses = []time.Duration{0, 0, 0, 0, 1, 100 * time.Millisecond, time.Second, time.Second + 1, 15*time.Second - 1, 15 * time.Second, 10 * time.Minute}

func (f *fleet) request() []request {
	list := rapid.SampledFrom(requestKinds).Draw(f.t, "request").make(f)
	for i := range list {
		if list[i].after == 0 {
			list[i].after = rapid.SampledFrom(pauses).Draw(f.t, "pause")
		}
	}
	return list
}

func (f *fleet) anyAgent() *agent { return rapid.SampledFrom(f.agents).Draw(f.t, "agent") }

// twins are heartbeats of two machines of one name, less than an interval apart.
func (f *fleet) twins() (list []request) {
	a := f.anyAgent()
	for i := range 7 {
		beat := &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: a.name, At: f.clock(a)}, From: fmt.Sprintf("198.51.100.%d", i%2)}
		list = append(list, request{in: beat, after: f.cfg.HeartbeatInterval / 4})
	}
	return list
}

// address is where a heartbeat comes from: mostly the same, and sometimes not known.
func (f *fleet) address() string {
	return rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3", ""}).Draw(f.t, "address")
}

func (f *fleet) anyID() wire.RolloutID {
	if len(f.opened) == 0 {
		return "stable@none"
	}
	m := f.opened[len(f.opened)-1-rapid.IntRange(0, min(len(f.opened), 4)-1).Draw(f.t, "rollout")]
	return m.ID()
}

// progress lets a host take a step of its plot and tell it.
func (f *fleet) progress() []request {
	var busy []*agent
	for _, a := range f.agents {
		if len(a.work()) > 0 {
			busy = append(busy, a)
		}
	}
	if len(busy) == 0 {
		return f.poll()
	}
	a := rapid.SampledFrom(busy).Draw(f.t, "busy agent")
	work := a.work()
	j := work[len(work)-1]
	if j.next == len(j.log) {
		j.live(f.clock(a))
		a.closure = j.runs()
	}
	return []request{f.send(j, j.next)}
}

// crowd lets everybody speak at once: one host has news, and the others send
// heartbeats or ask for work in the same batch.
func (f *fleet) crowd() []request {
	list := f.progress()
	for _, a := range f.agents {
		if rapid.Bool().Draw(f.t, "poll") {
			list = append(list, request{in: &plane.Poll{Hostname: a.name}})
		} else {
			list = append(list, request{in: &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: a.name, At: f.clock(a)}, From: f.address()}})
		}
	}
	return list
}

// send sends an event of a job's log.
func (f *fleet) send(j *job, i int) request {
	return request{
		in: &plane.Event{Envelope: wire.EventEnvelope{Hostname: j.host, RolloutID: j.id, Event: j.log[i]}},
		replied: func(r plane.Reply) {
			switch {
			case r.Outcome.Code == wire.NoContent:
				j.acknowledged(i)
			case r.Outcome.Replay:
				j.replay(r.Outcome.ReplayFrom)
			case r.Outcome.Code == wire.Rejected:
				j.acknowledged(i) // not again unchanged (PROTOCOL E7)
			}
		},
	}
}

// anySent draws a job that has something in its log.
func (f *fleet) anySent() *job {
	var jobs []*job
	for _, a := range f.agents {
		for _, j := range a.jobs {
			if len(j.log) > 0 {
				jobs = append(jobs, j)
			}
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	return rapid.SampledFrom(jobs).Draw(f.t, "job")
}

// repeat sends something again, as a network does; perhaps twice.
func (f *fleet) repeat() []request {
	j := f.anySent()
	if j == nil {
		return f.poll()
	}
	i := rapid.IntRange(0, len(j.log)-1).Draw(f.t, "event")
	return slices.Repeat([]request{f.send(j, i)}, rapid.IntRange(1, 2).Draw(f.t, "times"))
}

// skip sends the last event that happened, whatever was not yet told.
func (f *fleet) skip() []request {
	j := f.anySent()
	if j == nil {
		return f.poll()
	}
	for range rapid.IntRange(0, 3).Draw(f.t, "steps untold") {
		j.live(wire.TimeOf(f.wall))
	}
	return []request{f.send(j, len(j.log)-1)}
}

// heartbeat is the heartbeat of an honest agent.
func (f *fleet) heartbeat() []request {
	a := f.anyAgent()
	req := wire.HeartbeatRequest{Hostname: a.name, CurrentClosure: a.closure, At: f.clock(a)}
	if work := a.work(); len(work) > 0 && !a.legacy {
		req.RolloutID = work[len(work)-1].id
	}
	if rapid.IntRange(0, 9).Draw(f.t, "closure unknown") == 7 {
		req.CurrentClosure = ""
	}
	return []request{{in: &plane.Heartbeat{Request: req, From: f.address()}, replied: func(r plane.Reply) {
		if j := a.job(req.RolloutID); j != nil && r.Outcome.Replay {
			j.replay(r.Outcome.ReplayFrom)
		}
		for _, s := range r.Outcome.Heartbeat.Bootstrap {
			if j := a.job(s.RolloutID); j != nil {
				j.replay(s.LastEventSeq + 1) // what the plane lacks (PROTOCOL A4)
			}
		}
	}}}
}

// amnesia is a heartbeat of an agent that does not know its rollout, or names a
// wrong one, and runs what it runs.
func (f *fleet) amnesia() []request {
	a := f.anyAgent()
	req := wire.HeartbeatRequest{Hostname: a.name, CurrentClosure: a.closure, At: f.clock(a)}
	if rapid.Bool().Draw(f.t, "another closure") {
		req.CurrentClosure = rapid.SampledFrom(closures).Draw(f.t, "closure")
	}
	if rapid.IntRange(0, 3).Draw(f.t, "a wrong rollout") == 0 {
		req.RolloutID = f.anyID()
	}
	beat := &plane.Heartbeat{Request: req, From: f.address()}
	return slices.Repeat([]request{{in: beat}}, rapid.IntRange(1, 2).Draw(f.t, "times"))
}

// poll asks for work and takes it up.
func (f *fleet) poll() []request {
	a := f.anyAgent()
	return []request{{in: &plane.Poll{Hostname: a.name, Again: rapid.Bool().Draw(f.t, "again")}, replied: func(r plane.Reply) {
		d, ok := r.Outcome.Document.(*wire.Dispatch)
		if !ok || a.job(d.RolloutID) != nil {
			return // no work, or work that it has already (PROTOCOL A9)
		}
		p := rapid.SampledFrom(plots).Draw(f.t, "plot")
		a.jobs = append(a.jobs, newJob(a.name, d.RolloutID, d.TargetClosure, a.closure, d.SoakSeconds, p))
	}}}
}

// open opens a rollout, mostly a new one.
func (f *fleet) open() []request {
	m := f.manifest()
	if slices.ContainsFunc(f.opened, func(o wire.Manifest) bool { return o.ID() == m.ID() }) {
		return f.tick()
	}
	f.opened = append(f.opened, m)
	return []request{{in: &plane.OpenRollout{Manifest: m}}}
}

// storage says that nothing can be made durable, or that something can again, which
// comes more often.
func (f *fleet) storage() []request {
	return []request{{in: &plane.Storage{Unavailable: rapid.IntRange(0, 2).Draw(f.t, "unavailable") == 1}}}
}

// files opens manifests that are found in the directory together.
func (f *fleet) files() []request {
	var found []wire.Manifest
	for range rapid.IntRange(1, 3).Draw(f.t, "files") {
		m := f.manifest()
		if !slices.ContainsFunc(f.opened, func(o wire.Manifest) bool { return o.ID() == m.ID() }) {
			f.opened = append(f.opened, m)
			found = append(found, m)
		}
	}
	var list []request
	for _, m := range arranged(found) {
		list = append(list, request{in: m})
	}
	return list
}

// arranged are manifests as the reader of a directory opens them.
func arranged(found []wire.Manifest) []*plane.FileManifest {
	var files []*plane.FileManifest
	for _, m := range found {
		files = append(files, &plane.FileManifest{Manifest: m})
	}
	plane.Arrange(files)
	return files
}

// reopen opens a rollout again, with its hosts in another order, or with
// another manifest.
func (f *fleet) reopen() []request {
	if len(f.opened) == 0 {
		return f.open()
	}
	m := rapid.SampledFrom(f.opened).Draw(f.t, "manifest")
	m.Hosts = rapid.Permutation(m.Hosts).Draw(f.t, "hosts in another order")
	if rapid.Bool().Draw(f.t, "another manifest") {
		m.Hosts[0].TargetClosure += "x"
	}
	return []request{{in: &plane.OpenRollout{Manifest: m}}}
}

func (f *fleet) choose() []request {
	return []request{{in: &plane.ChooseRollout{RolloutID: f.anyID()}}}
}

func (f *fleet) resume() []request {
	id := f.anyID()
	if rapid.IntRange(0, 9).Draw(f.t, "an unknown rollout") == 7 {
		id += "x"
	}
	return []request{{in: &plane.ResumeRollout{RolloutID: id}}}
}

// clear clears a closure that is quarantined, if there is one, and mostly that.
func (f *fleet) clear() []request {
	clear := &plane.ClearQuarantine{
		Channel: rapid.SampledFrom(channels).Draw(f.t, "channel"),
		Closure: rapid.SampledFrom(closures).Draw(f.t, "closure"),
	}
	list := answered[*wire.Page[wire.QuarantineEntry]](f.t, f.plane, f.now(), &plane.QueryQuarantine{}).Items
	if len(list) > 0 && rapid.IntRange(0, 4).Draw(f.t, "something else") > 0 {
		q := rapid.SampledFrom(list).Draw(f.t, "quarantined")
		clear.Channel, clear.Closure = q.Channel, q.Closure
	}
	return []request{{in: clear}}
}

// certify asks for a certificate of a host, mostly by a token.
func (f *fleet) certify() []request {
	a := f.anyAgent()
	c := &plane.Certify{
		Hostname: a.name, CommonName: wire.CommonName("agent-" + a.name + ".fleet"), Also: wire.CommonName(a.name),
		Since: wire.TimeOf(f.wall.Add(-time.Duration(rapid.IntRange(0, 9).Draw(f.t, "since")) * time.Second)),
		Key:   rapid.SampledFrom([]wire.Name{"k1", "k2"}).Draw(f.t, "key"),
	}
	if rapid.IntRange(0, 3).Draw(f.t, "renewal") > 0 {
		c.Nonce = rapid.SampledFrom([]wire.Name{"n1", "n2", "n3"}).Draw(f.t, "nonce")
		c.ExpiresAt = wire.TimeOf(f.wall.Add(time.Duration(rapid.IntRange(-5, 60).Draw(f.t, "until")) * time.Second))
		c.Refused = rapid.IntRange(0, 4).Draw(f.t, "refused") == 0
	}
	return []request{{in: c}}
}

func (f *fleet) revoke() []request {
	if rapid.Bool().Draw(f.t, "a certificate") {
		return f.certify()
	}
	r := &plane.Revoke{CommonName: wire.CommonName(rapid.SampledFrom([]string{"n1", "n2"}).Draw(f.t, "name"))}
	if d := rapid.IntRange(-3, 3).Draw(f.t, "before"); d != 0 {
		r.Before = wire.TimeOf(f.wall.Add(time.Duration(d) * time.Second))
	}
	switch name := rapid.SampledFrom(append([]string{"", "h99", "operator"}, f.names()...)).Draw(f.t, "holder"); name {
	case "": // as the log has it
	case "operator":
		r.CommonName = "operator-o.fleet"
		r.Holder = plane.Holder{Judge: true, Seen: rapid.Bool().Draw(f.t, "seen"), Force: rapid.Bool().Draw(f.t, "force")}
	default:
		r.CommonName, r.Also = wire.CommonName("agent-"+name+".fleet"), wire.CommonName(name)
		if rapid.Bool().Draw(f.t, "bare") {
			r.CommonName, r.Also = r.Also, r.CommonName
		}
		r.Holder = plane.Holder{Judge: true, Hostname: wire.Hostname(name), Force: rapid.IntRange(0, 3).Draw(f.t, "force") == 0}
	}
	return []request{{in: r}}
}

// names are those of the agents.
func (f *fleet) names() []string {
	var names []string
	for _, a := range f.agents {
		names = append(names, string(a.name))
	}
	return names
}

func (f *fleet) query() []request {
	a := f.anyAgent()
	id := f.anyID()
	limit := rapid.IntRange(-1, 5).Draw(f.t, "limit")
	return []request{{in: rapid.SampledFrom([]plane.Input{
		&plane.QueryHost{Hostname: a.name}, &plane.QueryHost{Hostname: a.name + "x"},
		&plane.QueryHosts{Limit: limit}, &plane.QueryHosts{After: a.name, Limit: limit},
		&plane.QueryRollout{RolloutID: id, Limit: limit}, &plane.QueryRollout{RolloutID: id, After: a.name, Limit: limit},
		&plane.QueryRollouts{Limit: limit}, &plane.QueryRollouts{After: id, Limit: limit},
		&plane.QueryQuarantine{}, &plane.QueryRevocations{},
	}).Draw(f.t, "query")}}
}

// stranger sends an event that nobody has thought about, mostly one that is
// about a record and not a duplicate.
func (f *fleet) stranger() []request {
	a := f.anyAgent()
	id := f.anyID()
	target := rapid.SampledFrom(closures).Draw(f.t, "target")
	seq := wire.Seq(rapid.IntRange(1, 12).Draw(f.t, "seq"))
	var out plane.Output
	f.plane.Step(f.now(), &plane.QueryHost{Hostname: a.name}, &out)
	if h, known := out.Replies[0].Outcome.Document.(*wire.HostStatus); known && len(h.Records) > 0 {
		s := rapid.SampledFrom(h.Records).Draw(f.t, "record").Snapshot
		id, target = s.RolloutID, s.TargetClosure
		seq = s.LastEventSeq + wire.Seq(rapid.SampledFrom([]int{1, 1, 1, 2, 0}).Draw(f.t, "ahead"))
	}
	j := newJob(a.name, id, target, "c0", 0, rapid.SampledFrom([]plot{smooth, sick}).Draw(f.t, "plot"))
	kind := rapid.SampledFrom(wire.EventKinds[:]).Draw(f.t, "kind")
	return []request{{in: event(a.name, id, max(seq, 1), j.body(kind, f.clock(a)))}}
}

// tick is a tick in time, or after a time in which the plane was impaired.
func (f *fleet) tick() []request {
	impaired := rapid.IntRange(0, 4).Draw(f.t, "impaired") == 3
	return []request{{after: f.cfg.TickEvery(), in: &plane.Tick{Impaired: impaired}}}
}

// quiet is a time in which nobody says anything.
func (f *fleet) quiet() []request {
	tick := request{after: f.cfg.StallAfter, in: &plane.Tick{}}
	return slices.Repeat([]request{tick}, rapid.IntRange(3, 9).Draw(f.t, "ticks"))
}

// setClock is a person who sets the plane's wall clock.
func (f *fleet) setClock() []request {
	f.wall = f.wall.Add(time.Duration(rapid.IntRange(-90, 90).Draw(f.t, "minutes")) * time.Minute)
	return []request{{in: &plane.Tick{}}}
}
