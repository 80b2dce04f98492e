package artifact_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// enrolling is the enrolment of testdata, which another program made, with all that it
// is judged by.
type enrolling struct {
	admission artifact.Admission
	request   artifact.Enrolment
	applicant artifact.Applicant
	root      signer // signs tokens
}

func newEnrolling(t testing.TB) *enrolling {
	t.Helper()
	v := verifier(t)
	nonces, err := v.Nonces(artifactOf(t, "bootstrap-nonces.json"))
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := v.Fleet(artifactOf(t, "fleet.resolved.json"))
	if err != nil {
		t.Fatal(err)
	}
	e := &enrolling{admission: artifact.Admission{Trust: v.Trust, Nonces: &nonces.Doc, Fleet: &fleet.Doc, Now: v.Now}}
	if err := wire.DecodeDocument(new(wire.Decoder), &artifact.EnrolmentSchema, file(t, "enroll.request.json"), &e.request); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(e.request.CSR))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	e.applicant = artifact.Applicant{CommonName: csr.Subject.CommonName, Key: csr.PublicKey.(ed25519.PublicKey), Ed25519: true}
	seed := make([]byte, ed25519.SeedSize) // of the organization's root key of testdata
	for i := range seed {
		seed[i] = byte(0x21 + i)
	}
	e.root = signer{ed25519.NewKeyFromSeed(seed)}
	return e
}

// sign signs the claims anew.
func (e *enrolling) sign(t testing.TB) {
	t.Helper()
	form, err := e.request.Token.Claims.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	e.request.Token.Signature = wire.Name(base64.StdEncoding.EncodeToString(ed25519.Sign(e.root.private, form)))
}

// judge is what the plane does with all but the CSR's form: steps 3 to 14.
func (e *enrolling) judge() (wire.Outcome, bool) {
	if _, refusal, ok := e.admission.Token(&e.request.Token); !ok {
		return refusal, false
	}
	return e.admission.Host(&e.request.Token.Claims, &e.applicant)
}

func TestVectors_ATokenIsAccepted(t *testing.T) { // PROTOCOL N2
	e := newEnrolling(t)
	if refusal, ok := e.judge(); !ok {
		t.Fatalf("refused: %+v", refusal)
	}
	if !e.admission.Genuine(&e.request.Token) {
		t.Error("the token is not genuine")
	}
}

// What the producer signed is made here of the same values, byte for byte.
func TestVectors_ATokenIsMadeTheSame(t *testing.T) {
	e := newEnrolling(t)
	signature := e.request.Token.Signature
	form, err := e.request.Token.Claims.Canonical()
	if err != nil || string(form) != string(file(t, "token.claims.canonical.json")) {
		t.Errorf("the claims are %s, %v", form, err)
	}
	e.sign(t)
	if e.request.Token.Signature != signature {
		t.Errorf("the signature is %s; want %s", e.request.Token.Signature, signature)
	}
	token, err := artifact.ParseToken(file(t, "bootstrap-token.json"))
	if err != nil || token.Claims != e.request.Token.Claims || token.Signature != signature {
		t.Errorf("the token file reads as %+v, %v", token, err)
	}
	again, err := artifact.ParseToken(token.Marshal())
	if err != nil || *again != *token {
		t.Errorf("written and read again it is %+v, %v", again, err)
	}
	if got := artifact.Fingerprint(e.applicant.Key); got != token.Claims.Fingerprint {
		t.Errorf("the fingerprint is %s; want %s", got, token.Claims.Fingerprint)
	}
}

// Times are signed with 0, 3, 6 or 9 digits, whatever the token has.
func TestClaims_TimesAreSignedInOneForm(t *testing.T) { // PROTOCOL N2
	for text, want := range map[string]string{
		"2026-01-02T03:04:05Z":           "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.5Z":         "2026-01-02T03:04:05.500Z",
		"2026-01-02T04:04:05.12+01:00":   "2026-01-02T03:04:05.120Z",
		"2026-01-02T03:04:05.123400Z":    "2026-01-02T03:04:05.123400Z",
		"2026-01-02T03:04:05.000000001Z": "2026-01-02T03:04:05.000000001Z",
	} {
		c := artifact.Claims{Hostname: "h", Fingerprint: "f", Nonce: "n", IssuedAt: instant(t, text), ExpiresAt: instant(t, text)}
		form, err := c.Canonical()
		if err != nil || strings.Count(string(form), `"`+want+`"`) != 2 {
			t.Errorf("%s is signed as %s, %v; want %s", text, form, err, want)
		}
	}
}

// The checks in their order: each case breaks what is named and, with it, all that is
// judged later, so that the answer shows which comes first.
func TestAdmission_ChecksInOrder(t *testing.T) { // PROTOCOL N2
	token := func(e *enrolling) *artifact.Claims { return &e.request.Token.Claims }
	for _, test := range []struct {
		name  string
		spoil func(*enrolling)
		code  wire.Code
		field string
	}{
		{"the fleet has another key for the host", func(e *enrolling) {
			other := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
			wire.Lookup(e.admission.Fleet.Hosts, "web-01").PublicKey = opensshLine(other)
		}, wire.EnrolmentRefused, "csrPem"},
		{"the fleet has no key for the host", func(e *enrolling) {
			wire.Lookup(e.admission.Fleet.Hosts, "web-01").PublicKey = ""
		}, wire.EnrolmentRefused, ""},
		{"the fleet's key cannot be read", func(e *enrolling) {
			wire.Lookup(e.admission.Fleet.Hosts, "web-01").PublicKey = "ssh-rsa AAAA"
		}, wire.EnrolmentRefused, ""},
		{"the key is not ed25519", func(e *enrolling) { e.applicant.Ed25519 = false }, wire.BadCSR, "csrPem"},
		{"the host is not in the fleet", func(e *enrolling) { e.admission.Fleet.Hosts = nil }, wire.EnrolmentRefused, "token.claims.hostname"},
		{"another key than the token's", func(e *enrolling) {
			e.applicant.Key = ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
		}, wire.EnrolmentRefused, "csrPem"},
		{"another name than the token's", func(e *enrolling) { e.applicant.CommonName = "web-02" }, wire.EnrolmentRefused, "csrPem"},
		{"rejected before", func(e *enrolling) {
			e.admission.Trust.OrgRoot.RejectBefore = token(e).IssuedAt.Add(1)
		}, wire.EnrolmentRefused, "token.claims.issuedAt"},
		{"no signature of the root key", func(e *enrolling) { token(e).Fingerprint = "x" }, wire.EnrolmentRefused, "token.signature"},
		{"no root key", func(e *enrolling) { e.admission.Trust.OrgRoot = artifact.Slot{} }, wire.IssuingFailed, ""},
		{"the token has expired", func(e *enrolling) {
			e.admission.Nonces.Entries[0].ExpiresAt = token(e).ExpiresAt.Add(1)
			e.admission.Now = token(e).ExpiresAt
		}, wire.EnrolmentRefused, "token.claims.expiresAt"},
		{"the token is of the future", func(e *enrolling) { e.admission.Now = token(e).IssuedAt.Add(-1) }, wire.EnrolmentRefused, "token.claims.issuedAt"},
		{"the entry has expired", func(e *enrolling) { e.admission.Nonces.Entries[0].ExpiresAt = e.admission.Now }, wire.EnrolmentRefused, "token.claims.nonce"},
		{"the entry names another host", func(e *enrolling) { e.admission.Nonces.Entries[0].Hostname = "web-02" }, wire.EnrolmentRefused, "token.claims.hostname"},
		{"the nonce is not listed", func(e *enrolling) { e.admission.Nonces.Entries = nil }, wire.EnrolmentRefused, "token.claims.nonce"},
		{"there is no list", func(e *enrolling) { e.admission.Nonces = nil }, wire.EnrolmentRefused, "token.claims.nonce"},
	} {
		e := newEnrolling(t)
		test.spoil(e)
		if refusal, ok := e.judge(); ok || refusal.Code != test.code || refusal.Field != test.field || refusal.Detail == "" {
			t.Errorf("%s: got %v, %+v; want %v at %q", test.name, ok, refusal, test.code, test.field)
		}
	}
	// Every second spoils the one before it too: what is checked earlier wins.
	e := newEnrolling(t)
	for _, step := range []struct {
		spoil func(*enrolling)
		field string
	}{
		{func(e *enrolling) { e.admission.Fleet.Hosts = nil }, "token.claims.hostname"},
		{func(e *enrolling) { e.applicant.CommonName = "web-02" }, "csrPem"},
		{func(e *enrolling) { e.request.Token.Signature = "x" }, "token.signature"},
		{func(e *enrolling) { e.admission.Trust.OrgRoot = artifact.Slot{} }, ""},
		{func(e *enrolling) { e.admission.Now = token(e).IssuedAt.Add(-1) }, "token.claims.issuedAt"},
		{func(e *enrolling) { e.admission.Nonces.Entries[0].ExpiresAt = e.admission.Now }, "token.claims.nonce"},
		{func(e *enrolling) { e.admission.Nonces.Entries[0].Hostname = "web-02" }, "token.claims.hostname"},
		{func(e *enrolling) { e.admission.Nonces = nil }, "token.claims.nonce"},
	} {
		step.spoil(e)
		if refusal, ok := e.judge(); ok || refusal.Field != step.field {
			t.Errorf("got %v, %+v; want a refusal at %q", ok, refusal, step.field)
		}
	}
}

// opensshLine is a public key as a fleet has it.
func opensshLine(key ed25519.PublicKey) wire.Text {
	blob := append([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), key...)
	return wire.Text("ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob) + " root@web-01")
}

func TestAdmission_TokensOfEveryActiveRootKeyAreGood(t *testing.T) { // PROTOCOL N2
	for _, slot := range []func(artifact.Key) artifact.Slot{
		func(k artifact.Key) artifact.Slot { return artifact.Slot{Previous: &k} },
		func(k artifact.Key) artifact.Slot {
			return artifact.Slot{Successor: &k, RetireAt: instant(t, "2026-02-01T00:00:00Z")}
		},
	} {
		e := newEnrolling(t)
		e.admission.Trust.OrgRoot = slot(*e.admission.Trust.OrgRoot.Current)
		if refusal, ok := e.judge(); !ok {
			t.Errorf("refused: %+v", refusal)
		}
	}
	e := newEnrolling(t)
	e.admission.Trust.OrgRoot = artifact.Slot{Successor: e.admission.Trust.OrgRoot.Current, RetireAt: e.admission.Now}
	if _, ok := e.judge(); ok {
		t.Error("a token of a successor that has retired is accepted")
	}
}

func TestAdmission_Renewal(t *testing.T) { // PROTOCOL N5
	other := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	for _, test := range []struct {
		name  string
		host  wire.Hostname
		spoil func(e *enrolling, current *[]byte)
		code  wire.Code
	}{
		{"as it should be", "web-01", func(*enrolling, *[]byte) {}, wire.OK},
		{"not ed25519", "web-01", func(e *enrolling, _ *[]byte) { e.applicant.Ed25519 = false; e.admission.Fleet.Hosts = nil }, wire.BadCSR},
		{"unknown host", "web-09", func(*enrolling, *[]byte) {}, wire.EnrolmentRefused},
		{"another key than the certificate's", "web-01", func(_ *enrolling, current *[]byte) { *current = other }, wire.EnrolmentRefused},
		{"another key than the fleet's", "web-01", func(e *enrolling, current *[]byte) { e.applicant.Key, *current = other, other }, wire.EnrolmentRefused},
		{"a host without a key", "web-02", func(*enrolling, *[]byte) {}, wire.EnrolmentRefused},
	} {
		e := newEnrolling(t)
		current := e.applicant.Key
		test.spoil(e, &current)
		refusal, ok := e.admission.Renewal(test.host, current, &e.applicant)
		if ok != (test.code == wire.OK) || refusal.Code != test.code {
			t.Errorf("%s: got %v, %+v; want %v", test.name, ok, refusal, test.code)
		}
	}
}

func TestHostKey_RefusesWhatIsNoKey(t *testing.T) {
	good := opensshLine(ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey))
	if key, err := (&artifact.Host{PublicKey: good}).Key(); err != nil || len(key) != ed25519.PublicKeySize {
		t.Errorf("%s: %x, %v", good, key, err)
	}
	for _, line := range []wire.Text{
		"", "ssh-ed25519", "ssh-rsa AAAA", "ssh-ed25519 !", "ssh-ed25519 AAAA", "ssh-ed25519 AAAAAA==", "ssh-ed25519 /////w==",
		"ssh-ed25519 " + wire.Text(base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x02ab"))),
		"ssh-ed25519 " + wire.Text(base64.StdEncoding.EncodeToString(append([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), make([]byte, 33)...))),
	} {
		if key, err := (&artifact.Host{PublicKey: line}).Key(); err == nil {
			t.Errorf("%q is read as %x", line, key)
		}
	}
}
