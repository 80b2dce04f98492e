package plane_test

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestWhatIsTakenIsAnEntryAndWaitsForIt(t *testing.T) { // PROTOCOL E2, E4, E5
	b := inState(t, wire.Soaking)
	for _, c := range []struct {
		seq     wire.Seq
		body    wire.EventBody
		outcome wire.Name
	}{
		{3, wire.ProbeObservedFirst{ProbeName: "http", Mode: wire.Observe, ObservedAt: at(5)}, "applied"},
		{4, acked, "absorbed"},
		{7, switched, "absorbed"},
		{9, arrived, "applied"},
	} {
		in := event("h1", "stable@r1", c.seq, c.body)
		r := b.want(wire.NoContent, in)
		equal(t, "needs of "+in.String(), r.AfterEntries, 1)
		if len(b.out.Entries) != 1 {
			t.Fatalf("%v: %d entries", in, len(b.out.Entries))
		}
		e := b.out.Entries[0]
		equal(t, "the outcome of "+in.String(), e.Outcome, c.outcome)
		equal(t, "the kind of "+in.String(), e.Kind, wire.Name(c.body.Kind().String()))
		equal(t, "the host of "+in.String(), e.Hostname, "h1")
		equal(t, "the rollout of "+in.String(), e.RolloutID, "stable@r1")
		equal(t, "the entry's input of "+in.String(), inputText(e.Input), inputText(in))
		equal(t, "the record's number after "+in.String(), b.record("stable@r1", "h1").Snapshot.LastEventSeq, c.seq)
	}
}

func TestADuplicateChangesNothing(t *testing.T) { // PROTOCOL E3
	for _, s := range wire.States[1:] {
		b := inState(t, s)
		before := b.durable()
		for seq := wire.Seq(1); seq <= b.record("stable@r1", "h1").Snapshot.LastEventSeq; seq++ {
			for _, body := range []wire.EventBody{acked, begun, putOff, switched, broken, unhealthy, rolledBack, arrived} {
				r := b.want(wire.NoContent, event("h1", "stable@r1", seq, body))
				equal(t, "needs", r.AfterEntries, 0)
				equal(t, "entries", len(b.out.Entries), 0)
				equal(t, "notices", len(b.out.Notices), 0)
				equal(t, "the durable state", b.durable(), before)
			}
		}
		if got := b.plane.Stats().Duplicates; got == 0 {
			t.Errorf("%v: no duplicate was counted", s)
		}
	}
}

func TestARefusedEventChangesNothing(t *testing.T) { // PROTOCOL E1, E6, E7
	b := inState(t, wire.Soaking)
	before := b.durable()
	early := wire.HostConverged{ConvergedAt: at(-1), CurrentClosure: "c2"}
	for _, c := range []struct {
		what string
		seq  wire.Seq
		body wire.EventBody
		code wire.Code
	}{
		{"not legal", 3, rolledBack, wire.Rejected},
		{"not legal, after a gap", 4, rolledBack, wire.Gap},
		{"before the soak is over", 3, early, wire.Rejected},
		{"before the soak is over, after a gap", 9, early, wire.Gap},
		{"of another closure", 3, wire.HostConverged{ConvergedAt: at(600), CurrentClosure: "c1"}, wire.Rejected},
		{"a completion of another closure", 3, wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: at(4)}, wire.Rejected},
	} {
		r := b.want(c.code, event("h1", "stable@r1", c.seq, c.body))
		equal(t, c.what+": Replay-From", r.Outcome.Replay, c.code == wire.Gap)
		if r.Outcome.Replay {
			equal(t, c.what+": its number", r.Outcome.ReplayFrom, 2)
		}
		equal(t, c.what+": entries", len(b.out.Entries), 0)
		equal(t, c.what+": the durable state", b.durable(), before)
	}
	stats := b.plane.Stats()
	equal(t, "gaps counted", stats.Gaps, 2)
	equal(t, "rejections counted", stats.Rejected, 4)
	equal(t, "replays counted", stats.ReplaysAsked, 2)
}

func TestAnUnknownPairIsRefusedAndTheHostIsHeard(t *testing.T) { // PROTOCOL E8, L1
	b := inState(t, wire.Soaking)
	before := b.durable()
	for _, in := range []*plane.Event{
		event("h2", "stable@r1", 1, acked), event("h1", "stable@r2", 1, acked), event("h3", "edge@r1", 7, arrived),
	} {
		r := b.want(wire.UnknownRollout, in)
		equal(t, in.String()+": Replay-From", r.Outcome.Replay, false)
		equal(t, in.String()+": entries", len(b.out.Entries), 0)
		equal(t, in.String()+": the durable state", b.durable(), before)
		equal(t, in.String()+": silence", b.hostStatus(in.Envelope.Hostname).SilentSeconds, 0)
	}
}

func TestEventsOfASupersededRolloutAreTaken(t *testing.T) { // PROTOCOL R1
	for _, s := range wire.States {
		b := started(t)
		b.step(open("stable@r1", "h1=c2"))
		b.step(open("stable@r2", "h1=c3"))
		b.tell("h1", "stable@r1", ways[s]...)
		equal(t, "the record", b.record("stable@r1", "h1").Snapshot.State, s)
		equal(t, "the rollout", b.rolloutStatus("stable@r1").State, wire.Superseded)
		equal(t, "what halted it", b.rolloutStatus("stable@r1").HaltedBy, "")
		equal(t, "the newer rollout", b.rolloutStatus("stable@r2").State, wire.Opening)
	}
}

func TestTheCallerMayUseAnInputAgain(t *testing.T) {
	b := started(t)
	first := open("stable@r1", "h1=c2", "h2=c2")
	b.add(first)
	second := event("h1", "stable@r1", 1, acked)
	b.add(second)
	entries := text(&b.out)
	*first = plane.OpenRollout{Manifest: manifest("edge@r9", "h7=c7")}
	*second = *event("h8", "edge@r9", 5, arrived)
	equal(t, "the output", text(&b.out), entries)
}

// An entry shares the slices of its input; the plane itself keeps none of them.
func TestThePlaneKeepsNoSliceOfAnInput(t *testing.T) {
	b := started(t)
	first := open("stable@r1", "h1=c2", "h2=c2")
	b.step(first)
	b.tell("h1", "stable@r1", acked, switched)
	probes := wire.ProbeTopologyDeclared{DeclaredAt: at(5), Probes: []wire.ProbeDeclaration{{ProbeName: "http", ProbeKind: "tcp", Mode: wire.Enforce}}}
	b.tell("h1", "stable@r1", probes)
	state := b.durable()
	first.Manifest.Policy.Waves[0].SoakMinutes = 77
	first.Manifest.Hosts[0] = wire.ManifestHost{Hostname: "h7", Wave: 1, TargetClosure: "c7"}
	probes.Probes[0].ProbeName = "mail"
	equal(t, "the state", b.durable(), state)
}

func TestCountsFollowTheRecords(t *testing.T) {
	for _, s := range wire.States {
		b := inState(t, s)
		stats := b.plane.Stats()
		for _, other := range wire.States {
			want := 0
			if other == s {
				want = 1
			}
			equal(t, "records in "+other.String(), stats.Records[other], want)
		}
		equal(t, "events applied", stats.Applied, uint64(len(ways[s])))
		equal(t, "the last entry", stats.Logged, wire.Seq(1+len(ways[s])))
		reachable := 1
		if s == wire.Pending { // nothing of the host has arrived
			reachable = 0
		}
		equal(t, "hosts reachable", stats.HostsReachable, reachable)
		equal(t, "hosts never seen", stats.HostsNeverSeen, 1-reachable)
	}
}

func TestALongTextIsKeptCut(t *testing.T) { // PROTOCOL E10, E3
	b := inState(t, wire.Activating)
	seq := b.record("stable@r1", "h1").Snapshot.LastEventSeq + 1
	long := wire.Text(strings.Repeat("x", 60_000) + "the last line")
	in := event("h1", "stable@r1", seq, wire.ActivationFailed{ExitCode: 1, StderrTail: long, FailedAt: at(9)})
	before := b.plane.AppendDurable(nil)
	b.want(wire.NoContent, in)
	entry := b.out.Entries[0]
	kept := entry.Input.(*plane.Event).Envelope.Event.Body.(wire.ActivationFailed).StderrTail
	if len(kept) > wire.MaxKeptText || !strings.HasPrefix(string(kept), "[cut: ") || !strings.HasSuffix(string(kept), "the last line") {
		t.Errorf("%d bytes are kept: %.60q", len(kept), kept)
	}
	equal(t, "the request's own text", in.Envelope.Event.Body.(wire.ActivationFailed).StderrTail, long)
	after := b.durable()
	b.want(wire.NoContent, in) // again, uncut: it is a duplicate by its number
	equal(t, "entries of a duplicate", len(b.out.Entries), 0)

	// The log is walked with what was kept, and with what an earlier version kept.
	for _, e := range []plane.Entry{entry, {Number: entry.Number, At: entry.At, Input: in, Kind: entry.Kind, Outcome: entry.Outcome}} {
		p := restored(t, plane.Config{}, before)
		if err := p.Apply(e); err != nil {
			t.Fatal(err)
		}
		equal(t, "the state", string(p.AppendDurable(nil)), after)
	}
}

func TestWhatTellsARecordAtItsEndNothingIsNotLogged(t *testing.T) { // PROTOCOL E5, E2, E7
	probe := wire.ProbeResult{ProbeName: "http", Mode: wire.Observe, Status: wire.Pass, ObservedAt: at(700)}
	for _, state := range []wire.State{wire.Converged, wire.Failed, wire.Reverted} {
		b := inState(t, state)
		last := b.record("stable@r1", "h1").Snapshot.LastEventSeq
		before := b.durable()
		for i := range wire.Seq(50) {
			r := b.want(wire.NoContent, event("h1", "stable@r1", last+1+i, probe))
			equal(t, "entries", len(b.out.Entries), 0)
			equal(t, "notices", len(b.out.Notices), 0)
			equal(t, "needs", r.AfterEntries, 0)
		}
		equal(t, "the state", b.durable(), before)

		// What is refused is refused for good: nothing that is missing would help, so
		// the agent is not asked to send it all again.
		r := b.want(wire.Rejected, event("h1", "stable@r1", last+60, wire.HostConverged{ConvergedAt: at(800), CurrentClosure: "c9"}))
		equal(t, "asks for a replay", r.Outcome.Replay, false)

		// What moves the record is taken across the numbers that were not.
		if state == wire.Failed {
			b.want(wire.NoContent, event("h1", "stable@r1", last+61, rolledBack))
			equal(t, "the record's number", b.record("stable@r1", "h1").Snapshot.LastEventSeq, last+61)
			equal(t, "the state", b.record("stable@r1", "h1").Snapshot.State, wire.Reverted)
		}
	}
}

// In a batch, the answer waits for the end that it rests on.
func TestWhatTellsNothingWaitsForTheEnd(t *testing.T) { // PROTOCOL E2, E5
	b := inState(t, wire.Soaking)
	last := b.record("stable@r1", "h1").Snapshot.LastEventSeq
	b.out.Reset()
	b.add(event("h1", "stable@r1", last+1, arrived))
	r := b.add(event("h1", "stable@r1", last+2, wire.ProbeResult{ProbeName: "http", Status: wire.Pass, Mode: wire.Observe, ObservedAt: at(700)}))
	equal(t, "the answer", r.Outcome.Code, wire.NoContent)
	equal(t, "needs", r.AfterEntries, 1)
	equal(t, "entries", len(b.out.Entries), 1)
}

// An earlier version logged such events, with their numbers.
func TestALogOfEventsThatTellNothingIsWalked(t *testing.T) { // PROTOCOL E5
	b := inState(t, wire.Converged)
	last := b.record("stable@r1", "h1").Snapshot.LastEventSeq
	p := restored(t, plane.Config{}, b.plane.AppendDurable(nil))
	in := event("h1", "stable@r1", last+1, wire.ProbeResult{ProbeName: "http", Status: wire.Pass, Mode: wire.Observe, ObservedAt: at(700)})
	entry := plane.Entry{Number: p.Stats().Logged + 1, At: at(700), Input: in, Hostname: "h1", RolloutID: "stable@r1", Kind: "ProbeResult", Outcome: "absorbed"}
	if err := p.Apply(entry); err != nil {
		t.Fatal(err)
	}
	rec, _ := p.Record("stable@r1", "h1")
	equal(t, "the record's number", rec.LastEventSeq, last+1)
}
