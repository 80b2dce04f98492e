package httpserver

import (
	"testing"
)

// FuzzCSR gives the reader of certificate signing requests any text: what it accepts has
// one name, and a key whose own signature is over it. PROTOCOL N2
func FuzzCSR(f *testing.F) {
	f.Add(csrOf(f, "h1", testKey(1)))
	f.Add("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		csr, problem := parseCSR(text)
		if (csr == nil) == (problem == "") {
			t.Fatalf("read as %v, problem %q", csr, problem)
		}
		if csr == nil {
			return
		}
		if csr.Subject.CommonName == "" || csr.CheckSignature() != nil {
			t.Fatalf("%q is accepted", text)
		}
		if by := applicant(csr); by.Ed25519 && len(by.Key) != 32 || len(by.Key) == 0 {
			t.Fatalf("the key has %d bytes", len(by.Key))
		}
	})
}
