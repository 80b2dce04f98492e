package plane_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// operator is who requests things in tests.
var operator = wire.Actor{Name: "operator-alice.fleet", Serial: "4f1c", Fingerprint: "0a1b", Request: "01J"}

// requested makes an operator's input one that an operator requested.
func requested(in plane.Input) plane.Input {
	switch in.(type) {
	case *plane.OpenRollout, *plane.ResumeRollout, *plane.ChooseRollout, *plane.ClearQuarantine, *plane.Revoke:
		return &plane.Requested{By: operator, Input: in}
	}
	return in
}

// acts is a harness on which three acts were done, and their entries.
func acts(t *testing.T) (*harness, []plane.Entry) {
	t.Helper()
	b := started(t)
	var log []plane.Entry
	for _, in := range []plane.Input{
		requested(open("stable@r1", "h1=c2")),
		requested(&plane.Revoke{CommonName: "agent-h1.fleet"}),
		open("edge@r1", "h2=c2"), // nobody's
		requested(&plane.Revoke{CommonName: "agent-h2.fleet"}),
	} {
		b.step(in)
		log = append(log, b.out.Entries...)
	}
	return b, log
}

// PROTOCOL T15: each act has the hash of the one before it, over bytes that are written
// down here a second time.
func TestActs_AreChainedByHash(t *testing.T) {
	b, log := acts(t)
	before, count := "", 0
	for i := range log {
		e := &log[i]
		if e.Act == nil {
			continue
		}
		count++
		equal(t, "the count", e.Act.Count, wire.Seq(count))
		equal(t, "the hash before", string(e.Act.Before), before)
		equal(t, "the operator", e.Act.By, operator)
		input := fmt.Sprintf("%x", sha256.Sum256(e.AppendInput(nil)))
		line := fmt.Sprintf(`{"count":%d,`, count)
		if before != "" {
			line += fmt.Sprintf(`"before":%q,`, before)
		}
		line += `"by":{"name":"operator-alice.fleet","serial":"4f1c","fingerprint":"0a1b","request":"01J"},` +
			fmt.Sprintf(`"number":%d,"at":%q,"kind":%q,`, e.Number, e.At, e.Kind)
		if e.RolloutID != "" {
			line += fmt.Sprintf(`"rollout_id":%q,`, e.RolloutID)
		}
		line += fmt.Sprintf(`"outcome":"applied","input":%q}`, input)
		before = fmt.Sprintf("%x", sha256.Sum256([]byte(line)))
	}
	equal(t, "the acts", count, 3)
	equal(t, "the head", b.plane.Acts(), wire.ActHead{Count: 3, Hash: wire.Name(before)})
	equal(t, "the head as text", b.plane.Acts().String(), "3:"+before)
	equal(t, "no head", wire.ActHead{}.String(), "0")
	r := b.step(&plane.QueryStatus{})
	equal(t, "the head in the status", r.Outcome.Document.(*wire.FleetStatus).Acts, b.plane.Acts())
}

// What changes nothing is no act, and neither is what no operator requested.
func TestActs_AreWhatOperatorsHaveLogged(t *testing.T) {
	b, _ := acts(t)
	head := b.plane.Acts()
	for _, in := range []plane.Input{
		requested(open("stable@r1", "h1=c2")),                               // open already
		requested(&plane.ClearQuarantine{Channel: "stable", Closure: "c2"}), // unknown
		requested(&plane.ResumeRollout{RolloutID: "stable@r1"}),             // not halted
		&plane.Requested{By: operator, Input: &plane.QueryStatus{}},
		&plane.Revoke{CommonName: "agent-h3.fleet"},
		heartbeat("h1", "", ""),
	} {
		b.step(in)
		equal(t, "the head after "+in.String(), b.plane.Acts(), head)
		for i := range b.out.Entries {
			if b.out.Entries[i].Act != nil {
				t.Errorf("%v is an act", b.out.Entries[i])
			}
		}
	}
}

// The log walked anew gives the same chain; a log in which an act was changed, removed,
// put elsewhere or given to another operator does not walk.
func TestWalk_RefusesAnActThatTheChainContradicts(t *testing.T) {
	b, log := acts(t)
	walk := func(log []plane.Entry) (*plane.Plane, error) {
		p, err := plane.New(plane.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range log {
			if err := p.Apply(e); err != nil {
				return p, err
			}
		}
		return p, nil
	}
	p, err := walk(log)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the head of a walk", p.Acts(), b.plane.Acts())
	for what, change := range map[string]func([]plane.Entry){
		"another input":    func(l []plane.Entry) { l[1].Input = &plane.Revoke{CommonName: "agent-h9.fleet", Before: at(0)} },
		"another operator": func(l []plane.Entry) { by := *l[1].Act; by.By.Name = "operator-bob.fleet"; l[1].Act = &by },
		"another instant":  func(l []plane.Entry) { l[1].At = l[1].At.Add(1) },
		"no operator":      func(l []plane.Entry) { l[1].Act = nil },
	} {
		changed := append([]plane.Entry(nil), log...)
		change(changed)
		if _, err := walk(changed); err == nil || !strings.Contains(err.Error(), "log entry 4") {
			t.Errorf("%s: got %v; want entry 4 refused, the next act", what, err)
		}
	}
	// The last act has none behind it: only the head shows the change.
	last := append([]plane.Entry(nil), log...)
	last[3].Input = &plane.Revoke{CommonName: "agent-h9.fleet", Before: at(0)}
	if p, err = walk(last); err != nil {
		t.Fatal(err)
	}
	if p.Acts() == b.plane.Acts() {
		t.Error("the head does not depend on the last act")
	}
}

// A log from before there were acts reads on, and the chain begins with the first.
func TestActs_BeginWithTheFirst(t *testing.T) {
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	if state := string(b.plane.AppendState(nil)); strings.Contains(state, "acts ") {
		t.Errorf("a plane without acts writes of them:\n%s", state)
	}
	b.step(requested(&plane.Revoke{CommonName: "n"}))
	equal(t, "the count", b.plane.Acts().Count, 1)
	equal(t, "the hash before", b.out.Entries[0].Act.Before, "")
	equal(t, "the place in the log", b.out.Entries[0].Number, 2)
}

// The hash of a giant manifest is taken before the step.
func TestPrepare_TakesTheHashThatTheStepWouldTake(t *testing.T) {
	one, other := started(t), started(t)
	in := open("stable@r1", "h1=c2 h2=c2")
	other.step(requested(in))
	in.Prepare()
	one.step(requested(in))
	equal(t, "the head", one.plane.Acts(), other.plane.Acts())
}

func TestParseInput_RefusesTwoOperators(t *testing.T) {
	line := plane.AppendInput(nil, &plane.Requested{By: operator, Input: &plane.Requested{By: operator, Input: &plane.QueryStatus{}}})
	var d wire.Decoder
	for _, bad := range []string{string(line), `requested {"name":"a"}`, `requested {"name":"a"} `, `requested {} query_status {}`, `requested {"name":"a`} {
		if in, err := plane.ParseInput(&d, []byte(bad)); err == nil {
			t.Errorf("%s reads as %v", bad, in)
		}
	}
}
