package plane_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// token is what a server asks for a token of a host that was issued at 0 and is good for
// a minute.
func token(host wire.Hostname, nonce, key wire.Name) *plane.Certify {
	return &plane.Certify{
		Hostname: host, CommonName: wire.CommonName("agent-" + host + ".fleet"), Also: wire.CommonName(host),
		Since: at(0), Nonce: nonce, Key: key, ExpiresAt: at(60),
	}
}

// renewal is what it asks for a certificate whose NotBefore is at 0.
func renewal(host wire.Hostname) *plane.Certify {
	in := token(host, "", "k")
	in.ExpiresAt = wire.Time{}
	return in
}

// A lost answer does not use up the token: the same key may ask again.
func TestANonceIsUsedByOneKey(t *testing.T) { // PROTOCOL N3
	b := started(t)
	r := b.want(wire.NoContent, token("h1", "n1", "k1"))
	equal(t, "the answer waits for its entry", r.AfterEntries, 1)
	equal(t, "the entry", b.out.Entries[0].Kind, "enrolled")
	b.want(wire.NoContent, token("h1", "n1", "k1"))
	equal(t, "entries of the second time", len(b.out.Entries), 0)
	for _, other := range []*plane.Certify{token("h1", "n1", "k2"), token("h2", "n1", "k1")} {
		r := b.want(wire.NonceUsed, other)
		equal(t, "the field", r.Outcome.Field, "token.claims.nonce")
	}
	b.want(wire.NoContent, token("h1", "n2", "k2"))

	// In one batch, the second waits for the entry of the first.
	b.out.Reset()
	b.add(token("h3", "n3", "k1"))
	equal(t, "the second time in a batch", b.add(token("h3", "n3", "k1")).AfterEntries, 1)
	equal(t, "another key in a batch", b.add(token("h3", "n3", "k2")).AfterEntries, 1)
	equal(t, "another host in a batch", b.add(token("h4", "n3", "k1")).AfterEntries, 1)
}

func TestWhatTheServerRefusesUsesNoNonce(t *testing.T) { // PROTOCOL N3
	b := started(t)
	refused := token("h1", "n1", "k1")
	refused.Refused = true
	b.want(wire.NoContent, refused)
	equal(t, "entries", len(b.out.Entries), 0)
	b.want(wire.NoContent, token("h1", "n1", "k2"))
	b.want(wire.NonceUsed, refused)
}

func TestUsedNoncesSurviveARestart(t *testing.T) { // PROTOCOL N3, E2
	b := started(t)
	b.step(token("h1", "n1", "k1"))
	state := string(b.plane.AppendDurable(nil))
	if !strings.Contains(state, `enrolment {"nonce":"n1","hostname":"h1","key":"k1"`) {
		t.Errorf("the state has no line of the nonce:\n%s", state)
	}
	b.plane = restored(t, plane.Config{}, []byte(state))
	b.step(&plane.Started{})
	b.want(wire.NonceUsed, token("h1", "n1", "k2"))
	b.want(wire.NoContent, token("h1", "n1", "k1"))
}

func TestExpiredNoncesAreForgotten(t *testing.T) { // PROTOCOL N3
	b := started(t)
	b.step(token("h1", "n1", "k1"))
	b.now = time.Minute
	b.step(token("h2", "n2", "k1"))
	if !strings.Contains(string(b.plane.AppendDurable(nil)), `"nonce":"n1"`) {
		t.Error("n1 is forgotten in the instant in which it expires")
	}
	b.now++
	later := token("h3", "n3", "k1")
	later.ExpiresAt = at(120)
	b.step(later)
	if state := string(b.plane.AppendDurable(nil)); strings.Contains(state, `"nonce":"n1"`) || !strings.Contains(state, `"nonce":"n3"`) {
		t.Errorf("the state is\n%s", state)
	}
}

// A revocation refuses the tokens and the certificates of before it, by either name.
func TestARevokedHostIsGivenNoCertificate(t *testing.T) { // PROTOCOL N3, N5
	for _, name := range []wire.CommonName{"agent-h1.fleet", "h1"} {
		b := started(t)
		b.step(token("h1", "n1", "k1"))
		b.now = 10 * time.Second
		b.step(&plane.Revoke{CommonName: name})
		b.want(wire.EnrolmentRefused, token("h1", "n1", "k1"))
		b.want(wire.EnrolmentRefused, token("h1", "n2", "k1"))
		equal(t, "entries", len(b.out.Entries), 0)
		b.want(wire.CertificateRevoked, renewal("h1"))
		b.want(wire.NoContent, renewal("h2"))
		later := token("h1", "n2", "k1")
		later.Since = at(10)
		b.want(wire.NoContent, later)
		again := renewal("h1")
		again.Since = at(10)
		b.want(wire.NoContent, again)
		equal(t, "a renewal is not logged", len(b.out.Entries), 0)
	}
}

// What is said of a revocation must not be said before it is durable.
func TestARenewalWaitsForRevocationsOfItsBatch(t *testing.T) { // PROTOCOL N5, E2
	b := started(t)
	b.now = 10 * time.Second
	b.add(&plane.Revoke{CommonName: "agent-h1.fleet"})
	equal(t, "needs", b.add(renewal("h1")).AfterEntries, 1)
}

func TestWithoutADiskOnlyWhatIsKnownEnrols(t *testing.T) { // PROTOCOL G9, N3
	b := started(t)
	b.step(token("h1", "n1", "k1"))
	b.step(&plane.Storage{Unavailable: true})
	b.want(wire.StoreUnavailable, token("h2", "n2", "k1"))
	b.want(wire.NoContent, token("h1", "n1", "k1"))
	b.want(wire.NoContent, renewal("h2"))
}
