package plane_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

const (
	interval = 60 * time.Second // Config{}.HeartbeatInterval
	stall    = 10 * time.Second // Config{}.StallAfter
)

// epoch is both clocks' zero: the plane's wall clock at Mono 0, and the time
// that agents' instants are counted from.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is an instant of an agent's clock, s seconds after the epoch.
func at(s int) wire.Time { return wire.TimeOf(epoch.Add(time.Duration(s) * time.Second)) }

// instant is the plane's now, d after the epoch.
func instant(d time.Duration) wire.Instant {
	return wire.Instant{Mono: d, Wall: wire.TimeOf(epoch.Add(d))}
}

// harness holds a plane, its clock and the output of the batch that is open.
type harness struct {
	t     testing.TB
	plane *plane.Plane
	now   time.Duration
	out   plane.Output
}

// started returns a harness with a plane that knows nothing and has started.
func started(t testing.TB) *harness {
	t.Helper()
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	b := &harness{t: t, plane: p}
	b.step(&plane.Started{})
	return b
}

// step takes one input as a batch of its own and returns the reply, if the
// input has one.
func (b *harness) step(in plane.Input) plane.Reply {
	b.t.Helper()
	b.out.Reset()
	return b.add(in)
}

// add takes one input into the batch that is open and returns its reply.
func (b *harness) add(in plane.Input) plane.Reply {
	b.t.Helper()
	before := len(b.out.Replies)
	b.plane.Step(instant(b.now), in, &b.out)
	if err := b.plane.Check(); err != nil {
		b.t.Fatalf("after %v: %v", in, err)
	}
	if !plane.Replies(in) {
		return plane.Reply{}
	}
	if len(b.out.Replies) != before+1 {
		b.t.Fatalf("%v made %d replies; want 1", in, len(b.out.Replies)-before)
	}
	return b.out.Replies[before]
}

// want takes one input as a batch of its own and wants the code.
func (b *harness) want(code wire.Code, in plane.Input) plane.Reply {
	b.t.Helper()
	r := b.step(in)
	if r.Outcome.Code != code {
		b.t.Fatalf("%v: got %v; want %v", in, r, code)
	}
	return r
}

// tickFor moves the clock by d with a tick at least every five seconds, as a
// healthy driver does, and returns the notices.
func (b *harness) tickFor(d time.Duration) []plane.Notice {
	b.t.Helper()
	var notices []plane.Notice
	for end := b.now + d; b.now < end; {
		b.now = min(b.now+stall/2, end)
		b.step(&plane.Tick{})
		notices = append(notices, b.out.Notices...)
	}
	return notices
}

// durable is the durable state as text.
func (b *harness) durable() string { return string(b.plane.AppendDurable(nil)) }

// record asks for the record of a host in a rollout, as an operator would.
func (b *harness) record(id wire.RolloutID, h wire.Hostname) wire.RecordStatus {
	b.t.Helper()
	for _, rec := range b.hostStatus(h).Records {
		if rec.Snapshot.RolloutID == id {
			return rec
		}
	}
	b.t.Fatalf("host %s has no record of %s", h, id)
	return wire.RecordStatus{}
}

func (b *harness) hostStatus(h wire.Hostname) *wire.HostStatus {
	b.t.Helper()
	return answered[*wire.HostStatus](b.t, b.plane, instant(b.now), &plane.QueryHost{Hostname: h})
}

func (b *harness) rolloutStatus(id wire.RolloutID) *wire.RolloutStatus {
	b.t.Helper()
	return answered[*wire.RolloutStatus](b.t, b.plane, instant(b.now), &plane.QueryRollout{RolloutID: id, Limit: plane.MaxLimit})
}

// answered steps a query apart from any batch and returns its document.
func answered[D wire.Document](t rapid.TB, p *plane.Plane, now wire.Instant, query plane.Input) D {
	t.Helper()
	var out plane.Output
	p.Step(now, query, &out)
	doc, ok := out.Replies[0].Outcome.Document.(D)
	if !ok {
		t.Fatalf("%v: %v", query, out.Replies[0])
	}
	return doc
}

// manifest makes a manifest of one wave for each string of space-separated
// host=closure pairs. The waves have no soak time.
func manifest(id wire.RolloutID, waves ...string) wire.Manifest {
	_, ref, _ := strings.Cut(string(id), "@")
	m := wire.Manifest{
		Channel: id.Channel(), ChannelRef: wire.ChannelRef(ref),
		Policy: wire.Policy{OnHealthFailure: wire.RollbackAndHalt},
	}
	for i, wave := range waves {
		m.Policy.Waves = append(m.Policy.Waves, wire.Wave{})
		for _, pair := range strings.Fields(wave) {
			host, target, _ := strings.Cut(pair, "=")
			m.Hosts = append(m.Hosts, wire.ManifestHost{
				Hostname: wire.Hostname(host), Wave: wire.Count(i), TargetClosure: wire.Closure(target),
			})
		}
	}
	return m
}

func open(id wire.RolloutID, waves ...string) *plane.OpenRollout {
	return &plane.OpenRollout{Manifest: manifest(id, waves...)}
}

func heartbeat(h wire.Hostname, id wire.RolloutID, c wire.Closure) *plane.Heartbeat {
	return &plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: h, RolloutID: id, CurrentClosure: c, At: at(0)}}
}

func event(h wire.Hostname, id wire.RolloutID, seq wire.Seq, body wire.EventBody) *plane.Event {
	return &plane.Event{Envelope: wire.EventEnvelope{Hostname: h, RolloutID: id, Event: wire.Event{Seq: seq, Body: body}}}
}

// The steps of an ordinary history of a host that goes from c1 to c2.
var (
	acked      = wire.DispatchAck{CurrentClosureAtDispatch: "c1", ReceivedAt: at(1)}
	begun      = wire.ActivationStarted{StartedAt: at(2), SwitchMethod: "switch"}
	putOff     = wire.ActivationDeferred{Component: "kernel", DeferredAt: at(3)}
	switched   = wire.ActivationCompleted{ObservedCurrentClosure: "c2", CompletedAt: at(4)}
	broken     = wire.ActivationFailed{ExitCode: 4, FailedAt: at(4)}
	unhealthy  = wire.HealthFailed{FailedAt: at(130), SustainedDurationSecs: 120, PolicyApplied: wire.RollbackAndHalt}
	rolledBack = wire.RollbackComplete{RevertedToClosure: "c1", CompletedAt: at(131)}
	arrived    = wire.HostConverged{ConvergedAt: at(600), CurrentClosure: "c2"}
)

// tell sends bodies as the events of a host that follow the record's last, and
// wants each to be taken.
func (b *harness) tell(h wire.Hostname, id wire.RolloutID, bodies ...wire.EventBody) {
	b.t.Helper()
	for _, body := range bodies {
		seq := b.record(id, h).Snapshot.LastEventSeq + 1
		b.want(wire.NoContent, event(h, id, seq, body))
	}
}

// kinds lists the kinds of the notices of the batch.
func (b *harness) kinds() string {
	var words []string
	for _, n := range b.out.Notices {
		words = append(words, n.Kind.String())
	}
	return strings.Join(words, " ")
}

// text writes everything of an output, to the last byte of its documents.
func text(o *plane.Output) string {
	var s strings.Builder
	for i := range o.Entries {
		e := &o.Entries[i]
		fmt.Fprintf(&s, "entry %d at=%v host=%s rollout=%s kind=%s outcome=%s %s\n",
			e.Number, e.At, e.Hostname, e.RolloutID, e.Kind, e.Outcome, inputText(e.Input))
	}
	for i := range o.Replies {
		r := &o.Replies[i]
		fmt.Fprintf(&s, "reply needs=%d %s\n", r.AfterEntries, outcomeText(&r.Outcome))
	}
	for _, h := range o.Wakes {
		fmt.Fprintf(&s, "wake %s\n", h)
	}
	for _, n := range o.Notices {
		fmt.Fprintf(&s, "notice %+v\n", n)
	}
	if o.RevocationsChanged {
		s.WriteString("revocations changed\n")
	}
	return s.String()
}

// outcomeText is the answer that an outcome becomes on the wire.
func outcomeText(o *wire.Outcome) string {
	var a wire.Answer
	o.Write("", &a)
	return fmt.Sprintf("%d %v %s", a.Status, a.Header, a.Body)
}

// inputText is an input with the whole of its document.
func inputText(in plane.Input) string {
	switch in := in.(type) {
	case *plane.Event:
		return "event " + string(wire.EventEnvelopeSchema.Append(nil, &in.Envelope))
	case *plane.OpenRollout:
		return "open " + string(in.Manifest.AppendJSON(nil))
	default:
		return in.String()
	}
}

func equal[T comparable](t rapid.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v; want %v", what, got, want)
	}
}
