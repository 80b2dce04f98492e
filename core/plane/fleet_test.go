package plane_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// fleet is a random run of a plane: hosts with virtual agents, operators,
// strangers, time, crashes and wipes. Every property of this package watches
// the same kind of run, through its watch.
type fleet struct {
	t     *rapid.T
	cfg   plane.Config
	plane *plane.Plane
	watch watch

	mono time.Duration // the plane's monotonic clock
	wall time.Time     // the plane's wall clock, which people set now and then

	log    []plane.Entry // what is durable since the plane was made or wiped
	agents []*agent
	opened []wire.Manifest // in the order of opening
	refs   int             // channel refs given out
	// signings counts the releases that were signed; releases are the different ones.
	signings int
	releases []*plane.Release

	seen map[string]int // interesting things that happened
}

// watch is what a property wants to see of a run. Every member may be nil.
type watch struct {
	// allReplays says that no replay is put off (PROTOCOL H9).
	allReplays bool
	// noReleases says that no signed release comes (V4).
	noReleases bool
	// begin is called before a batch.
	begin func(f *fleet)
	// before is called before a step.
	before func(f *fleet, now wire.Instant, in plane.Input)
	// after is called after a step with what it alone put out.
	after func(f *fleet, now wire.Instant, in plane.Input, out *plane.Output)
	// batch is called when a batch is stepped, before it is made durable: with
	// the state that was durable before it, its inputs and its whole output.
	batch func(f *fleet, durable []byte, inputs []stepped, out *plane.Output)
	// replaced is called when the run goes on with another plane, before that
	// one is started.
	replaced func(f *fleet, why replacement)
}

// stepped is an input with the instant of its step.
type stepped struct {
	now wire.Instant
	in  plane.Input
}

// replacement says why a run goes on with another plane.
type replacement int

const (
	// wiped: everything is lost. The manifests are opened again (PROTOCOL R6).
	wiped replacement = iota
	// crashed: the batch that was stepped last is lost.
	crashed
	// restarted: nothing durable is lost; the plane is restored from it.
	restarted
	// reloaded: the plane is restored from a snapshot of its whole state.
	reloaded
)

// agent is a virtual host with its jobs in the order of taking them up.
type agent struct {
	name    wire.Hostname
	closure wire.Closure
	jobs    []*job
	// legacy agents never name a rollout in a heartbeat.
	legacy bool
	// dialect is that of all its requests.
	dialect wire.Dialect
	skew    time.Duration // of its clock
}

func (a *agent) String() string { return string(a.name) }

// request is an input and what becomes of its reply.
type request struct {
	after   time.Duration // since the input before
	in      plane.Input
	replied func(plane.Reply)
}

var (
	channels = []wire.Channel{"stable", "edge"}
	closures = []wire.Closure{"c1", "c2", "c3"}
)

// newFleet draws a fleet with a plane that has started.
func newFleet(t *rapid.T, w watch) *fleet {
	f := &fleet{
		t: t, watch: w, seen: map[string]int{}, wall: epoch,
		cfg: plane.Config{HeartbeatInterval: 2 * time.Second, StallAfter: time.Second,
			MaxReplays: 64},
	}
	if !w.allReplays {
		f.cfg.MaxReplays = rapid.SampledFrom([]int{64, 1, 2}).Draw(t, "replays")
	}
	for i := range rapid.SampledFrom([]int{3, 12, 1, 6}).Draw(t, "hosts") {
		a := &agent{
			name: wire.Hostname(fmt.Sprintf("h%02d", i)), closure: "c0", legacy: i%5 == 4,
			skew: time.Duration(i%3-1) * time.Hour,
		}
		if i%5 == 2 {
			a.dialect = wire.DialectField
		}
		f.agents = append(f.agents, a)
	}
	f.replace(wiped, nil)
	return f
}

// play runs a number of batches.
func (f *fleet) play(batches int) {
	for range batches {
		f.step(f.draw())
	}
}

// draw draws the requests of one batch.
func (f *fleet) draw() []request {
	var batch []request
	for range rapid.SampledFrom([]int{1, 2, 1, 4, 8}).Draw(f.t, "batch") {
		batch = append(batch, f.request()...)
	}
	return batch
}

// step steps a batch, makes it durable or crashes, and delivers the replies.
func (f *fleet) step(batch []request) {
	if f.watch.begin != nil {
		f.watch.begin(f)
	}
	durable := f.plane.AppendDurable(nil)
	var out plane.Output
	var inputs []stepped
	for _, r := range batch {
		f.mono += r.after
		f.wall = f.wall.Add(r.after)
		f.one(r.in, &out)
		inputs = append(inputs, stepped{f.now(), r.in})
	}
	if f.watch.batch != nil {
		f.watch.batch(f, durable, inputs, &out)
	}
	fate := rapid.IntRange(0, 200).Draw(f.t, "fate")
	crash := len(out.Entries) > 0 && 100 < fate && fate <= 104
	next := 0
	for _, r := range batch {
		if !plane.Replies(r.in) {
			continue
		}
		reply := out.Replies[next]
		next++
		if r.replied != nil && (!crash || reply.AfterEntries == 0) {
			r.replied(reply)
		}
	}
	if crash {
		f.replace(crashed, durable)
		return
	}
	f.log = append(f.log, out.Entries...)
	switch {
	case 110 < fate && fate <= 113:
		f.replace(wiped, nil)
	case 120 < fate && fate <= 123:
		f.replace(restarted, f.plane.AppendDurable(nil))
	case 130 < fate && fate <= 133:
		f.replace(reloaded, f.plane.AppendState(nil))
	}
}

// one steps one input into the output of its batch.
func (f *fleet) one(in plane.Input, out *plane.Output) {
	now := f.now()
	f.inDialect(in)
	if f.watch.before != nil {
		f.watch.before(f, now, in)
	}
	was := [...]int{len(out.Entries), len(out.Replies), len(out.Wakes), len(out.Notices)}
	changed := out.RevocationsChanged
	out.RevocationsChanged = false
	f.plane.Step(now, requested(in), out)
	own := &plane.Output{
		Entries: out.Entries[was[0]:], Replies: out.Replies[was[1]:], Wakes: out.Wakes[was[2]:],
		Notices: out.Notices[was[3]:], RevocationsChanged: out.RevocationsChanged,
	}
	out.RevocationsChanged = out.RevocationsChanged || changed
	f.count(in, own)
	if f.watch.after != nil {
		f.watch.after(f, now, in, own)
	}
}

// inDialect gives a request the dialect of its host.
func (f *fleet) inDialect(in plane.Input) {
	of := func(name wire.Hostname) wire.Dialect {
		if i := slices.IndexFunc(f.agents, func(a *agent) bool { return a.name == name }); i >= 0 {
			return f.agents[i].dialect
		}
		return wire.DialectRefrain
	}
	switch in := in.(type) {
	case *plane.Heartbeat:
		in.Dialect = of(in.Request.Hostname)
	case *plane.Event:
		in.Dialect = of(in.Envelope.Hostname)
	case *plane.Poll:
		in.Dialect = of(in.Hostname)
	}
}

func (f *fleet) now() wire.Instant { return wire.Instant{Mono: f.mono, Wall: wire.TimeOf(f.wall)} }

// replace goes on with a plane made of a state, in a new process: its clock
// starts anywhere.
func (f *fleet) replace(why replacement, state []byte) {
	p, err := plane.Restore(f.cfg, state)
	if err != nil {
		f.t.Fatalf("restoring: %v", err)
	}
	f.plane = p
	f.seen["plane "+[...]string{"wiped", "crashed", "restarted", "reloaded"}[why]]++
	if f.watch.replaced != nil {
		f.watch.replaced(f, why)
	}
	f.mono = time.Duration(rapid.SampledFrom([]int{0, 5, 100_000}).Draw(f.t, "uptime")) * time.Second
	var out plane.Output
	f.one(&plane.Started{}, &out)
	if why == wiped {
		f.log = nil
		for _, m := range arranged(f.opened) {
			f.one(m, &out)
		}
	}
	f.log = append(f.log, out.Entries...)
}

// count notes what a step was an example of.
func (f *fleet) count(in plane.Input, out *plane.Output) {
	for _, n := range out.Notices {
		f.seen["notice "+n.Kind.String()]++
		if n.Kind == plane.NoticeWave && n.Count > 0 {
			f.seen["a later wave"]++
		}
	}
	for _, r := range out.Replies {
		f.seen["reply "+r.Outcome.Code.String()]++
		switch {
		case len(r.Outcome.Heartbeat.Bootstrap) > 0:
			f.seen["bootstrap"]++
		case r.Outcome.Replay && r.Outcome.Code == wire.OK:
			f.seen["drift"]++
		}
		if d, ok := r.Outcome.Document.(*wire.Dispatch); ok && d.RolloutID != "" {
			f.seen["dispatch"]++
		}
		if _, beats := in.(*plane.Heartbeat); beats && r.AfterEntries > len(out.Entries) {
			f.seen["a heartbeat that needs an earlier entry of its batch"]++
		}
	}
	for _, e := range out.Entries {
		f.seen["entry "+string(e.Kind)+" "+string(e.Outcome)]++
	}
	stats := f.plane.Stats()
	for _, s := range wire.States {
		if stats.Records[s] > 0 {
			f.seen["state "+s.String()]++
		}
	}
	if _, isEvent := in.(*plane.Event); isEvent && len(out.Entries) == 0 && out.Replies[0].Outcome.Code == wire.NoContent {
		f.seen["duplicate"]++
	}
}

// agentsWork lists the jobs of an agent that are not at their end.
func (a *agent) work() []*job {
	var list []*job
	for _, j := range a.jobs {
		if j.outstanding() {
			list = append(list, j)
		}
	}
	return list
}

func (a *agent) job(id wire.RolloutID) *job {
	if i := slices.IndexFunc(a.jobs, func(j *job) bool { return j.id == id }); i >= 0 {
		return a.jobs[i]
	}
	return nil
}

// clock is the agent's own clock.
func (f *fleet) clock(a *agent) wire.Time { return wire.TimeOf(f.wall.Add(a.skew)) }

// manifest draws a manifest with a new ID.
func (f *fleet) manifest() wire.Manifest {
	f.refs++
	channel := rapid.SampledFrom(channels).Draw(f.t, "channel")
	waves := make([]string, rapid.IntRange(1, 3).Draw(f.t, "waves"))
	for i, a := range f.agents {
		if wave := rapid.IntRange(0, len(waves)).Draw(f.t, "wave"); wave < len(waves) || i == 0 {
			target := rapid.SampledFrom(closures).Draw(f.t, "target")
			wave = min(wave, len(waves)-1)
			waves[wave] = strings.TrimSpace(fmt.Sprintf("%s %s=%s", waves[wave], a.name, target))
		}
	}
	// Refs go up and down, so that the order of opening is not that of the IDs.
	m := manifest(wire.MakeRolloutID(channel, wire.ChannelRef(fmt.Sprintf("r%02d", f.refs*7%50))), waves...)
	for i := range m.Policy.Waves {
		m.Policy.Waves[i].SoakMinutes = wire.Count(i % 2)
	}
	switch rapid.IntRange(0, 3).Draw(f.t, "serial") {
	case 0, 1:
		m.Serial = wire.Serial(f.refs)
	case 2:
		m.Serial = wire.Serial(rapid.IntRange(1, f.refs).Draw(f.t, "any serial"))
	}
	f.gates(&m)
	return m
}
