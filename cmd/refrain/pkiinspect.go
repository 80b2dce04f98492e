package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/internal/certfile"
)

// pkiInspectCommand shows certificate files.
type pkiInspectCommand struct {
	JSON  bool     `name:"json" help:"Print one JSON object and nothing else."`
	Files []string `arg:"" name:"file" help:"PEM files with certificates: a pair's or a bundle of CAs."`
}

// Help implements [kong.HelpProvider].
func (*pkiInspectCommand) Help() string {
	return "It reads a file as strictly as the plane does: a damaged block is an error with its line. It exits with 1 if a certificate has expired."
}

// Run implements the command.
func (c *pkiInspectCommand) Run(group *pkiCommand, io stdio) error {
	now := time.Now()
	var list []pkiCertificate
	var leaves []*x509.Certificate
	expired := 0
	for _, file := range c.Files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return &commandError{err: fmt.Errorf("%s: no such file", file), code: exitUsage, hint: group.command("list") + " shows the files of the directory"}
		}
		if err != nil {
			return &commandError{err: err, code: exitFailed, hint: "want a PEM file"}
		}
		found, err := certfile.Certificates(file, text)
		if err != nil {
			return &commandError{err: err, code: exitFailed, hint: "the plane refuses this file as well"}
		}
		for _, certificate := range found {
			one := newPKICertificate(pki.Entry{Certificate: file, Leaf: certificate, Role: pki.RoleOf(certificate, "")})
			if now.After(certificate.NotAfter) {
				one.Problem = "expired"
				expired++
			}
			list, leaves = append(list, one), append(leaves, certificate)
		}
	}
	var err error
	if c.JSON {
		err = json.NewEncoder(io.Out).Encode(map[string]any{"certificates": list})
	} else {
		err = printPKIInspection(io.Out, list, leaves, now)
	}
	if err == nil && expired > 0 {
		err = &commandError{err: fmt.Errorf("%d of %d certificates have expired", expired, len(list)), code: exitFailed, hint: group.command("renew", "NAME") + " issues one again"}
	}
	return err
}

func printPKIInspection(w io.Writer, list []pkiCertificate, leaves []*x509.Certificate, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, c := range list {
		leaf := leaves[i]
		if i > 0 {
			fmt.Fprintln(table)
		}
		until := c.NotAfter.Format(time.RFC3339)
		if left := c.NotAfter.Sub(now); left > 0 {
			until += ", in " + certfile.Remaining(left)
		} else {
			until += ", EXPIRED"
		}
		for _, line := range [][2]string{
			{"file", c.File}, {"role", string(c.Role)}, {"names", strings.Join(c.Names, ", ")},
			{"subject", leaf.Subject.String()}, {"issuer", c.Issuer}, {"serial", c.Serial},
			{"valid from", c.NotBefore.Format(time.RFC3339)}, {"valid until", until},
			{"key", keyKind(leaf)}, {"sha256", c.Fingerprint},
		} {
			fmt.Fprintf(table, "%s\t%s\n", line[0], line[1])
		}
	}
	return table.Flush()
}

// keyKind names the algorithm and the size of a certificate's key.
func keyKind(certificate *x509.Certificate) string {
	switch key := certificate.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return certificate.PublicKeyAlgorithm.String()
}
