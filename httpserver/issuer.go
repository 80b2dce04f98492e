package httpserver

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/internal/certfile"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// issuer issues the certificates of enrolments and renewals. It decides nothing.
type issuer interface {
	// issue returns the certificate in PEM, perhaps with CAs after it.
	issue(ctx context.Context, order *order) ([]byte, error)
}

// order is what is to be issued: to the key of a CSR, under another name than it has.
type order struct {
	commonName string
	csr        *x509.CertificateRequest
	// A certificate is valid from notBefore on, which is when the plane has decided, so
	// that revocations of later are later than it (PROTOCOL T5).
	notBefore, notAfter time.Time
}

// keyIssuer issues with the key of one of the CAs that clients are verified by. Both
// files are read for each certificate, so that a CA is replaced by replacing its files.
type keyIssuer struct {
	keyFile, caFile string
	now             func() time.Time
}

func (i *keyIssuer) issue(_ context.Context, o *order) ([]byte, error) {
	ca, key, err := i.load()
	if err != nil {
		return nil, err
	}
	leaf, err := pki.Certify(ca, key, o.commonName, o.csr.PublicKey, o.notBefore, o.notAfter)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), nil
}

// load reads the key and the CA that it belongs to.
func (i *keyIssuer) load() (*x509.Certificate, crypto.Signer, error) {
	text, err := os.ReadFile(i.caFile)
	if err != nil {
		return nil, nil, err
	}
	cas, err := certfile.CAs(i.caFile, text, x509.ExtKeyUsageClientAuth, i.now())
	if err != nil {
		return nil, nil, err
	}
	if warning := certfile.KeyWarning(i.keyFile); warning != "" {
		return nil, nil, errors.New(warning)
	}
	if text, err = releasefile.ReadRegular(i.keyFile); err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, nil, fmt.Errorf("%s: has no PEM block PRIVATE KEY (PKCS #8), as refrain pki init writes it", i.keyFile)
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", i.keyFile, err)
	}
	key, is := private.(crypto.Signer)
	if !is {
		return nil, nil, fmt.Errorf("%s: a key of type %T signs nothing", i.keyFile, private)
	}
	for _, ca := range cas {
		if sameKey(key.Public(), ca.PublicKey) {
			if i.now().After(ca.NotAfter) {
				return nil, nil, fmt.Errorf("%s: the CA of %s expired at %s", i.caFile, i.keyFile, ca.NotAfter.UTC().Format(time.RFC3339))
			}
			return ca, key, nil
		}
	}
	return nil, nil, fmt.Errorf("%s: is the key of no CA in %s; certificates of it would not be accepted", i.keyFile, i.caFile)
}

// sameKey reports whether two public keys are one. Every kind that crypto/x509 reads can
// be compared.
func sameKey(a, b crypto.PublicKey) bool {
	public, is := a.(interface{ Equal(crypto.PublicKey) bool })
	return is && public.Equal(b)
}

// maxIssued is the longest output of a [commandIssuer], in bytes.
const maxIssued = 64 << 10

// commandIssuer has a shell command issue: it reads the CSR in PEM on its standard input
// and writes the certificate in PEM, perhaps with the CAs below the fleet CA after it.
// The CSR has the bare machine ID; the name to certify is in REFRAIN_COMMON_NAME, and the
// period in REFRAIN_NOT_BEFORE and REFRAIN_NOT_AFTER, in RFC 3339.
type commandIssuer struct {
	command string
	timeout time.Duration
}

func (i *commandIssuer) issue(ctx context.Context, o *order) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", i.command)
	command.Env = append(os.Environ(),
		"REFRAIN_COMMON_NAME="+o.commonName,
		"REFRAIN_NOT_BEFORE="+o.notBefore.UTC().Format(time.RFC3339),
		"REFRAIN_NOT_AFTER="+o.notAfter.UTC().Format(time.RFC3339))
	command.Stdin = bytes.NewReader(pem.EncodeToMemory(&pem.Block{Type: csrBlock, Bytes: o.csr.Raw}))
	var out, complaint cappedBuffer
	command.Stdout, command.Stderr = &out, &complaint
	command.WaitDelay = time.Second // its children may keep the pipes open
	killWhole(command)
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the CA command did not end within %v", i.timeout)
	case err != nil:
		return nil, fmt.Errorf("the CA command: %w: %s", err, clipTo(strings.TrimSpace(complaint.String()), 300))
	case out.over:
		return nil, fmt.Errorf("the CA command wrote more than %d bytes", maxIssued)
	}
	return out.Bytes(), nil
}

// cappedBuffer keeps the first maxIssued bytes.
type cappedBuffer struct {
	bytes.Buffer
	over bool
}

// Write implements [io.Writer]. It takes everything, so that the command can end.
func (b *cappedBuffer) Write(p []byte) (int, error) {
	if room := maxIssued - b.Len(); len(p) > room {
		b.over = true
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// checkIssued judges what an issuer has made: it has to be what was ordered, and what the
// plane accepts from its host.
func (c *Config) checkIssued(text []byte, o *order) (*x509.Certificate, error) {
	now := c.wall()
	bundle, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, err
	}
	cas, err := certfile.CAs(c.ClientCAFile, bundle, x509.ExtKeyUsageClientAuth, now)
	if err != nil {
		return nil, err
	}
	chain, err := certfile.Certificates("what the CA issued", text)
	if err != nil {
		return nil, err
	}
	leaf := chain[0]
	if bytes.Contains(text, []byte("PRIVATE KEY")) {
		return nil, errors.New("the CA wrote a private key; want the certificate alone")
	}
	if !sameKey(leaf.PublicKey, o.csr.PublicKey) {
		return nil, errors.New("the certificate has another key than the CSR")
	}
	facts := (&exchange{}).leafFacts(leaf)
	identity, flaw, _ := facts.Identify(c.AgentCNSuffix)
	switch {
	case flaw != 0:
		return nil, fmt.Errorf("the certificate speaks for no client: %v", flaw)
	case identity.CommonName != o.commonName:
		return nil, fmt.Errorf("the certificate has the common name %s; want %s", clip(identity.CommonName), o.commonName)
	case leaf.NotBefore.After(now):
		return nil, fmt.Errorf("the certificate is valid from %s on only; it is %s by the plane's clock", leaf.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case leaf.NotAfter.After(o.notAfter):
		return nil, fmt.Errorf("the certificate is valid until %s; want at most %s", leaf.NotAfter.UTC().Format(time.RFC3339), o.notAfter.UTC().Format(time.RFC3339))
	}
	below := x509.NewCertPool()
	for _, ca := range chain[1:] {
		below.AddCert(ca)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: certfile.Pool(cas), Intermediates: below, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return nil, fmt.Errorf("the plane would not accept the certificate: %w", err)
	}
	return leaf, nil
}

// csrBlock is the PEM label of a CSR (RFC 7468).
const csrBlock = "CERTIFICATE REQUEST"

// parseCSR reads a CSR and verifies that its key has signed it.
func parseCSR(text string) (csr *x509.CertificateRequest, problem string) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil || block.Type != csrBlock:
		return nil, "has no PEM block " + csrBlock
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, "has something after its PEM block; want one block alone"
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, "cannot be read: " + clip(err.Error())
	}
	names := 0
	for _, attribute := range csr.Subject.Names {
		if attribute.Type.Equal(oidCommonName) {
			names++
		}
	}
	if names != 1 || csr.Subject.CommonName == "" {
		return nil, fmt.Sprintf("has %d common names; want one, the machine ID", names)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, "is not signed with its own key"
	}
	return csr, ""
}

// keyBytes returns the bytes of a public key from its subjectPublicKeyInfo: for ed25519
// these are the 32 bytes of the key.
func keyBytes(info []byte) []byte {
	var spki struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(info, &spki); err != nil {
		return nil
	}
	return spki.Key.Bytes
}

// issuing reports whether the plane issues certificates.
func (c *Config) issuing() bool { return c.CAKeyFile != "" || c.CACommand != "" }

// newIssuer makes the issuer of a configuration that has one.
func (c *Config) newIssuer() issuer {
	if c.CACommand != "" {
		return &commandIssuer{command: c.CACommand, timeout: c.CATimeout}
	}
	return &keyIssuer{keyFile: c.CAKeyFile, caFile: c.ClientCAFile, now: c.wall}
}

func (c *Config) validateIssuing() error {
	switch {
	case c.CATimeout <= 0:
		return fmt.Errorf("ca timeout is %v; want more than 0s", c.CATimeout)
	case c.AgentValidity < time.Minute || c.AgentValidity%time.Second != 0:
		return fmt.Errorf("agent validity is %v; want whole seconds, at least 1m0s", c.AgentValidity)
	case !c.issuing():
		return nil
	case c.CAKeyFile != "" && c.CACommand != "":
		return errors.New("ca key file and ca command are both set; want one of them")
	case c.ReleaseDir == "":
		return errors.New("ca key file and ca command need a release dir: hosts are enrolled by the signed fleet and its list of nonces")
	case c.ClientCAFile == "":
		return errors.New("ca key file and ca command need a client ca file, whose CAs verify what is issued")
	}
	if c.CAKeyFile != "" {
		if _, _, err := c.newIssuer().(*keyIssuer).load(); err != nil {
			return fmt.Errorf("ca key file: %w", err)
		}
	}
	return nil
}
