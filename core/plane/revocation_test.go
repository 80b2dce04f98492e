package plane_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestARevocationIsNeverTakenBack(t *testing.T) { // PROTOCOL T5
	b := started(t)
	b.now = 100 * time.Second
	inForce := wire.Time{}
	for _, c := range []struct {
		before  wire.Time
		changes bool
	}{
		{at(50), true}, {at(50), false}, {at(49), false}, {at(50).Add(1), true}, {at(0), false},
		{wire.Time{}, true}, {wire.Time{}, false}, {at(100), false},
	} {
		r := b.want(wire.OK, &plane.Revoke{CommonName: "n", Before: c.before})
		if c.changes {
			inForce = c.before
			if !inForce.IsSet() {
				inForce = at(100)
			}
		}
		what := "revoking before " + c.before.String()
		equal(t, what+": the answer", *r.Outcome.Document.(*wire.RevocationAnswer), wire.RevocationAnswer{CommonName: "n", RevokedBefore: inForce})
		equal(t, what+": RevocationsChanged", b.out.RevocationsChanged, c.changes)
		equal(t, what+": entries", len(b.out.Entries) == 1, c.changes)
		equal(t, what+": what is published", b.plane.Revocations()["n"], inForce)
	}
}

func TestARevocationInTheFutureIsRefused(t *testing.T) { // PROTOCOL T5
	b := started(t)
	b.now = 100 * time.Second
	r := b.want(wire.WrongShape, &plane.Revoke{CommonName: "n", Before: at(100).Add(1)})
	equal(t, "the field", r.Outcome.Field, "revoked_before")
	equal(t, "RevocationsChanged", b.out.RevocationsChanged, false)
	equal(t, "revocations", len(b.plane.Revocations()), 0)
	b.want(wire.OK, &plane.Revoke{CommonName: "n", Before: at(100)})
}

func TestRevocationsAreTheCallersToKeep(t *testing.T) { // PROTOCOL T5
	b := started(t)
	b.step(&plane.Revoke{CommonName: "n"})
	m := b.plane.Revocations()
	delete(m, "n")
	equal(t, "revocations of the plane", len(b.plane.Revocations()), 1)
}

func TestRevocationsSurviveARestart(t *testing.T) { // PROTOCOL T5, E2
	b := started(t)
	b.step(&plane.Revoke{CommonName: "n"})
	p := restored(t, plane.Config{}, b.plane.AppendDurable(nil))
	equal(t, "the instant", p.Revocations()["n"], at(0))
}

// holder is what a server says of a name.
func holder(host wire.Hostname) plane.Holder { return plane.Holder{Judge: true, Hostname: host} }

func TestANameThatNobodyIsKnownByIsNotRevoked(t *testing.T) { // PROTOCOL T5
	b := started(t)
	b.want(wire.Created, open("stable@r1", "h1=c1"))
	b.step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "h2", At: at(0)}})
	b.step(&plane.Poll{Hostname: "h3"})
	before := string(b.plane.AppendState(nil))
	for _, name := range []string{"h9", "H1", "h1.", ""} {
		h := holder(wire.Hostname(name))
		r := b.want(wire.UnknownName, &plane.Revoke{CommonName: wire.CommonName("agent-" + name + ".fleet"), Also: wire.CommonName(name), Holder: h})
		equal(t, name+": the field", r.Outcome.Field, "common_name")
		for _, part := range []string{"want agent-<id>.<suffix>", `"force":true`} {
			if !strings.Contains(r.Outcome.Detail, part) {
				t.Errorf("%q: the refusal does not say %s: %s", name, part, r.Outcome.Detail)
			}
		}
		equal(t, name+": RevocationsChanged", b.out.RevocationsChanged, false)
	}
	equal(t, "the state", string(b.plane.AppendState(nil)), before)

	// Known by a manifest, by a heartbeat, by a poll; forced; an operator.
	for _, c := range []struct {
		in      plane.Revoke
		warning string
	}{
		{plane.Revoke{CommonName: "agent-h1.fleet", Holder: holder("h1")}, "h1 is in a manifest"},
		{plane.Revoke{CommonName: "h2", Holder: holder("h2")}, ""},
		{plane.Revoke{CommonName: "h3", Holder: holder("h3")}, ""},
		{plane.Revoke{CommonName: "h9", Holder: plane.Holder{Judge: true, Hostname: "h9", Force: true}}, "knows no host and no operator of this name"},
		{plane.Revoke{CommonName: "h9", Holder: holder("h9")}, "knows no host and no operator of this name"}, // again, and it is revoked already
		{plane.Revoke{CommonName: "operator-a.fleet", Holder: plane.Holder{Judge: true, Seen: true}}, ""},
		{plane.Revoke{CommonName: "operator-b.fleet", Holder: plane.Holder{Judge: true, Force: true}}, "knows no host and no operator of this name"},
	} {
		in := c.in
		r := b.want(wire.OK, &in)
		answer := r.Outcome.Document.(*wire.RevocationAnswer)
		if (answer.Warning == "") != (c.warning == "") || !strings.Contains(string(answer.Warning), c.warning) {
			t.Errorf("%v: the warning is %q, want %q", &in, answer.Warning, c.warning)
		}
		warned := slices.ContainsFunc(b.out.Notices, func(n plane.Notice) bool { return n.Kind == plane.NoticeRevokedUnseen })
		if again := len(b.out.Entries) == 0; warned != (c.warning != "" && !again) {
			t.Errorf("%v: warned in the log: %v", &in, warned)
		}
	}
	b.want(wire.UnknownName, &plane.Revoke{CommonName: "operator-c.fleet", Holder: plane.Holder{Judge: true}})

	// An event of a host that had only a manifest says that it is there.
	b.step(event("h1", "stable@r1", 1, wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: at(0)}))
	r := b.want(wire.OK, &plane.Revoke{CommonName: "agent-h1.fleet", Holder: holder("h1")})
	equal(t, "the warning", r.Outcome.Document.(*wire.RevocationAnswer).Warning, "")
}

func TestBothSpellingsOfAHostAreRevokedTogether(t *testing.T) { // PROTOCOL T2, T5
	b := started(t)
	b.now = 100 * time.Second
	const full, bare = "agent-h1.fleet", "h1"
	b.step(&plane.Revoke{CommonName: bare, Before: at(10)}) // by an earlier version of the plane
	for _, c := range []struct {
		name, also wire.CommonName
		before     int
		changes    bool
	}{{full, bare, 5, true}, {bare, full, 5, false}, {bare, full, 10, true}, {full, bare, 20, true}, {bare, full, 30, true}} {
		r := b.want(wire.OK, &plane.Revoke{CommonName: c.name, Also: c.also, Before: at(c.before), Holder: plane.Holder{Judge: true, Force: true, Hostname: "h1"}})
		equal(t, "also revoked", r.Outcome.Document.(*wire.RevocationAnswer).AlsoRevoked, c.also)
		equal(t, "entries", len(b.out.Entries) == 1, c.changes)
		for name, before := range b.plane.Revocations() {
			if want := max(c.before, map[wire.CommonName]int{bare: 10}[name]); before != at(want) {
				t.Errorf("revoking %s before %d: %s is revoked before %v, want %v", c.name, c.before, name, before, at(want))
			}
		}
	}
	equal(t, "names", len(b.plane.Revocations()), 2)
	p := restored(t, plane.Config{}, b.plane.AppendDurable(nil))
	equal(t, "after a restart", p.Revocations()[full], at(30))
}

// What an earlier version of the plane logged is taken as it is: whether anybody is
// known by the name was not judged, and the hosts that were only seen are in no log.
func TestTheLogOfARevocationIsWalkedWhoeverIsKnown(t *testing.T) { // PROTOCOL T5, E2
	b := started(t)
	var decoder wire.Decoder
	old := plane.Entry{Number: 1, At: at(0), Kind: "revoked", Outcome: "applied"}
	if err := old.DecodeInput(&decoder, []byte(`{"common_name":"nobody","before":"2026-01-01T00:00:00Z"}`)); err != nil {
		t.Fatal(err)
	}
	p := restored(t, plane.Config{}, nil)
	if err := p.Apply(old); err != nil {
		t.Fatal(err)
	}
	b.step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "h2", At: at(0)}})
	b.want(wire.OK, &plane.Revoke{CommonName: "agent-h2.fleet", Also: "h2", Holder: holder("h2")})
	entry := b.out.Entries[0]
	entry.Number = 2
	if err := p.Apply(entry); err != nil { // the host is in no record
		t.Fatal(err)
	}
	equal(t, "revocations", len(p.Revocations()), 3)
}
