package agent_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// world drives agents against a real plane through a bad network. It is a
// discrete-event simulation in one goroutine; everything follows from its seed.
type world struct {
	t    failer
	rng  *rand.Rand
	now  time.Duration
	seq  int
	todo queue

	plane     *plane.Plane
	planeLog  []plane.Entry
	planeDown bool
	fellBack  bool // it has lost state once
	manifests []wire.Manifest
	waiters   map[wire.Hostname]func(wire.Outcome)

	hosts []*machine
	story string // how to tell the same again
	net   weather
	trace func(format string, args ...any) // nil: nothing is traced
	// crashing, if set, says whether a machine crashes right after a step, and
	// how many of the step's appends are durable then.
	crashing func(*machine) (durable int, crash bool)
}

// weather is what the network does to requests and answers.
type weather struct {
	loss, dup, unavailable float64 // probabilities
	delay                  time.Duration
}

// epoch is what wall clocks show when the monotonic one shows 0.
var epoch = wire.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))

type happening struct {
	at  time.Duration
	seq int
	do  func()
}

type queue []happening

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(happening)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

func newWorld(t failer, seed uint64, hosts int) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), waiters: map[wire.Hostname]func(wire.Outcome){}}
	w.net.delay = 20 * time.Millisecond
	w.startPlane(nil)
	for i := range hosts {
		w.hosts = append(w.hosts, newMachine(w, wire.Hostname("h"+strconv.Itoa(i+1)), seed))
	}
	return w
}

// crashes asks crashing.
func (w *world) crashes(m *machine) (durable int, crash bool) {
	if w.crashing == nil {
		return 0, false
	}
	return w.crashing(m)
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.todo, happening{w.now + d, w.seq, do})
}

// run lets everything happen until an instant, or until enough is true, which
// is asked once a second.
func (w *world) run(until time.Duration, enough func() bool) bool {
	for asked := w.now; ; {
		if len(w.todo) == 0 || w.todo[0].at > until {
			w.now = until
			return enough != nil && enough()
		}
		h := heap.Pop(&w.todo).(happening)
		w.now = h.at
		h.do()
		if enough != nil && w.now >= asked+time.Second {
			if asked = w.now; enough() {
				return true
			}
		}
	}
}

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

func (w *world) draw(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(w.rng.Int64N(int64(most)))
}

// startPlane gives the world a plane that knows what the log says.
func (w *world) startPlane(log []plane.Entry) {
	p, err := plane.New(plane.Config{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range log {
		if err := p.Apply(e); err != nil {
			w.t.Fatal(err)
		}
	}
	w.plane, w.planeLog, w.planeDown = p, append([]plane.Entry(nil), log...), false
	w.waiters = map[wire.Hostname]func(wire.Outcome){}
	w.stepPlane(&plane.Started{})
	w.tick(p)
}

// tick steps the plane's ticks for as long as it is the world's.
func (w *world) tick(p *plane.Plane) {
	w.after(p.Config().TickEvery(), func() {
		if w.plane == p {
			w.stepPlane(&plane.Tick{})
			w.tick(p)
		}
	})
}

// stepPlane steps one input and returns its reply; all else of the output is
// carried out at once, so the plane's disk is perfect.
func (w *world) stepPlane(in plane.Input) wire.Outcome {
	var out plane.Output
	w.plane.Step(wire.Instant{Mono: w.now, Wall: epoch.Add(w.now)}, in, &out)
	w.planeLog = append(w.planeLog, out.Entries...)
	for _, host := range out.Wakes {
		if answer := w.waiters[host]; answer != nil {
			delete(w.waiters, host)
			w.after(0, func() { w.pollPlane(host, 0, answer) })
		}
	}
	if len(out.Replies) == 0 {
		return wire.Outcome{}
	}
	return out.Replies[0].Outcome
}

func (w *world) open(m wire.Manifest) {
	w.manifests = append(w.manifests, m)
	w.logf("operator opens %s", m.ID())
	for _, h := range w.hosts {
		h.policies[m.ID()] = m.Policy.OnHealthFailure
	}
	w.reopen()
}

// reopen opens every manifest in order; one that is known already stays as it
// is.
func (w *world) reopen() {
	for _, m := range w.manifests {
		if o := w.stepPlane(&plane.OpenRollout{Manifest: m}); o.Code != wire.Created && o.Code != wire.OK {
			w.t.Fatalf("open %s: %v %s", m.ID(), o.Code, o.Detail)
		}
	}
}

// losePlane puts the plane back to the first keep entries of its log, and opens
// what it then lacks after a while, as R6 has it.
func (w *world) losePlane(keep int, reopen time.Duration) {
	w.logf("plane falls back to %d of %d entries", keep, len(w.planeLog))
	w.startPlane(w.planeLog[:keep])
	w.fellBack = true
	current := w.plane
	w.after(reopen, func() {
		if w.plane == current {
			w.reopen()
		}
	})
}

// deliver takes a request to the plane and answers it, mostly once.
func (w *world) deliver(r agent.Request, answer func(wire.Outcome)) {
	if w.planeDown {
		return
	}
	if w.chance(w.net.unavailable) {
		answer(wire.Unavailable(wire.UnavailableCodes[w.rng.IntN(5)], w.draw(30*time.Second)))
		return
	}
	switch r.Kind {
	case agent.RequestHeartbeat:
		answer(w.stepPlane(&plane.Heartbeat{Request: r.Heartbeat}))
	case agent.RequestEvent:
		answer(w.stepPlane(&plane.Event{Envelope: r.Event}))
	case agent.RequestPoll:
		panic("polls go to pollPlane")
	}
}

// pollPlane answers a poll at once, or when work comes, or when it has waited.
func (w *world) pollPlane(host wire.Hostname, wait time.Duration, answer func(wire.Outcome)) {
	if w.planeDown {
		return
	}
	o := w.stepPlane(&plane.Poll{Hostname: host})
	if o.Code != wire.NoContent || wait == 0 {
		answer(o)
		return
	}
	if older := w.waiters[host]; older != nil {
		older(o)
	}
	current := w.plane
	waiting := true
	once := func(o wire.Outcome) {
		waiting = false
		answer(o)
	}
	w.waiters[host] = once
	w.after(wait, func() {
		if waiting && w.plane == current {
			delete(w.waiters, host)
			once(wire.Outcome{Code: wire.NoContent})
		}
	})
}

// answerOf turns an outcome into what a client sees of it.
func answerOf(o *wire.Outcome) agent.Answer {
	var a wire.Answer
	o.Write("", &a)
	x := agent.Answer{Status: a.Status}
	if v := a.Get(wire.HeaderReplayFrom); v != "" {
		n, err := wire.ParseSeq(v)
		if err != nil {
			panic(err)
		}
		x.Replay, x.ReplayFrom = true, n
	}
	if v := a.Get(wire.HeaderRetryAfter); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			panic(err)
		}
		x.RetryAfter = time.Duration(n) * time.Second
	}
	return x
}

func manifest(id wire.RolloutID, policy wire.HealthPolicy, soakMinutes wire.Count, target func(wire.Hostname) wire.Closure, hosts ...wire.Hostname) wire.Manifest {
	m := wire.Manifest{
		Channel: id.Channel(), ChannelRef: wire.ChannelRef(string(id)[len(id.Channel())+1:]),
		Policy: wire.Policy{OnHealthFailure: policy, Waves: []wire.Wave{{SoakMinutes: soakMinutes}}},
	}
	for _, h := range hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: h, TargetClosure: target(h)})
	}
	return m
}

// toClosure is a target that is the same for every host.
func toClosure(c wire.Closure) func(wire.Hostname) wire.Closure {
	return func(wire.Hostname) wire.Closure { return c }
}

func (w *world) traced() bool { return w.trace != nil }

func (w *world) logf(format string, args ...any) {
	if w.trace == nil {
		return
	}
	w.trace("%10v %s", w.now, fmt.Sprintf(format, args...))
}

// failer is what a world needs of a test; rapid's have no more.
type failer interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Helper()
}
