package httpserver

import (
	"crypto/ed25519"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// listed is an entry of a signed list of revocations.
func listed(host string, before time.Time) artifact.Revocation {
	return artifact.Revocation{Hostname: wire.Hostname(host), NotBefore: wire.TimeOf(before), Reason: "lost"}
}

// list writes a signed list of revocations beside the trust file, and returns its path.
func (r *testRelease) list(at time.Time, entries ...artifact.Revocation) string {
	r.t.Helper()
	file := filepath.Join(filepath.Dir(r.trust), "revocations.json")
	doc := artifact.Revocations{Entries: entries, Meta: artifact.Meta{SignedAt: wire.TimeOf(at)}}
	text := must(doc.Marshal())(r.t)
	for name, content := range map[string][]byte{file + releasefile.SignatureSuffix: ed25519.Sign(r.key, text), file: text} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	return file
}

func (h *harness) heldList(at time.Time) {
	h.t.Helper()
	h.eventually("the list is held", func() bool {
		h.clock.Add(dirSettle)
		return h.metric("refrain_revocations_signed_timestamp_seconds") == float64(at.Unix()) && h.metric("refrain_revocations_refused") == 0
	})
}

// locked waits until a host's heartbeats are refused.
func (h *harness) locked(c *client, host string) {
	h.t.Helper()
	h.eventually(host+" is locked out", func() bool {
		h.clock.Add(dirSettle)
		return c.heartbeat(host).status == http.StatusUnauthorized
	})
}

// The signed list and the operators' revocations are in force together, and a name that
// leaves the list stays revoked, also after a start without it.
// PROTOCOL V8
func TestRevocationList_IsInForceBesideTheOperators(t *testing.T) {
	r := newTestRelease(t)
	at := testEpoch.Add(-time.Minute)
	file := r.list(at, listed("h1", at))
	h := newHarness(t, func(c *Config) { c.RevocationsFile, c.TrustFile = file, r.trust })
	old := pki.Validity{NotBefore: testEpoch.Add(-time.Hour)}
	one, bare, two := h.connect(must(h.ca.IssueAgent("h1", old))(t)), h.connect(must(h.ca.IssueAgent("h3", old))(t)), h.connect(must(h.ca.IssueAgent("h2", old))(t))
	h.start()
	h.heldList(at)
	h.locked(one, "h1")
	two.heartbeat("h2").want(t, wire.OK)
	if list := h.reader().do(http.MethodGet, revocationsPath, "").body; !strings.Contains(list, `"common_name":"h1"`) || !strings.Contains(list, `"common_name":"agent-h1.`+testSuffix+`"`) {
		t.Errorf("revoked are %s; want both names of h1", list)
	}
	h.agent("h1").heartbeat("h1").want(t, wire.OK) // with a certificate of later
	h.revoke("agent-h2."+testSuffix, testEpoch)
	two.heartbeat("h2").want(t, wire.CertificateRevoked)

	at = at.Add(time.Second)
	r.list(at, listed("h3", at))
	h.heldList(at)
	h.locked(bare, "h3")
	one.heartbeat("h1").want(t, wire.CertificateRevoked)
	h.cfg.RevocationsFile, h.cfg.TrustFile = "", ""
	h.restart()
	for _, c := range []*client{one, bare, two} {
		h.eventually("they stay revoked", func() bool { return c.do(http.MethodGet, dispatchPath, "").status == http.StatusUnauthorized })
	}
}

// PROTOCOL V8
func TestRevocationList_ABadOneIsRefusedAndNothingIsTakenBack(t *testing.T) {
	r := newTestRelease(t)
	at := testEpoch.Add(-time.Minute)
	file := r.list(at, listed("h1", at))
	h := newHarness(t, func(c *Config) { c.RevocationsFile, c.TrustFile = file, r.trust })
	one := h.connect(must(h.ca.IssueAgent("h1", pki.Validity{NotBefore: testEpoch.Add(-time.Hour)}))(t))
	h.start()
	h.heldList(at)
	h.locked(one, "h1")
	refused := func(reason string) {
		t.Helper()
		h.eventually("it is refused as "+reason, func() bool {
			h.clock.Add(dirSettle)
			return h.metric("refrain_revocations_refused") == 1 && h.metric(`refrain_revocations_refusals_total{reason="`+reason+`"}`) > 0
		})
		if lines := h.logs.matching("level=ERROR", "revocations refused; what was revoked stays so", "reason="+reason); len(lines) == 0 {
			t.Errorf("the log does not say %s", reason)
		}
		if _, body := h.ops("/readyz?verbose"); !strings.Contains(body, reason) && reason != releaseUnreadable {
			t.Errorf("/readyz says %s", body)
		}
		one.heartbeat("h1").want(t, wire.CertificateRevoked)
	}
	r.list(at.Add(-time.Second), listed("h2", at))
	refused("older")
	r.list(at)
	text := must(os.ReadFile(file))(t)
	writeFile(t, file, strings.Replace(string(text), `"revocations":[]`, `"revocations":[{"hostname":"h9","notBefore":"2026-01-01T00:00:00Z","reason":null,"revokedBy":null}]`, 1))
	refused("bad_signature")
	if err := os.Remove(file + releasefile.SignatureSuffix); err != nil {
		t.Fatal(err)
	}
	refused(releaseUnreadable)
	at = h.clock.Now()
	r.list(at)
	h.heldList(at)
}

// A plane takes no revocation of the future (T5), so such an entry waits for its
// instant.
// PROTOCOL V8
func TestRevocationList_AnEntryOfTheFutureWaits(t *testing.T) {
	r := newTestRelease(t)
	future := testEpoch.Add(10 * time.Minute)
	file := r.list(testEpoch, listed("h1", future), listed("h2", testEpoch.Add(-time.Minute)))
	h := newHarness(t, func(c *Config) { c.RevocationsFile, c.TrustFile = file, r.trust })
	one, two := h.agent("h1"), h.connect(must(h.ca.IssueAgent("h2", pki.Validity{NotBefore: testEpoch.Add(-time.Hour)}))(t))
	h.start()
	h.locked(two, "h2")
	one.heartbeat("h1").want(t, wire.OK)
	if _, body := h.ops("/readyz?verbose"); !strings.Contains(body, "the instants of h1 are in the future") {
		t.Errorf("/readyz says %s", body)
	}
	h.clock.Set(future)
	h.eventually("h1 is locked out", func() bool {
		h.clock.Add(dirPoll)
		return one.heartbeat("h1").status == http.StatusUnauthorized
	})
}
