package plane_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// slicer steps a plane that opens in slices, beside one that opens at once.
type slicer struct {
	t           *rapid.T
	sliced      *plane.Plane
	whole       *plane.Plane
	now         wire.Instant
	out, walked plane.Output
	rows        map[plane.Change]string
}

func newSlicer(t *rapid.T, slice int) *slicer {
	s := &slicer{t: t, now: wire.Instant{Wall: wire.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}, rows: map[plane.Change]string{}}
	for i, p := range []**plane.Plane{&s.sliced, &s.whole} {
		made, err := plane.New(plane.Config{Slice: []int{slice, 1 << 20}[i]})
		if err != nil {
			t.Fatal(err)
		}
		*p = made
		made.Step(s.now, &plane.Started{}, &s.out)
	}
	return s
}

// step steps an input of the sliced plane, and walks what it logs with the other.
func (s *slicer) step(in plane.Input) plane.Reply {
	s.now.Mono += time.Millisecond
	s.now.Wall = s.now.Wall.Add(time.Millisecond)
	s.out.Reset()
	s.sliced.Step(s.now, requested(in), &s.out)
	for _, row := range s.sliced.AppendRows(nil, s.out.Changes) {
		s.write(row)
	}
	for _, e := range s.out.Entries {
		if err := s.whole.Walk(e, &s.walked); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.sliced.Check(); err != nil {
		s.t.Fatalf("after %v: %v", in, err)
	}
	if len(s.out.Replies) == 0 {
		return plane.Reply{}
	}
	return s.out.Replies[len(s.out.Replies)-1]
}

func (s *slicer) write(row plane.Row) {
	if s.rows[row.Change] = string(row.Document); row.Document == nil {
		delete(s.rows, row.Change)
	}
}

// open opens a manifest, with other inputs between the slices, and returns the last
// reply. Now and then it goes on with a plane that was restored, or cloned.
func (s *slicer) open(in plane.Input, between func()) plane.Reply {
	var sealed *plane.Sealed
	reply := s.step(in)
	for reply.Unfinished {
		if s.out.Sealed != nil {
			sealed = s.out.Sealed
		}
		switch rapid.IntRange(0, 9).Draw(s.t, "between") {
		case 0:
			restored, err := plane.Restore(s.sliced.Config(), s.sliced.AppendState(nil))
			if err != nil {
				s.t.Fatal(err)
			}
			s.sliced = restored
		case 1:
			s.sliced = s.sliced.Clone()
		case 2, 3, 4:
			between()
		}
		if got := s.sliced.AppendState(nil); !bytes.Equal(got, s.sliced.Clone().AppendState(nil)) {
			s.t.Fatal("a clone has another state")
		}
		next := &plane.ContinueOpening{Durable: sealed != nil}
		if sealed != nil {
			for row := range sealed.Rows {
				s.write(row)
			}
			if err := s.whole.Walk(sealed.Entry, &s.walked); err != nil {
				s.t.Fatal(err)
			}
		}
		reply = s.step(next)
	}
	return reply
}

// PROTOCOL R1: an opening in slices gives the state, the rows and the reply of one at
// an instant, whatever comes between the slices.
func TestOpeningInSlices_IsOneAtAnInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSlicer(t, rapid.IntRange(1, 3).Draw(t, "slice"))
		for i := range rapid.IntRange(1, 4).Draw(t, "rollouts") {
			m := wire.Manifest{Channel: "stable", ChannelRef: wire.ChannelRef(fmt.Sprintf("r%d", i)), Serial: wire.Serial(rapid.IntRange(0, 4).Draw(t, "serial"))}
			m.Policy.OnHealthFailure = wire.RollbackAndHalt
			for range rapid.IntRange(1, 3).Draw(t, "waves") {
				m.Policy.Waves = append(m.Policy.Waves, wire.Wave{SoakMinutes: 1})
			}
			for _, n := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7}).Draw(t, "hosts")[:rapid.IntRange(1, 8).Draw(t, "count")] {
				m.Hosts = append(m.Hosts, wire.ManifestHost{
					Hostname: wire.Hostname(fmt.Sprintf("h%d", n)), Wave: wire.Count(n % len(m.Policy.Waves)),
					TargetClosure: wire.Closure(fmt.Sprintf("c%d", rapid.IntRange(1, 2).Draw(t, "closure"))),
				})
			}
			var in plane.Input = &plane.OpenRollout{Manifest: m}
			if rapid.Bool().Draw(t, "file") {
				in = &plane.FileManifest{Manifest: m, Signed: rapid.Bool().Draw(t, "signed"), Peers: []plane.Peer{{RolloutID: "stable@other", Serial: wire.Serial(rapid.IntRange(0, 2).Draw(t, "peer"))}}}
			}
			s.open(in, func() { s.between(m.ID()) })
			s.compare()
		}
	})
}

// between is an input between two slices. It must not see the rollout that is being
// opened.
func (s *slicer) between(opening wire.RolloutID) {
	host := wire.Hostname(fmt.Sprintf("h%d", rapid.IntRange(0, 8).Draw(s.t, "host")))
	switch rapid.IntRange(0, 5).Draw(s.t, "input") {
	case 0:
		if got := s.step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: host}}); slices.ContainsFunc(got.Outcome.Heartbeat.Bootstrap, func(n wire.Snapshot) bool { return n.RolloutID == opening }) {
			s.t.Fatalf("%s is told of %s", host, opening)
		}
	case 1:
		if d, is := s.step(&plane.Poll{Hostname: host}).Outcome.Document.(*wire.Dispatch); is && d.RolloutID == opening {
			s.t.Fatalf("%s is offered %s", host, opening)
		}
	case 2:
		s.step(&plane.ChooseRollout{RolloutID: wire.RolloutID(fmt.Sprintf("stable@r%d", rapid.IntRange(0, 3).Draw(s.t, "chosen")))})
	case 3: // a host rolls back, so that its target is quarantined
		id := wire.RolloutID(fmt.Sprintf("stable@r%d", rapid.IntRange(0, 3).Draw(s.t, "rolled back")))
		for seq, body := range []wire.EventBody{
			wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: s.now.Wall}, wire.ActivationFailed{ExitCode: 1, FailedAt: s.now.Wall},
			wire.RollbackComplete{RevertedToClosure: "c0", CompletedAt: s.now.Wall},
		} {
			got := s.step(&plane.Event{Envelope: wire.EventEnvelope{Hostname: host, RolloutID: id, Event: wire.Event{Seq: wire.Seq(seq + 1), Body: body}}})
			if id == opening && got.Outcome.Code != wire.UnknownRollout {
				s.t.Fatalf("an event of %s in %s is answered %v; want it unknown", host, id, got.Outcome.Code)
			}
		}
	case 4:
		s.step(&plane.ClearQuarantine{Channel: "stable", Closure: "c1"})
	case 5:
		if got := s.step(&plane.QueryRollout{RolloutID: opening, Limit: 1}); got.Outcome.Code != wire.OK {
			s.t.Fatalf("a query for %s is answered %v", opening, got)
		} else if _, is := got.Outcome.Document.(*wire.OpeningStatus); !is {
			s.t.Fatalf("a query for %s shows %T", opening, got.Outcome.Document)
		}
	}
}

// compare compares the plane with the one that has walked its log, and its rows with
// those that were written.
func (s *slicer) compare() {
	if got, want := s.sliced.AppendDurable(nil), s.whole.AppendDurable(nil); !bytes.Equal(got, want) {
		s.t.Fatalf("in slices:\n%s\nat an instant:\n%s", got, want)
	}
	count := 0
	for row := range s.whole.Rows {
		count++
		if got := s.rows[row.Change]; got != string(row.Document) {
			s.t.Fatalf("%v was written as %s; want %s", row.Change, got, row.Document)
		}
	}
	if count != len(s.rows) {
		s.t.Fatalf("%d rows were written; want %d", len(s.rows), count)
	}
}
