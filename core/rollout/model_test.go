package rollout_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// plain is a second, slow record: words in maps, and the grid of
// transition_test.go for a state machine. It shares no code with the package.
type plain struct {
	state    string
	last     int
	soak     int
	times    map[string]wire.Time
	closures map[string]wire.Closure
	synth    map[string]bool
	probes   map[wire.Name]map[string]any
}

func newPlain() *plain {
	return &plain{
		state: "P", soak: soakSeconds, times: map[string]wire.Time{}, closures: map[string]wire.Closure{},
		synth: map[string]bool{}, probes: map[wire.Name]map[string]any{},
	}
}

// render writes everything; fmt sorts maps.
func (m *plain) render() string {
	return fmt.Sprint(m.state, m.last, m.times, m.closures, m.synth, m.probes)
}

// renderRecord writes a record the way render writes a plain one.
func renderRecord(r *rollout.Record) string {
	m := newPlain()
	m.state, m.last = r.State.String()[:1], int(r.LastEventSeq)
	for name, t := range map[string]wire.Time{
		"dispatched": r.DispatchedAt, "acked": r.DispatchAckedAt, "started": r.ActivationStartedAt,
		"completed": r.ActivationCompletedAt, "due": r.SoakDueAt, "ended": r.EndedAt,
	} {
		if t.IsSet() {
			m.times[name] = t
		}
	}
	for name, c := range map[string]wire.Closure{"before": r.CurrentClosureAtDispatch, "current": r.CurrentClosure} {
		if c != "" {
			m.closures[name] = c
		}
	}
	for name, mark := range map[string]rollout.Marks{
		"acked": rollout.MarkDispatchAckedAt, "completed": rollout.MarkActivationCompletedAt,
		"due": rollout.MarkSoakDueAt, "current": rollout.MarkCurrentClosure,
	} {
		if r.Marks.Has(mark) {
			m.synth[name] = true
		}
	}
	for _, p := range r.Probes {
		known := map[string]any{"mode": p.Mode}
		if p.Status != 0 {
			known["status"] = p.Status
		}
		for name, t := range map[string]wire.Time{"observed": p.FirstObservedAt, "last": p.LastObservedAt, "failed": p.FirstFailedAt} {
			if t.IsSet() {
				known[name] = t
			}
		}
		m.probes[p.Name] = known
	}
	return m.render()
}

func (m *plain) column() string {
	if m.state == "S" && m.synth["completed"] {
		return "*"
	}
	return m.state
}

// event judges and takes an event.
func (m *plain) event(ev wire.Event) string {
	seq, kind := int(ev.Seq), ev.Body.Kind().String()
	cell := cells[kind][m.column()]
	refusal := "rejected"
	if seq > m.last+1 && strings.Contains("PADS", m.state) { // nothing that is missing helps a record at its end
		refusal = "gap"
	}
	switch {
	case seq <= m.last:
		return "duplicate"
	case cell == "-":
		return refusal
	case m.anew(ev.Body):
		m.times["completed"], m.times["due"] = ev.Body.At(), wire.TimeOf(ev.Body.At().Std().Add(soakSeconds*1e9))
		m.closures["current"], m.state, m.last = target, "S", seq
		m.synth = map[string]bool{"acked": m.synth["acked"]}
		if !m.synth["acked"] {
			clear(m.synth)
		}
		clear(m.probes)
		delete(m.times, "ended")
		return "applied"
	case cell == "=":
		if !m.agrees(ev.Body) {
			return refusal
		}
		m.absorb(ev.Body, cell)
		m.last = seq
		return "absorbed"
	case kind == "Converged" && !m.converges(ev.Body.(wire.HostConverged)):
		return refusal
	default:
		m.apply(ev.Body, cell)
		m.last = seq
		return "applied"
	}
}

// anew is E13.
func (m *plain) anew(body wire.EventBody) bool {
	b, is := body.(wire.ActivationCompleted)
	ended, there := m.times["ended"]
	return is && m.state == "F" && there && b.ObservedCurrentClosure == target && b.CompletedAt.Std().After(ended.Std())
}

func (m *plain) agrees(body wire.EventBody) bool {
	switch b := body.(type) {
	case wire.ActivationCompleted:
		c := b.ObservedCurrentClosure
		switch {
		case m.synth["current"]:
			return true
		case m.state == "R", m.closures["current"] == "":
			return c == target
		default:
			return c == m.closures["current"]
		}
	case wire.RollbackComplete:
		return b.RevertedToClosure == m.closures["current"]
	case wire.HostConverged:
		return b.CurrentClosure == target
	default:
		return true
	}
}

func (m *plain) converges(b wire.HostConverged) bool {
	for _, p := range m.probes {
		if p["mode"] == wire.Enforce && p["status"] != wire.Pass {
			return false
		}
	}
	late := func(due wire.Time) bool { return !b.ConvergedAt.Std().Before(due.Std()) }
	soaked := m.times["completed"].Std().Add(soakSeconds * 1e9)
	return b.CurrentClosure == target && (late(m.times["due"]) || late(wire.TimeOf(soaked)))
}

// fill sets an instant that is missing or synthesised.
func (m *plain) fill(name string, t wire.Time) {
	if _, there := m.times[name]; !there || m.synth[name] {
		m.times[name] = t
		delete(m.synth, name)
	}
}

// learn is what an event reports of the way to Soaking.
func (m *plain) learn(body wire.EventBody) {
	switch b := body.(type) {
	case wire.DispatchAck:
		m.fill("acked", b.ReceivedAt)
		if m.closures["before"] == "" {
			m.closures["before"] = b.CurrentClosureAtDispatch
		}
	case wire.ActivationStarted:
		m.fill("started", b.StartedAt)
	case wire.ActivationCompleted:
		m.fill("completed", b.CompletedAt)
		m.fill("due", wire.TimeOf(m.times["completed"].Std().Add(soakSeconds*1e9)))
		if m.closures["current"] == "" || m.synth["current"] {
			m.closures["current"] = b.ObservedCurrentClosure
			delete(m.synth, "current")
		}
	}
}

func (m *plain) absorb(body wire.EventBody, _ string) {
	m.learn(body)
	_, ended := m.times["ended"]
	leads := map[string]string{"ActivationFailed": "F", "Failed": "F", "RollbackComplete": "R", "Converged": "C"}
	if leads[body.Kind().String()] == m.state && !ended {
		m.times["ended"] = body.At()
	}
}

func (m *plain) apply(body wire.EventBody, to string) {
	m.learn(body)
	probe := func(name wire.Name, mode wire.Mode) map[string]any {
		if m.probes[name] == nil {
			m.probes[name] = map[string]any{}
		}
		m.probes[name]["mode"] = mode
		return m.probes[name]
	}
	switch b := body.(type) {
	case wire.ActivationCompleted:
		clear(m.probes)
	case wire.ActivationFailed:
		if m.synth["completed"] {
			clear(m.probes)
			delete(m.times, "completed")
			delete(m.closures, "current")
			if m.synth["due"] {
				delete(m.times, "due")
			}
			delete(m.synth, "completed")
			delete(m.synth, "current")
			delete(m.synth, "due")
		}
	case wire.ProbeTopologyDeclared:
		old := maps.Clone(m.probes)
		clear(m.probes)
		for _, d := range b.Probes {
			if m.probes[d.ProbeName] == nil && old[d.ProbeName] != nil {
				m.probes[d.ProbeName] = old[d.ProbeName]
			}
			probe(d.ProbeName, d.Mode)
		}
	case wire.ProbeObservedFirst:
		p := probe(b.ProbeName, b.Mode)
		if p["observed"] == nil {
			p["observed"] = b.ObservedAt
		}
	case wire.ProbeResult:
		p := probe(b.ProbeName, b.Mode)
		p["status"], p["last"] = b.Status, b.ObservedAt
		if b.Status == wire.Pass {
			delete(p, "failed")
		}
	case wire.ProbeFailureFirst:
		p := probe(b.ProbeName, b.Mode)
		if p["status"] != wire.Pass && p["failed"] == nil {
			p["failed"] = b.FirstFailedAt
		}
	case wire.RollbackComplete:
		m.closures["current"] = b.RevertedToClosure
		delete(m.synth, "current")
	case wire.HostConverged:
		m.closures["current"] = b.CurrentClosure
		delete(m.synth, "current")
		clear(m.probes)
	}
	m.state = to
	if strings.Contains("CFR", to) {
		m.times["ended"] = body.At()
	}
}

func (m *plain) confirm(c wire.Closure, t wire.Time) bool {
	if c != target || !strings.Contains("PAD", m.state) {
		return false
	}
	for name, value := range map[string]wire.Time{"acked": t, "completed": t, "due": wire.TimeOf(t.Std().Add(soakSeconds * 1e9))} {
		if _, there := m.times[name]; !there {
			m.times[name], m.synth[name] = value, true
		}
	}
	m.closures["current"], m.synth["current"] = target, true
	m.state = "S"
	return true
}

func (m *plain) dispatch(t wire.Time) {
	if _, there := m.times["dispatched"]; m.state == "P" && !there {
		m.times["dispatched"], m.times["due"] = t, wire.TimeOf(t.Std().Add(soakSeconds*1e9))
	}
}

var (
	drawTime    = rapid.Map(rapid.IntRange(0, 1200), at)
	drawClosure = rapid.SampledFrom([]wire.Closure{target, target, was, other})
	drawProbe   = rapid.SampledFrom([]wire.Name{"db", "disk", "http"})
	drawMode    = rapid.SampledFrom([]wire.Mode{wire.Enforce, wire.Enforce, wire.Observe, wire.Disabled})
	drawStatus  = rapid.SampledFrom([]wire.ProbeStatus{wire.Pass, wire.Pass, wire.Fail})
)

// drawBody draws an event of the kind; its members may say anything.
func drawBody(t *rapid.T, kind wire.EventKind) wire.EventBody {
	when := drawTime.Draw(t, "at")
	switch kind {
	case wire.KindDispatchAck:
		return wire.DispatchAck{CurrentClosureAtDispatch: drawClosure.Draw(t, "closure"), ReceivedAt: when}
	case wire.KindActivationStarted:
		return wire.ActivationStarted{StartedAt: when, SwitchMethod: "switch"}
	case wire.KindActivationCompleted:
		return wire.ActivationCompleted{ObservedCurrentClosure: drawClosure.Draw(t, "closure"), CompletedAt: when}
	case wire.KindActivationDeferred:
		return wire.ActivationDeferred{Component: "kernel", DeferredAt: when}
	case wire.KindActivationFailed:
		return wire.ActivationFailed{ExitCode: 1, FailedAt: when}
	case wire.KindProbeTopologyDeclared:
		b := wire.ProbeTopologyDeclared{DeclaredAt: when}
		for range rapid.IntRange(0, 4).Draw(t, "probes") {
			b.Probes = append(b.Probes, wire.ProbeDeclaration{ProbeName: drawProbe.Draw(t, "probe"), ProbeKind: "tcp", Mode: drawMode.Draw(t, "mode")})
		}
		return b
	case wire.KindProbeObservedFirst:
		return wire.ProbeObservedFirst{ProbeName: drawProbe.Draw(t, "probe"), Mode: drawMode.Draw(t, "mode"), ObservedAt: when}
	case wire.KindProbeResult:
		return wire.ProbeResult{ProbeName: drawProbe.Draw(t, "probe"), Mode: drawMode.Draw(t, "mode"), Status: drawStatus.Draw(t, "status"), ObservedAt: when}
	case wire.KindProbeFailureFirst:
		return wire.ProbeFailureFirst{ProbeName: drawProbe.Draw(t, "probe"), Mode: drawMode.Draw(t, "mode"), FirstFailedAt: when}
	case wire.KindFailed:
		return wire.HealthFailed{FailedAt: when, SustainedDurationSecs: 120, PolicyApplied: wire.RollbackAndHalt}
	case wire.KindRollbackComplete:
		return wire.RollbackComplete{RevertedToClosure: drawClosure.Draw(t, "closure"), CompletedAt: when}
	default:
		return wire.HostConverged{ConvergedAt: when, CurrentClosure: drawClosure.Draw(t, "closure")}
	}
}

// Whatever comes in whatever order, the record does what the plain one does.
// After every step its number has not fallen, its transition is one of the
// table, and its invariants hold.
func TestARecordDoesWhatThePlainModelDoes(t *testing.T) { // PROTOCOL E, H4, S2, S3
	rapid.Check(t, func(t *rapid.T) {
		r, m := fresh(), newPlain()
		from, last := "P", wire.Seq(0)
		event := func(t *rapid.T) {
			kinds := wire.EventKinds[:]
			if rapid.IntRange(0, 2).Draw(t, "bias") > 0 { // most of the time, something that is taken
				kinds = slices.DeleteFunc(slices.Clone(kinds), func(k wire.EventKind) bool { return cells[k.String()][m.column()] == "-" })
			}
			seq := max(0, m.last+rapid.SampledFrom([]int{-1, 0, 1, 1, 1, 1, 1, 2, 3, 5}).Draw(t, "ahead"))
			ev := wire.Event{Seq: wire.Seq(seq), Body: drawBody(t, rapid.SampledFrom(kinds).Draw(t, "kind"))}
			before := renderRecord(&r)
			judged := r.Judge(ev)
			if renderRecord(&r) != before {
				t.Fatalf("Judge(%v) changed the record", ev)
			}
			adds := !r.AddsNothing(wire.DialectRefrain, ev)
			if renderRecord(&r) != before {
				t.Fatalf("AddsNothing(%v) changed the record", ev)
			}
			number := r.LastEventSeq
			ended := !r.State.Active()
			got := r.Apply(ev)
			after := r.Clone()
			after.LastEventSeq = number
			if nothing := ended && got.Outcome == rollout.Absorbed && renderRecord(&after) == before; adds == nothing {
				t.Fatalf("%v adds something: %v; it was %v on\n%s\nand gave\n%s", ev, adds, got.Outcome, before, renderRecord(&r))
			}
			if got != judged {
				t.Fatalf("%v: Judge says %+v, Apply says %+v", ev, judged, got)
			}
			if want := m.event(ev); got.Outcome.String() != want {
				t.Fatalf("%v is %v (%s), want %s\n%s", ev, got.Outcome, got.Detail, want, before)
			}
			taken := got.Outcome == rollout.Applied || got.Outcome == rollout.Absorbed
			if !taken && renderRecord(&r) != before {
				t.Fatalf("%v was %v and changed the record", ev, got.Outcome)
			}
			if to := r.State.String()[:1]; to != from && !strings.Contains("P→A A→D A→S D→S A→F D→F S→F F→R F→S S→C", from+"→"+to) {
				t.Fatalf("%v went from %s to %s", ev, from, to)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"event":  event,
			"event2": event,
			"event3": event,
			"confirm": func(t *rapid.T) {
				c, when := drawClosure.Draw(t, "closure"), drawTime.Draw(t, "at")
				if got, want := r.Confirm(c, when), m.confirm(c, when); got != want {
					t.Fatalf("Confirm is %v, want %v", got, want)
				}
			},
			"dispatch": func(t *rapid.T) {
				when := drawTime.Draw(t, "at")
				r.Dispatch(when)
				m.dispatch(when)
			},
			"reread": func(t *rapid.T) { r = reread(t, &r) },
			"": func(t *rapid.T) {
				if got, want := renderRecord(&r), m.render(); got != want {
					t.Fatalf("the record is\n%s, want\n%s", got, want)
				}
				if err := r.Check(); err != nil {
					t.Fatal(err)
				}
				if r.LastEventSeq < last {
					t.Fatalf("lastEventSeq fell from %d to %d", last, r.LastEventSeq)
				}
				from, last = r.State.String()[:1], r.LastEventSeq
			},
		})
	})
}
