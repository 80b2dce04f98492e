package plane_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// mirror is a rollout of a few hosts whose messages get lost, come twice and
// come in any order, with a plane that crashes and loses everything.
type mirror struct {
	t        *rapid.T
	plane    *plane.Plane
	now      time.Duration
	manifest wire.Manifest
	jobs     []*job
	was      []map[wire.State]bool // by job: the states that its host has been in
	taken    []map[wire.Seq]bool   // by job: the events that the plane has taken

	seen map[string]int
}

func newMirror(t *rapid.T) *mirror {
	m := &mirror{t: t, manifest: manifest("stable@r1", ""), seen: map[string]int{}}
	soak := rapid.SampledFrom([]wire.Count{1, 0}).Draw(t, "soak")
	m.manifest.Policy.Waves[0].SoakMinutes = soak
	for i := range rapid.IntRange(1, 3).Draw(t, "hosts") {
		h := wire.Hostname(fmt.Sprintf("h%d", i))
		m.manifest.Hosts = append(m.manifest.Hosts, wire.ManifestHost{Hostname: h, TargetClosure: "c2"})
		p := rapid.SampledFrom(plots).Draw(t, "plot")
		m.jobs = append(m.jobs, newJob(h, "stable@r1", "c2", "c1", 60*soak, p))
		m.was = append(m.was, map[wire.State]bool{wire.Pending: true})
		m.taken = append(m.taken, nil)
	}
	m.wipe()
	return m
}

// wipe is a plane that lost everything and was given its manifest again.
func (m *mirror) wipe() {
	m.plane = restored(m.t, plane.Config{}, nil)
	for i := range m.jobs {
		m.taken[i] = map[wire.Seq]bool{}
	}
	m.step(&plane.Started{})
	m.step(&plane.OpenRollout{Manifest: m.manifest})
}

// step steps an input, which may get lost on the way, together with what it did
// if the plane crashes, or whose answer may get lost.
func (m *mirror) step(in plane.Input) plane.Output {
	var out plane.Output
	m.plane.Step(instant(m.now), in, &out)
	return out
}

// send delivers an event of a job to the plane, whatever was delivered before.
func (m *mirror) send(i, k int) wire.Outcome {
	j := m.jobs[i]
	out := m.step(event(j.host, j.id, j.log[k].Seq, j.log[k].Body))
	if len(out.Entries) > 0 {
		m.taken[i][j.log[k].Seq] = true
	}
	return out.Replies[0].Outcome
}

func (m *mirror) live(i int) {
	m.jobs[i].live(wire.TimeOf(epoch.Add(m.now)))
	m.was[i][m.jobs[i].own.State] = true
}

func (m *mirror) record(i int) wire.RecordStatus {
	h := answered[*wire.HostStatus](m.t, m.plane, instant(m.now), &plane.QueryHost{Hostname: m.jobs[i].host})
	return h.Records[0]
}

// disturb does one thing that a network, a disk or a host may do.
func (m *mirror) disturb() {
	i := rapid.IntRange(0, len(m.jobs)-1).Draw(m.t, "job")
	j := m.jobs[i]
	switch what := rapid.SampledFrom([]string{
		"live", "live", "live", "next", "next", "next", "any", "any", "drift", "confirm", "crash", "wipe",
	}).Draw(m.t, "what"); what {
	case "live":
		m.now += time.Duration(rapid.IntRange(0, 90).Draw(m.t, "seconds")) * time.Second
		m.live(i)
	case "next": // as an agent sends: in order, until it is told otherwise
		if j.next < len(j.log) {
			switch o := m.send(i, j.next); {
			case o.Code == wire.NoContent:
				j.acknowledged(j.next)
			case o.Replay:
				j.replay(o.ReplayFrom)
			}
		}
	case "any": // as a network delivers
		if len(j.log) > 0 {
			m.send(i, rapid.IntRange(0, len(j.log)-1).Draw(m.t, "event"))
		}
	case "drift":
		if o := m.step(heartbeat(j.host, j.id, j.runs())).Replies[0].Outcome; o.Replay {
			j.replay(o.ReplayFrom)
		}
	case "confirm": // an agent that never names a rollout
		beat := heartbeat(j.host, "", j.runs())
		beat.Request.At = wire.TimeOf(epoch.Add(m.now))
		if out := m.step(beat); len(out.Entries) > 0 {
			m.seen["confirmed"]++
		}
	case "crash": // what was stepped last is not durable
		durable, before := m.plane.AppendDurable(nil), maps.Clone(m.taken[i])
		if len(j.log) > 0 {
			m.send(i, min(j.next, len(j.log)-1))
		}
		m.plane, m.taken[i] = restored(m.t, plane.Config{}, durable), before
		m.step(&plane.Started{})
	case "wipe":
		if rapid.IntRange(0, 2).Draw(m.t, "really") == 1 {
			m.wipe()
			m.seen["wiped"]++
		}
	}
	m.notAhead()
}

// notAhead verifies that the plane knows nothing that has not happened, but for
// a confirmation, which is marked.
func (m *mirror) notAhead() {
	for i, j := range m.jobs {
		rec := m.record(i)
		if int(rec.Snapshot.LastEventSeq) > len(j.log) {
			m.t.Fatalf("%v: the plane has number %d of %d", j, rec.Snapshot.LastEventSeq, len(j.log))
		}
		if !m.was[i][rec.Snapshot.State] && !bool(rec.Synthesised) {
			m.t.Fatalf("%v: the plane says %v; the host has never been there", j, rec.Snapshot.State)
		}
	}
}

// settle lets every host come to its end and replay its whole log in order.
func (m *mirror) settle() {
	for i, j := range m.jobs {
		for !j.finished() {
			m.now += time.Second
			m.live(i)
		}
		m.now += 2 * time.Minute // no clock of an agent is ahead of the plane's
		for k := range j.log {
			o := m.send(i, k)
			if converged, is := j.log[k].Body.(wire.HostConverged); is && o.Code == wire.Rejected && len(m.taken[i]) < len(j.log) {
				// The plane never heard when the activation completed and
				// counts the soak from a later instant (PROTOCOL E1). Converged
				// may be tried again later (E7).
				m.seen["converged later"]++
				m.now += time.Hour
				converged.ConvergedAt = wire.TimeOf(epoch.Add(m.now))
				j.log[k].Body = converged
				o = m.send(i, k)
			}
			if o.Code != wire.NoContent {
				m.t.Fatalf("%v: the replay of %v is answered %v", j, j.log[k], plane.Reply{Outcome: o})
			}
		}
	}
}

// same verifies that the plane's records are the agents' own.
func (m *mirror) same() {
	for i, j := range m.jobs {
		got := m.record(i)
		want := wire.RecordStatus{
			Snapshot: j.own.Snapshot(), EndedAt: j.own.EndedAt, FailingProbes: j.own.FailingProbes(),
		}
		if got.Snapshot.State != want.Snapshot.State || got.Snapshot.LastEventSeq != want.Snapshot.LastEventSeq ||
			got.Snapshot.CurrentClosure != want.Snapshot.CurrentClosure {
			m.t.Fatalf("%v: the plane has %+v\nthe agent %+v", j, got.Snapshot, want.Snapshot)
		}
		if len(m.taken[i]) < len(j.log) {
			m.seen["some events skipped"]++
			continue // the record lacks what those that were skipped would have told
		}
		m.seen["all events taken"]++
		// The plane's own instants are no part of the agent's truth.
		got.Snapshot.DispatchedAt, got.Snapshot.SoakDueAt = wire.Time{}, wire.Time{}
		want.Snapshot.DispatchedAt, want.Snapshot.SoakDueAt = wire.Time{}, wire.Time{}
		if g, w := string(wire.RecordStatusSchema.Append(nil, &got)), string(wire.RecordStatusSchema.Append(nil, &want)); g != w {
			m.t.Fatalf("%v: the plane has\n%s\nthe agent\n%s", j, g, w)
		}
	}
}

func playMirror(t *rapid.T) map[string]int {
	m := newMirror(t)
	for range rapid.SampledFrom([]int{60, 20, 100, 6, 0}).Draw(t, "disturbances") {
		m.disturb()
	}
	m.settle()
	m.same()
	for _, j := range m.jobs {
		m.seen[j.own.State.String()]++
	}
	return m.seen
}

// TestAReplayInOrderEndsInTheAgentsOwnRecord: whatever was lost, repeated,
// reordered, confirmed or wiped before, and whatever the plane forgot, a replay
// heals the mirror.
func TestAReplayInOrderEndsInTheAgentsOwnRecord(t *testing.T) { // PROTOCOL E3 to E7, H2, H4, A3
	rapid.Check(t, func(t *rapid.T) { playMirror(t) })
}

func TestMirrorRunsReachEveryCase(t *testing.T) {
	seen := map[string]int{}
	runs := rapid.Custom(playMirror)
	for seed := range 100 {
		for what, n := range runs.Example(seed) {
			seen[what] += n
		}
	}
	for _, what := range []string{
		"confirmed", "wiped", "converged later", "some events skipped", "all events taken",
		"Converged", "Failed", "Reverted",
	} {
		if seen[what] == 0 {
			t.Errorf("never in 100 runs: %s", what)
		}
		t.Logf("%6d %s", seen[what], what)
	}
}
