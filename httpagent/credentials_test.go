package httpagent

import (
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestARenewedCertificateIsUsedByTheNextRequest(t *testing.T) { // PROTOCOL T5
	r := newRig(t)
	dir := t.TempDir()
	r.cfg.CertFile, r.cfg.KeyFile = r.plane.ca.write(t, dir, "agent", r.cfg.Certificate)
	r.cfg.Certificate = nil
	revoked := r.plane.ca.certificate.SerialNumber // no agent's
	r.plane.answers(withoutPolls(func(c call) answer {
		if c.tls.PeerCertificates[0].SerialNumber.Cmp(revoked) == 0 {
			return answer{Outcome: wire.Refuse(wire.CertificateRevoked, "", "revoked")}
		}
		return answer{}
	}))
	serial := func(heartbeat int) *big.Int {
		return r.plane.of("heartbeat")[heartbeat].tls.PeerCertificates[0].SerialNumber
	}
	renew := func() {
		r.plane.ca.write(t, dir, "agent", r.plane.ca.issue(t, "agent-h1.fleet.test", x509.ExtKeyUsageClientAuth))
	}
	r.begin()
	r.until("two heartbeats", r.heartbeats(2))
	first := serial(1)
	renew()
	r.until("a third", r.heartbeats(3))
	second := serial(2)
	if second.Cmp(first) == 0 {
		t.Error("the old certificate is used still")
	}
	r.plane.mu.Lock()
	revoked = second
	r.plane.mu.Unlock()
	r.until("a fourth, which is refused", r.heartbeats(4))
	renew()
	r.until("a fifth", r.heartbeats(5))
	if x := r.exchanges(agent.RequestHeartbeat); x[2].Status != 200 || x[3].Status != 401 || x[3].Reason != "certificate_revoked" || x[4].Status != 200 {
		t.Errorf("seen as %+v", x[2:])
	}
	if n := r.noticed(agent.NoticeUnauthorised); n != 1 {
		t.Errorf("%d notices, want one", n)
	}
}

func TestFilesThatCannotBeUsedLeaveTheSetBefore(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	caFile := filepath.Join(dir, "ca.crt")
	writePEM := func(certificates ...[]byte) {
		t.Helper()
		var text []byte
		for _, der := range certificates {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		if err := os.WriteFile(caFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writePEM(r.plane.ca.certificate.Raw)
	r.cfg.CertFile, r.cfg.KeyFile = r.plane.ca.write(t, dir, "agent", r.cfg.Certificate)
	r.cfg.CAFile, r.cfg.Certificate, r.cfg.RootCAs = caFile, nil, nil
	cfg := r.cfg.withDefaults()
	cr := must(newCredentials(&cfg))(t)
	first := cr.client()
	look := func(want string) {
		t.Helper()
		r.clock.Add(lookEvery)
		if got := cr.client(); got != first || !r.logs.has("the previous ones stay in use") || !r.logs.has(want) {
			t.Errorf("another client: %v; want the one before, and %q in\n%s", got != first, want, r.logs)
		}
	}
	other := r.plane.ca.issue(t, "agent-h1.fleet.test", x509.ExtKeyUsageClientAuth)
	r.plane.ca.write(t, dir, "other", other)
	otherKey := must(os.ReadFile(filepath.Join(dir, "other.key")))(t)
	ownKey := must(os.ReadFile(cfg.KeyFile))(t)
	if err := os.WriteFile(cfg.KeyFile, otherKey, 0o600); err != nil {
		t.Fatal(err)
	}
	look("not the key of")
	if err := os.WriteFile(cfg.KeyFile, ownKey, 0o600); err != nil {
		t.Fatal(err)
	}
	writePEM(r.plane.ca.certificate.Raw, []byte("damaged"))
	look("ca.crt:")
	writePEM(other.Certificate[0])
	look("is not a CA")
	// A bundle of the CA that signed the plane's certificate and of the next one.
	writePEM(r.plane.ca.certificate.Raw, newAuthority(t).certificate.Raw)
	r.clock.Add(lookEvery - 1)
	if cr.client() != first {
		t.Error("the files are looked at within a second")
	}
	r.clock.Add(1)
	if cr.client() == first {
		t.Errorf("the good files are not used\n%s", r.logs)
	}
}

func TestACertificateThatIsNotForClientsIsRefusedAtTheStart(t *testing.T) {
	r := newRig(t)
	cfg := r.cfg
	pair := r.plane.ca.issue(t, "plane.fleet.test", x509.ExtKeyUsageServerAuth)
	cfg.CertFile, cfg.KeyFile = r.plane.ca.write(t, t.TempDir(), "server", pair)
	cfg.Certificate = nil
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "is the certificate of a server; want one that may authenticate a client") {
		t.Errorf("got %v", err)
	}
}
