package driver_test

import (
	"errors"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

var errDisk = errors.New("no space left on device")

// tb is what the rig needs of a test or of one of rapid's.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

type request = driver.Request[string]

// rig drives a driver by hand: time stands still until the test moves it, and a
// commit ends when the test says so.
type rig struct {
	t      tb
	front  *driver.Front[string]
	worker *driver.Worker[string]
	now    time.Duration

	disk    []plane.Entry // what is durable
	flying  *driver.Group
	answers map[*request]wire.Code
	order   []string // answers in their order, as name=code
	asked   int
	// onAnswer is called before an answer is taken note of.
	onAnswer func(*request)
}

const capacity = 8

func newRig(t tb, config func(*driver.Config)) *rig {
	t.Helper()
	cfg := driver.Config{Gate: gate.Config{Capacity: capacity}, Batch: 4, Rows: true}
	if config != nil {
		config(&cfg)
	}
	front, worker, err := driver.New[string](cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &rig{t: t, front: front, worker: worker, answers: make(map[*request]wire.Code)}
}

// started is a rig whose plane is up and rests.
func started(t tb, config func(*driver.Config)) *rig {
	t.Helper()
	r := newRig(t, config)
	r.settle()
	return r
}

func (r *rig) instant() wire.Instant {
	return wire.Instant{Mono: r.now, Wall: wire.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(r.now))}
}

// hear takes in what the front says, and checks every invariant.
func (r *rig) hear() {
	r.t.Helper()
	for _, q := range r.front.Answered() {
		if _, twice := r.answers[q]; twice {
			r.t.Fatalf("%s is answered twice", q.For)
		}
		if r.onAnswer != nil {
			r.onAnswer(q)
		}
		r.answers[q] = q.Outcome.Code
		r.order = append(r.order, q.For+"="+q.Outcome.Code.String())
	}
	if r.front.Rings() {
		r.worker.Ring()
	}
	if err := r.front.Check(r.worker); err != nil {
		r.t.Fatalf("%v", err)
	}
}

// load makes a plane of what is durable.
func (r *rig) load() *plane.Plane {
	p, err := plane.New(plane.Config{})
	if err != nil {
		r.t.Fatalf("%v", err)
	}
	for _, e := range r.disk {
		if err := p.Apply(e); err != nil {
			r.t.Fatalf("%v", err)
		}
	}
	return p
}

// section carries out the next section, and says which it was.
func (r *rig) section() driver.Work {
	r.t.Helper()
	w, now := r.worker, r.instant()
	work := w.Next()
	switch work {
	case driver.Load:
		w.Loaded(now, r.load())
	case driver.Open:
		w.Open(now)
	case driver.Tick:
		w.Tick(now, r.front.Impaired())
	case driver.Take:
		w.Take(now)
	case driver.Step:
		w.Step(now)
	case driver.Park:
		w.Park()
	case driver.Reply:
		w.Reply(now)
	case driver.Announce:
		w.Announce(now)
	case driver.Commit:
		r.flying = w.BeginCommit()
	case driver.TakeOver:
		_ = w.TakeOver()
	case driver.Storage:
		w.TellStorage(now)
	case driver.Pause:
		w.Pause()
	case driver.Discard:
		w.Discard(now)
	}
	r.hear()
	return work
}

// settle carries out sections until the worker rests or has ended.
func (r *rig) settle() {
	r.t.Helper()
	for work := r.section(); work != driver.Rest && work != driver.End; {
		work = r.section()
	}
}

// until carries out sections until the next one is of a kind.
func (r *rig) until(want driver.Work) {
	r.t.Helper()
	for n := 0; r.worker.Next() != want; n++ {
		if work := r.section(); work == driver.Rest || work == driver.End || n > 1000 {
			r.t.Fatalf("the worker comes to %v, not to %v", work, want)
		}
	}
}

// commit ends the commit that is under way.
func (r *rig) commit(err error) {
	r.t.Helper()
	if r.flying == nil {
		r.t.Fatalf("no commit is under way")
	}
	if err == nil {
		r.disk = append(r.disk, slices.Clone(r.flying.Entries)...)
	}
	r.flying = nil
	r.worker.CommitEnded(err)
}

func (r *rig) arrive(name string, in plane.Input, wait time.Duration) *request {
	r.t.Helper()
	r.asked++
	class := gate.Bulk
	if _, beat := in.(*plane.Heartbeat); beat {
		class = gate.Heartbeat
	}
	q := &request{For: name, Input: in, Caller: gate.Caller(name), Class: class, Wait: wait, Certificate: driver.Certificate{
		CommonName: wire.CommonName("agent-" + name), NotBefore: wire.TimeOf(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)),
	}}
	r.front.Arrive(r.instant(), q)
	r.hear()
	return q
}

func (r *rig) heartbeat(host string) *request {
	return r.arrive(host, &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: wire.Hostname(host)}}, 0)
}

func (r *rig) poll(host string, wait time.Duration) *request {
	return r.arrive(host, &plane.Poll{Hostname: wire.Hostname(host)}, wait)
}

// open opens a rollout; it logs one entry and wakes its hosts.
func (r *rig) open(ref string, hosts ...string) *request {
	m := wire.Manifest{Channel: "stable", ChannelRef: wire.ChannelRef(ref), Policy: wire.Policy{
		OnHealthFailure: wire.RollbackAndHalt, Waves: []wire.Wave{{}},
	}}
	for _, h := range hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(h), TargetClosure: "c1"})
	}
	return r.arrive("operator:"+ref, &plane.OpenRollout{Manifest: m}, 0)
}

func (r *rig) revoke(name string) *request {
	return r.arrive("operator:"+name, &plane.Revoke{CommonName: wire.CommonName("agent-" + name), Before: r.instant().Wall}, 0)
}

// want wants that a request is answered with a code.
func (r *rig) want(q *request, code wire.Code) {
	r.t.Helper()
	if got, answered := r.answers[q]; !answered {
		r.t.Fatalf("%s is not answered; want %v", q.For, code)
	} else if got != code {
		r.t.Fatalf("%s is answered %v; want %v", q.For, got, code)
	}
}

// wantNone wants that requests are not answered.
func (r *rig) wantNone(list ...*request) {
	r.t.Helper()
	for _, q := range list {
		if got, answered := r.answers[q]; answered {
			r.t.Fatalf("%s is answered %v too early", q.For, got)
		}
	}
}

func (r *rig) wantOrder(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.order, want) {
		r.t.Fatalf("the answers are %v; want %v", r.order, want)
	}
	r.order = nil
}
