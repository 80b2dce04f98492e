package plane_test

import (
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
		equal(t, what+": the answer", *r.Outcome.Document.(*wire.Revocation), wire.Revocation{CommonName: "n", RevokedBefore: inForce})
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
