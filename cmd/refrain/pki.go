package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// defaultPKIDir is left out of the commands that are proposed.
const defaultPKIDir = "pki"

// pkiCommand has the commands that issue certificates.
type pkiCommand struct {
	Dir string `default:"pki" env:"REFRAIN_PKI_DIR" placeholder:"DIR" help:"The directory of the certificates and keys (${default})."`

	Init     pkiInitCommand     `cmd:"" help:"Make the fleet's CA."`
	Server   pkiServerCommand   `cmd:"" help:"Issue the server's certificate."`
	Agent    pkiAgentCommand    `cmd:"" help:"Issue a certificate for each of the hosts."`
	Operator pkiOperatorCommand `cmd:"" help:"Issue a certificate for each of the operators."`
	Token    pkiTokenCommand    `cmd:"" help:"Make a token with which a host gets its certificate from the plane."`
	List     pkiListCommand     `cmd:"" help:"List the certificates of the directory, with their expiry."`
	Inspect  pkiInspectCommand  `cmd:"" help:"Show what is in certificate files."`
	Renew    pkiRenewCommand    `cmd:"" help:"Issue certificates again: the same names and role, a new key."`
}

// leafFlags are the flags of the commands that issue leaves.
type leafFlags struct {
	ValidFor lifetime `placeholder:"365d" help:"How long it is valid, such as 90d or 12h. Default: 365d, or until the CA expires if that is sooner."`
	Force    bool     `env:"-" help:"Replace what is there already; the old pair is kept beside the new one, as NAME~INSTANT."`
}

func (f leafFlags) options() pki.Options {
	return pki.Options{ValidFor: time.Duration(f.ValidFor), Force: f.Force}
}

// command returns a command for the same directory, for the user to copy.
func (c *pkiCommand) command(words ...string) string {
	command := "refrain pki " + strings.Join(words, " ")
	if c.Dir != defaultPKIDir {
		command += " --dir " + shellWord(c.Dir)
	}
	return command
}

// AfterApply has kong refuse a directory without a name.
func (c *pkiCommand) AfterApply() error {
	if c.Dir == "" {
		return errors.New("--dir is empty; want a directory")
	}
	return nil
}

// failed distinguishes wrong names and what is missing, which are wrong use,
// from other failures.
func (c *pkiCommand) failed(err error) error {
	code, hint := exitFailed, "nothing was issued"
	var name *pki.NameError
	switch {
	case errors.As(err, &name):
		code = exitUsage
	case errors.Is(err, pki.ErrExists), errors.Is(err, pki.ErrHalfPresent):
		hint = "nothing was issued; --force issues a new pair in its place and keeps the old one beside it"
	case errors.Is(err, pki.ErrNoSuchPair):
		code = exitUsage
		hint = c.command("list") + " shows what there is; nothing was issued"
	case errors.Is(err, pki.ErrNoCA), errors.Is(err, fs.ErrNotExist):
		code = exitUsage
		hint = c.command("init", "--cn-suffix", "SUFFIX") + " makes the CA; nothing was issued"
	}
	return &commandError{err: err, code: code, hint: hint}
}

// printFiles lists the two files of a pair with what they are for.
func printFiles(w io.Writer, issued pki.Issued, certificate, key string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tMODE\tWHAT IT IS")
	fmt.Fprintf(table, "%s\t0644\t%s\n", issued.Certificate, certificate)
	fmt.Fprintf(table, "%s\t0600\t%s\n", issued.Key, key)
	return table.Flush()
}

// printClients lists the pairs of agents or operators.
func printClients(w io.Writer, title string, issued []pki.Issued) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\tCOMMON NAME\tVALID UNTIL\tCERTIFICATE\tKEY\n", title)
	for _, one := range issued {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			one.Name, one.CommonName, one.NotAfter.Format(time.RFC3339), one.Certificate, one.Key)
	}
	return table.Flush()
}

// printClientNotes prints caveats about new certificates.
func printClientNotes(w io.Writer, issued []pki.Issued) {
	replaced := false
	for _, one := range issued {
		replaced = replaced || one.Replaced
		if n := utf8.RuneCountInString(one.CommonName); n > pki.UpperBoundCommonName {
			fmt.Fprintf(w, "note: the common name of %s has %d characters, X.509 allows %d; Go and OpenSSL verify it, others may refuse it\n",
				one.Name, n, pki.UpperBoundCommonName)
		}
	}
	if replaced {
		printKept(w, issued)
		fmt.Fprintln(w, "note: a replaced certificate stays valid until it expires or is revoked; a revocation covers all that were issued before it, so revoke first and then issue")
	}
}

// printKept says where the pairs are that were replaced.
func printKept(w io.Writer, issued []pki.Issued) {
	for _, one := range issued {
		if one.Kept != "" {
			fmt.Fprintf(w, "note: the pair before is kept as %s and its key\n", one.Kept)
		}
	}
}

// shellWord quotes s for a POSIX shell if it needs that.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
