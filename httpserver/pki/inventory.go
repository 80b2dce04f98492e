package pki

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/certfile"
)

// Role is what a certificate is for.
type Role string

// The roles.
const (
	RoleCA       Role = "ca"
	RoleServer   Role = "server"
	RoleAgent    Role = "agent"
	RoleOperator Role = "operator"
	// RoleClient is a client whose common name has no prefix or another suffix.
	RoleClient Role = "client"
)

// Entry is one certificate file of a directory.
type Entry struct {
	// Name is what Renew takes: "ca", "server", "agents/HOST" or "operators/NAME"; for
	// a pair that was replaced, with the instant of that.
	Name string
	// Certificate is the path of the file, Key that of its key, empty if there is none.
	Certificate, Key string
	// Leaf is the first certificate of the file; nil if it cannot be read.
	Leaf *x509.Certificate
	// Role is what it is for.
	Role Role
	// Kept says that the pair was replaced.
	Kept bool
	// Problem says why it cannot be used; empty for a good one. A replaced one is not
	// judged.
	Problem string
}

// Inventory reads every certificate of a directory: the CA's, the server's, the agents',
// the operators', each followed by those that it replaced. The keys are not read.
func Inventory(dir string, now time.Time) ([]Entry, error) {
	if dir == "" {
		return nil, errEmptyPath
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("directory: %s is a file; want a directory", dir)
	}
	var list []Entry
	for _, sub := range []string{"", agentRole.directory, operatorRole.directory} {
		files, err := os.ReadDir(filepath.Join(dir, sub)) // sorted by name
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("directory: %w", err)
		}
		var names []string
		for _, file := range files {
			if name, is := strings.CutSuffix(file.Name(), ".crt"); is && !strings.HasPrefix(name, ".") {
				names = append(names, name)
			}
		}
		slices.SortFunc(names, func(a, b string) int { // what was replaced follows what replaced it
			before, _, _ := strings.Cut(a, keptMark)
			after, _, _ := strings.Cut(b, keptMark)
			return cmp.Or(cmp.Compare(before, after), cmp.Compare(a, b))
		})
		for _, name := range names {
			list = append(list, newEntry(dir, sub, name))
		}
	}
	ca := slices.IndexFunc(list, func(e Entry) bool { return e.Name == "ca" && e.Leaf != nil })
	for i := range list {
		var issuer *x509.Certificate
		if ca >= 0 {
			issuer = list[ca].Leaf
		}
		list[i].judge(issuer, now)
	}
	return list, nil
}

// newEntry reads one certificate file.
func newEntry(dir, sub, name string) Entry {
	stem := filepath.Join(dir, sub, name)
	e := Entry{Name: filepath.ToSlash(filepath.Join(sub, name)), Certificate: stem + ".crt", Kept: strings.Contains(name, keptMark)}
	if _, err := os.Stat(stem + ".key"); err == nil {
		e.Key = stem + ".key"
	}
	text, err := os.ReadFile(e.Certificate)
	if err == nil {
		var chain []*x509.Certificate
		if chain, err = certfile.Certificates(e.Certificate, text); err == nil {
			e.Leaf = chain[0]
		}
	}
	if err != nil {
		e.Problem = err.Error()
	}
	return e
}

// judge sets the role, and the problem of a certificate that was not replaced.
func (e *Entry) judge(ca *x509.Certificate, now time.Time) {
	if e.Leaf == nil {
		return
	}
	suffix := ""
	if ca != nil {
		suffix, _ = SuffixOf(ca)
	}
	e.Role = RoleOf(e.Leaf, suffix)
	switch {
	case e.Kept:
	case now.After(e.Leaf.NotAfter):
		e.Problem = "expired"
	case ca != nil && e.Leaf != ca && e.Leaf.CheckSignatureFrom(ca) != nil:
		e.Problem = "not issued by the CA of this directory"
	case e.Key == "" && e.Role != RoleCA: // a CA's key is best kept elsewhere
		e.Problem = "its key is missing"
	}
}

// RoleOf reads the role of a certificate from its purposes and its common name. With an
// empty suffix any suffix will do.
func RoleOf(leaf *x509.Certificate, suffix string) Role {
	name := leaf.Subject.CommonName
	if _, end, found := strings.Cut(name, "."); suffix == "" && found {
		suffix = end
	}
	identity := wire.ParseIdentity(name, suffix)
	switch {
	case leaf.IsCA:
		return RoleCA
	case slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth):
		return RoleServer
	case identity.Operator:
		return RoleOperator
	case identity.Name != name:
		return RoleAgent
	}
	return RoleClient
}

// Names returns the names in a certificate: those of a server, or the common name.
func Names(leaf *x509.Certificate) []string {
	var names []string
	names = append(names, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return []string{leaf.Subject.CommonName}
	}
	// The first one that was asked for is the common name as well.
	if i := slices.Index(names, leaf.Subject.CommonName); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, leaf.Subject.CommonName)
	}
	return names
}

// Fingerprint is the SHA-256 of a certificate in hexadecimal, as openssl x509
// -fingerprint -sha256 prints it without the colons.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}
