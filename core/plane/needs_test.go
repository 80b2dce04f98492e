package plane_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestASteadyHeartbeatNeedsNothing(t *testing.T) { // PROTOCOL E2, H5
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	b.tell("h1", "stable@r1", acked, switched)
	b.out.Reset()
	b.add(event("h2", "stable@r1", 1, acked))
	equal(t, "a heartbeat with its rollout", b.add(heartbeat("h1", "stable@r1", "c2")).AfterEntries, 0)
	equal(t, "a heartbeat of a host without records", b.add(heartbeat("h3", "", "c2")).AfterEntries, 0)
	b.tell("h1", "stable@r1", arrived)
	b.out.Reset()
	b.add(event("h2", "stable@r1", 2, begun))
	equal(t, "a heartbeat of a converged host", b.add(heartbeat("h1", "", "c2")).AfterEntries, 0)
	equal(t, "a poll without work", b.add(&plane.Poll{Hostname: "h1"}).AfterEntries, 0)
	equal(t, "an event of an unknown pair", b.add(event("h3", "stable@r1", 1, acked)).AfterEntries, 0)
}

func TestAnEventNeedsItsOwnEntryAndThoseBefore(t *testing.T) { // PROTOCOL E2
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	b.out.Reset()
	equal(t, "the first event", b.add(event("h1", "stable@r1", 1, acked)).AfterEntries, 1)
	equal(t, "the second event", b.add(event("h2", "stable@r1", 1, acked)).AfterEntries, 2)
	equal(t, "an absorbed event", b.add(event("h1", "stable@r1", 2, acked)).AfterEntries, 3)
	equal(t, "an event that dispatches nothing further", b.add(event("h2", "stable@r1", 2, putOff)).AfterEntries, 4)
}

func TestADuplicateWaitsForTheFirstOfItsBatch(t *testing.T) { // PROTOCOL E2, E3
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	b.out.Reset()
	b.add(event("h1", "stable@r1", 1, acked))
	b.add(event("h2", "stable@r1", 1, acked))
	equal(t, "a duplicate in the batch", b.add(event("h1", "stable@r1", 1, acked)).AfterEntries, 1)
	equal(t, "a duplicate in a later batch", b.step(event("h1", "stable@r1", 1, acked)).AfterEntries, 0)
}

func TestARefusalWaitsForWhatItIsJudgedBy(t *testing.T) { // PROTOCOL E6, E7
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	equal(t, "a gap", b.step(event("h1", "stable@r1", 5, arrived)).AfterEntries, 0)
	b.out.Reset()
	b.add(event("h1", "stable@r1", 1, acked))
	b.add(event("h2", "stable@r1", 1, acked))
	equal(t, "a gap after an event of the batch", b.add(event("h1", "stable@r1", 5, arrived)).AfterEntries, 1)
	equal(t, "a rejection after an event of the batch", b.add(event("h1", "stable@r1", 2, arrived)).AfterEntries, 1)
	equal(t, "drift after an event of the batch", b.add(heartbeat("h1", "stable@r1", "c2")).AfterEntries, 1)
}

func TestABootstrapWaitsForWhatItTells(t *testing.T) { // PROTOCOL H3, H4
	b := started(t)
	b.add(open("stable@r1", "h1=c2", "h2=c2"))
	equal(t, "after the opening, in its batch", b.add(heartbeat("h1", "", "c1")).AfterEntries, 1)
	equal(t, "after the opening, of a later wave", b.add(heartbeat("h2", "", "c1")).AfterEntries, 1)
	equal(t, "in a later batch", b.step(heartbeat("h1", "", "c1")).AfterEntries, 0)
	b.out.Reset()
	b.add(event("h1", "stable@r1", 1, acked))
	equal(t, "after an event of another host", b.add(heartbeat("h2", "", "c1")).AfterEntries, 0)
	equal(t, "after an event of its own", b.add(heartbeat("h1", "", "c1")).AfterEntries, 1)
	equal(t, "with a confirmation", b.add(heartbeat("h1", "", "c2")).AfterEntries, 2)
	equal(t, "after a confirmation of the batch", b.add(heartbeat("h1", "", "c2")).AfterEntries, 2)
}

// What lets a wave go is another host's entry, and a snapshot shows the dispatch.
func TestABootstrapWaitsForTheEventThatMadeItsDispatch(t *testing.T) { // PROTOCOL E2, H3, R2
	b := started(t)
	b.step(open("stable@r1", "h1=c2", "h2=c2"))
	b.tell("h1", "stable@r1", acked)
	b.out.Reset()
	b.add(event("h1", "stable@r1", 2, putOff))
	r := b.add(heartbeat("h2", "", "c1"))
	equal(t, "the snapshot's dispatch", r.Outcome.Heartbeat.Bootstrap[0].DispatchedAt, at(0))
	equal(t, "needs", r.AfterEntries, 1)
}

func TestPollsAndQueriesWaitForTheWholeBatch(t *testing.T) { // PROTOCOL D1, R5
	b := started(t)
	b.step(open("stable@r1", "h1=c2", "h2=c2"))
	queries := []plane.Input{
		&plane.QueryHost{Hostname: "h9"}, &plane.QueryHost{Hostname: "h2"}, &plane.QueryHosts{Limit: 1},
		&plane.QueryRollout{RolloutID: "stable@r1", Limit: 1}, &plane.QueryRollout{RolloutID: "x@y", Limit: 1},
		&plane.QueryRollouts{Limit: 1}, &plane.QueryQuarantine{}, &plane.QueryRevocations{}, &plane.QueryStatus{}, &plane.QueryOverview{}, &plane.QueryHostWhy{Hostname: "h2"}, &plane.QueryRolloutWhy{RolloutID: "stable@r1"}, &plane.PlanRollout{Manifest: open("stable@r7", "h1=c1").Manifest},
		&plane.ResumeRollout{RolloutID: "x@y"}, &plane.ResumeRollout{RolloutID: "stable@r1"},
		&plane.ClearQuarantine{Channel: "stable", Closure: "c9"}, &plane.Revoke{CommonName: "x", Before: at(9)},
		open("stable@r1", "h1=c2", "h2=c2"), open("stable@r1", "h1=c2"),
	}
	for _, q := range queries {
		equal(t, "alone: "+q.String(), b.step(q).AfterEntries, 0)
	}
	b.out.Reset()
	b.add(event("h1", "stable@r1", 1, acked))
	b.add(event("h1", "stable@r1", 2, putOff)) // dispatches the second wave
	for _, q := range queries {
		equal(t, "in a batch: "+q.String(), b.add(q).AfterEntries, 2)
	}
	equal(t, "a poll with work", b.add(&plane.Poll{Hostname: "h2"}).AfterEntries, 2)
}

// TestAReplyIsTrueOfWhatItNeeds takes a random batch apart: of the entries of a
// batch only those that a reply needs became durable, and the plane that is
// built from them still says what the reply said. So no crash can take back
// what anybody was told.
func TestAReplyIsTrueOfWhatItNeeds(t *testing.T) { // PROTOCOL E2
	rapid.Check(t, func(t *rapid.T) {
		var readOnly []bool // at each step of the batch
		newFleet(t, watch{
			allReplays: true, // the plane that is built knows of none
			noReleases: true, // nor of a release, which is no durable state
			begin:      func(*fleet) { readOnly = readOnly[:0] },
			before: func(f *fleet, _ wire.Instant, _ plane.Input) {
				readOnly = append(readOnly, f.plane.ReadOnly())
			},
			batch: func(f *fleet, durable []byte, inputs []stepped, out *plane.Output) {
				next := 0
				for i, step := range inputs {
					in := step.in
					if !plane.Replies(in) {
						continue
					}
					reply := out.Replies[next]
					next++
					if len(out.Entries) == 0 || reply.AfterEntries > len(out.Entries) {
						equal(f.t, "needs of "+in.String(), reply.AfterEntries, 0)
						continue
					}
					p := restored(f.t, f.cfg, durable)
					for _, e := range out.Entries[:reply.AfterEntries] {
						if err := p.Apply(e); err != nil {
							f.t.Fatal(err)
						}
					}
					// The driver tells the plane that it builds how the store is (G9).
					p.Step(step.now, &plane.Storage{Unavailable: readOnly[i]}, new(plane.Output))
					if got, want := again(step.now, p, in, reply.Outcome); got != want {
						f.t.Fatalf("%v was answered, needing %d of %d entries,\n%s\nbut from what it needs follows\n%s",
							in, reply.AfterEntries, len(out.Entries), want, got)
					}
				}
			},
		}).play(runLength)
	})
}

// again is what a plane says when it is asked once more, and what it should say
// if it was first answered with o. Both are empty where nothing was said.
func again(now wire.Instant, p *plane.Plane, in plane.Input, o wire.Outcome) (got, want string) {
	var out plane.Output
	p.Step(now, in, &out)
	if _, polls := in.(*plane.Poll); polls {
		// It was answered before with what it would be given first otherwise (D2).
		for out.Replies[0].Outcome.Code == wire.OK && outcomeText(&out.Replies[0].Outcome) != outcomeText(&o) {
			out.Reset()
			p.Step(now, in, &out)
		}
	}
	repeated := out.Replies[0].Outcome
	if o.Code == wire.StoreUnavailable {
		return "", "" // it says nothing of what is durable
	}
	switch in := in.(type) {
	case *plane.Heartbeat:
		if in.Dialect == wire.DialectField {
			// Whether there is a snapshot depends on the heartbeat before, what it says
			// on what is durable (H10).
			repeated.Heartbeat.Bootstrap = nil
			for _, s := range o.Heartbeat.Bootstrap {
				rec, _ := p.Record(s.RolloutID, s.Hostname)
				repeated.Heartbeat.Bootstrap = append(repeated.Heartbeat.Bootstrap, rec.FieldSnapshot())
			}
		}
		if o.Heartbeat.Bootstrap == nil && !o.Replay {
			return "", "" // it says nothing but that the heartbeat was heard
		}
	case *plane.Poll:
		if o.Code == wire.NoContent {
			return "", ""
		}
		if d := o.Document.(*wire.Dispatch); in.Dialect == wire.DialectField {
			// Since when an activation is not heard of is volatile (D4).
			if rec, _ := p.Record(d.RolloutID, d.Hostname); rec.State == wire.Activating && rec.SoakDueAt == d.SoakDueAt {
				return "", ""
			}
		}
	case *plane.QueryHost, *plane.QueryHosts, *plane.QueryHostWhy, *plane.QueryRolloutWhy:
		return "", "" // they show volatile state as well
	case *plane.Steer:
		if o.Code == wire.UnknownHost || in.Act == plane.Uncordon && repeated.Code == wire.UnknownHost {
			return "", "" // who was seen is not durable
		}
	case *plane.Revoke:
		// What is in force is durable; who was seen is not.
		if o.Code == wire.UnknownName {
			return "", ""
		}
		said, is := o.Document.(*wire.RevocationAnswer)
		once, too := repeated.Document.(*wire.RevocationAnswer)
		if is && too {
			without, asked := *said, *once
			without.Warning, asked.Warning = "", ""
			o.Document, repeated.Document = &without, &asked
		}
	case *plane.OpenRollout, *plane.FileManifest:
		if o.Code == wire.Created {
			o.Code = wire.OK
		}
	case *plane.ClearQuarantine:
		if o.Code == wire.NoContent {
			o = wire.Outcome{Code: wire.UnknownQuarantine}
			repeated = wire.Outcome{Code: repeated.Code}
		}
	}
	return outcomeText(&repeated), outcomeText(&o)
}
