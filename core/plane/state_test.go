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

// everything returns a plane that has a line of every kind in its state.
func everything(t *testing.T) *harness {
	t.Helper()
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2", "h3=c2"))
	b.tell("h1", "stable@r1", acked, switched, wire.ProbeResult{ProbeName: "http", Mode: wire.Enforce, Status: wire.Fail, ObservedAt: at(9)}, unhealthy, rolledBack)
	b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
	b.step(open("stable@r2", "h1=c3"))
	b.step(open("edge@r1", "h1=c2"))
	b.tell("h1", "edge@r1", acked, broken)
	b.step(&plane.Revoke{CommonName: "agent-h1.fleet"})
	b.step(heartbeat("h9", "", "c1"))
	b.tickFor(3 * interval)
	b.step(heartbeat("h1", "", "c1"))
	return b
}

func TestAStateReadsBackAsItself(t *testing.T) {
	b := everything(t)
	state := b.plane.AppendState(nil)
	for _, word := range []string{"log", "rollout", "record", "quarantine", "revocation", "clock", "host"} {
		if !strings.Contains("\n"+string(state), "\n"+word+" ") {
			t.Fatalf("the state has no line of %s:\n%s", word, state)
		}
	}
	p := restored(t, plane.Config{}, state)
	equal(t, "the state", string(p.AppendState(nil)), string(state))
	equal(t, "the durable state", string(p.AppendDurable(nil)), b.durable())
	equal(t, "the plane", p.String(), b.plane.String())
	equal(t, "bytes appended", string(p.AppendState([]byte("x"))), "x"+string(state))
}

func TestTheDurableStateReadsBackAsItself(t *testing.T) {
	b := everything(t)
	p := restored(t, plane.Config{}, []byte(b.durable()))
	equal(t, "the durable state", string(p.AppendDurable(nil)), b.durable())
	// Who has no record is forgotten, and the others are heard as of now.
	var out plane.Output
	p.Step(instant(0), &plane.Started{}, &out)
	seen := map[wire.Hostname]wire.Reachability{"h1": wire.Reachable, "h2": wire.NeverSeen, "h3": wire.NeverSeen}
	for h, known := range map[wire.Hostname]bool{"h1": true, "h2": true, "h3": true, "h9": false} {
		var out plane.Output
		p.Step(instant(0), &plane.QueryHost{Hostname: h}, &out)
		status, is := out.Replies[0].Outcome.Document.(*wire.HostStatus)
		equal(t, fmt.Sprintf("%s is known", h), is, known)
		if is {
			equal(t, "reachability", status.Reachability, seen[h])
			equal(t, "last_heartbeat_at", status.LastHeartbeatAt, wire.Time{})
		}
	}
}

func TestAnEmptyStateIsANewPlane(t *testing.T) {
	p := restored(t, plane.Config{}, nil)
	fresh, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the state", string(p.AppendState(nil)), string(fresh.AppendState(nil)))
}

func TestStatesOfRunsReadBackAsThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t, watch{})
		f.play(runLength)
		for _, state := range [][]byte{f.plane.AppendState(nil), f.plane.AppendDurable(nil)} {
			p := restored(t, f.cfg, state)
			got := p.AppendState(nil)
			if !strings.Contains(string(state), "\nclock ") {
				got = p.AppendDurable(nil)
			}
			equal(t, "the state", string(got), string(state))
		}
	})
}

const (
	goodRollout = `rollout {"rollout_id":"stable@r1","policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0}]},"waves_dispatched":1,"hosts":1}`
	goodRecord  = `record {"record":{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":0,"state":"Pending","targetClosure":"c2","lastEventSeq":0}}`
	goodClock   = `clock {"mono":0,"impaired":0,"last_tick":0,"credited":0,"quiet_until":0,"judge_at":0}`
)

func TestABadStateNamesTheLineAtFault(t *testing.T) {
	replace := strings.NewReplacer
	for _, c := range []struct{ what, state, want string }{
		{"an unknown word", "log {\"logged\":0}\nroll {}\n", "state line 2 (roll): unknown word; want log, rollout, record, quarantine, revocation, retired, enrolment, acts, hold, clock, host, replay, release, opening, offer, budget, senders, replaying, replayround, retake, given or discards"},
		{"an empty line", "log {\"logged\":0}\n\n", "state line 2 (): unknown word"},
		{"no document", "log\n", "state line 1 (log): not JSON at byte 0"},
		{"half a document", "log {\"logged\":\n", "state line 1 (log): not JSON"},
		{"a log without its number", "log {}\n", "state line 1 (log): logged: is missing"},
		{"a log with a negative number", "log {\"logged\":-1}\n", "state line 1 (log): logged: want a whole number"},
		{"a rollout without an ID", replace(`"rollout_id":"stable@r1",`, ``).Replace(goodRollout) + "\n", "state line 1 (rollout): rollout_id: is missing"},
		{"a rollout with a bad ID", replace(`stable@r1`, `stable`).Replace(goodRollout) + "\n", "state line 1 (rollout): rollout_id: want <channel>@<channel_ref>"},
		{"a rollout without waves", replace(`[{"soak_minutes":0}]`, `[]`).Replace(goodRollout) + "\n", "state line 1 (rollout): policy.waves: want at least one wave"},
		{"a rollout twice", goodRollout + "\n" + goodRecord + "\n" + goodRollout + "\n", "state line 3 (rollout): rollout stable@r1 stands twice"},
		{"a record without a rollout", goodRecord + "\n", "state line 1 (record): a record more than its rollout has"},
		{"a record too many", goodRollout + "\n" + goodRecord + "\n" + goodRecord + "\n", "state line 3 (record): a record more than its rollout has"},
		{"a record too few", goodRollout + "\n" + goodClock + "\n", "state line 2 (clock): 1 records of stable@r1 are missing before this line"},
		{"a record too few at the end", "log {\"logged\":3}\n" + goodRollout + "\n", "state line 2: 1 records of stable@r1 are missing"},
		{"a record of another rollout", goodRollout + "\n" + replace(`stable@r1`, `edge@r1`).Replace(goodRecord) + "\n", "state line 2 (record): the record of h1 in edge@r1, wave 0, does not belong to stable@r1"},
		{"a record of a wave that is not", goodRollout + "\n" + replace(`"wave":0`, `"wave":1`).Replace(goodRecord) + "\n", "state line 2 (record): the record of h1 in stable@r1, wave 1, does not belong to stable@r1"},
		{"a record that contradicts itself", goodRollout + "\n" + replace(`"lastEventSeq":0`, `"lastEventSeq":4`).Replace(goodRecord) + "\n", "state line 2 (record): record.lastEventSeq: want 0 in Pending"},
		{"a record in no state", goodRollout + "\n" + replace(`Pending`, `Lost`).Replace(goodRecord) + "\n", "state line 2 (record): record.state: want Pending, Activating"},
		{"a quarantine without a closure", "quarantine {\"channel\":\"stable\"}\n", "state line 1 (quarantine): closure: is missing"},
		{"a revocation without a name", "revocation {}\n", "state line 1 (revocation): common_name: is missing"},
		{"a head of no act", "acts {\"count\":0,\"hash\":\"ab\"}\n", "state line 1 (acts): the head of the acts is 0; want a count"},
		{"a head without a hash", "acts {\"count\":2}\n", "state line 1 (acts): hash: is missing"},
		{"a clock without its time", replace(`"mono":0,`, ``).Replace(goodClock) + "\n", "state line 1 (clock): mono: is missing"},
		{"a clock with a bad time", replace(`"mono":0`, `"mono":0.5`).Replace(goodClock) + "\n", "state line 1 (clock): mono: want a whole number of nanoseconds"},
		{"a host without a name", "host {\"heard\":0}\n", "state line 1 (host): hostname: is missing"},
		{"a host with a bad mark", "host {\"hostname\":\"h1\",\"heard\":0,\"gone\":1}\n", "state line 1 (host): gone: want true or false"},
		{"a member twice", "host {\"hostname\":\"h1\",\"heard\":0,\"heard\":0}\n", "state line 1 (host): heard: is repeated"},
		{"a host heard in the future", goodClock + "\nhost {\"hostname\":\"h1\",\"heard\":1}\n", "state: P6: host h1 was heard at 1ns, it is 0s"},
		{"a host twice, gone", "host {\"hostname\":\"h1\",\"heard\":0,\"gone\":true}\nhost {\"hostname\":\"h1\",\"heard\":0,\"gone\":true}\n", "state: P4: 1 hosts unreachable, counted 2"},
		{"a host twice in a rollout", replace(`"hosts":1`, `"hosts":2`).Replace(goodRollout) + "\n" + goodRecord + "\n" + goodRecord + "\n", "state: P2: "},
		{"a halt without a failure", replace(`,"hosts"`, `,"halted_by":"h1","hosts"`).Replace(goodRollout) + "\n" + goodRecord + "\n", "state: P8: "},
		{"a rollout superseded by none", replace(`,"hosts"`, `,"superseded_by":"stable@r2","hosts"`).Replace(goodRollout) + "\n" + goodRecord + "\n", "state: P3: "},
		{"a rollout without a wave dispatched", replace(`"waves_dispatched":1`, `"waves_dispatched":0`).Replace(goodRollout) + "\n" + goodRecord + "\n", "state: P7: "},
	} {
		_, err := plane.Restore(plane.Config{}, []byte(c.state))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v; want %q", c.what, err, c.want)
		}
	}
	if _, err := plane.Restore(plane.Config{}, []byte(goodRollout+"\n"+goodRecord+"\n"+goodClock+"\n")); err != nil {
		t.Errorf("the good lines: %v", err)
	}
	if _, err := plane.Restore(plane.Config{HeartbeatInterval: 1}, nil); err == nil {
		t.Error("a bad configuration was accepted")
	}
}

// A state that was cut off anywhere is an error or a sound plane, never a panic.
func TestAStateThatWasCutOffIsNoPanic(t *testing.T) {
	state := everything(t).plane.AppendState(nil)
	errors := 0
	for n := range state {
		p, err := plane.Restore(plane.Config{}, state[:n])
		if err != nil {
			errors++
			continue
		}
		if err := p.Check(); err != nil {
			t.Fatalf("cut off after %d bytes: %v", n, err)
		}
	}
	if lines := strings.Count(string(state), "\n"); errors < len(state)-3*lines {
		t.Errorf("only %d of %d cuts were noticed", errors, len(state))
	}
}

func TestAWalkRefusesALogThatDoesNotFit(t *testing.T) { // PROTOCOL E2
	b := started(t)
	b.add(open("stable@r1", "h1=c2"))
	b.add(event("h1", "stable@r1", 1, acked))
	b.add(event("h1", "stable@r1", 2, acked))
	log := append([]plane.Entry(nil), b.out.Entries...)
	fresh := func(applied int) *plane.Plane {
		p := restored(t, plane.Config{}, nil)
		for _, e := range log[:applied] {
			if err := p.Apply(e); err != nil {
				t.Fatal(err)
			}
		}
		return p
	}
	changed := func(e plane.Entry, change func(*plane.Entry)) plane.Entry {
		change(&e)
		return e
	}
	for _, c := range []struct {
		what    string
		applied int
		entry   plane.Entry
		want    string
	}{
		{"the same entry again", 1, log[0], "log entry 1 follows entry 1; want entry 2"},
		{"a gap", 1, log[2], "log entry 3 follows entry 1; want entry 2"},
		{"an event without its rollout", 0, changed(log[1], func(e *plane.Entry) { e.Number = 1 }), "log entry 1 (event h1 stable@r1 DispatchAck#1) changes nothing in the state before it"},
		{"a duplicate", 2, changed(log[1], func(e *plane.Entry) { e.Number = 3 }), "changes nothing in the state before it"},
		{"a confirmation of nothing", 0, plane.Entry{Number: 1, Kind: "confirmed", Outcome: "applied", Input: &plane.Confirm{Hostname: "h1", RolloutID: "stable@r1", Closure: "c2", At: at(0)}}, "changes nothing"},
		{"a confirmation of another rollout", 1, plane.Entry{Number: 2, Kind: "confirmed", Outcome: "applied", Input: &plane.Confirm{Hostname: "h1", RolloutID: "stable@r2", Closure: "c2", At: at(0)}}, "changes nothing"},
		{"a confirmation of another closure", 1, plane.Entry{Number: 2, Kind: "confirmed", Outcome: "applied", Input: &plane.Confirm{Hostname: "h1", RolloutID: "stable@r1", Closure: "c3", At: at(0)}}, "changes nothing"},
		{"a query", 1, plane.Entry{Number: 2, Input: &plane.QueryRevocations{}}, "changes nothing"},
		{"another outcome", 2, changed(log[2], func(e *plane.Entry) { e.Outcome = "applied" }), "says DispatchAck applied, but gives DispatchAck absorbed"},
		{"another kind", 1, changed(log[1], func(e *plane.Entry) { e.Kind = "Converged" }), "says Converged applied, but gives DispatchAck applied"},
	} {
		err := fresh(c.applied).Apply(c.entry)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v; want %q", c.what, err, c.want)
		}
	}
	equal(t, "the durable state of the whole log", string(fresh(3).AppendDurable(nil)), b.durable())
}

// The log has the wall clock of each entry, and a walk takes its instants from
// there.
func TestAWalkTakesItsInstantsFromTheLog(t *testing.T) { // PROTOCOL E2
	b := started(t)
	b.now = time.Hour
	b.add(open("stable@r1", "h1=c2"))
	b.now = 2 * time.Hour
	b.add(&plane.Revoke{CommonName: "n"})
	p := restored(t, plane.Config{}, nil)
	for _, e := range b.out.Entries {
		if err := p.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "the durable state", string(p.AppendDurable(nil)), b.durable())
	p.Step(wire.Instant{Mono: 0, Wall: at(9)}, &plane.Started{}, &plane.Output{})
	equal(t, "the durable state after the start", string(p.AppendDurable(nil)), b.durable())
}
