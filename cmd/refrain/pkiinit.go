package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// pkiInitCommand makes the fleet's CA.
type pkiInitCommand struct {
	CNSuffix string   `name:"cn-suffix" required:"" placeholder:"SUFFIX" help:"The suffix of the common names in the fleet's certificates, for instance fleet.example.com. It is stored in the CA."`
	ValidFor lifetime `default:"3650d" placeholder:"3650d" help:"How long the CA is valid, such as 3650d."`
	Force    bool     `env:"-" help:"Replace an existing CA, which is kept beside the new one as ca~INSTANT. Who trusts only the new one refuses every certificate of the old one."`
}

// Run implements the command.
func (c *pkiInitCommand) Run(group *pkiCommand, io stdio) error {
	issued, err := pki.Init(group.Dir, c.CNSuffix, pki.Options{ValidFor: time.Duration(c.ValidFor), Force: c.Force})
	if errors.Is(err, fs.ErrNotExist) {
		parent := filepath.Dir(filepath.Clean(group.Dir))
		return &commandError{err: err, code: exitUsage, hint: "mkdir -p " + shellWord(parent) + " makes the directory that it is made in; nothing was issued"}
	}
	if err != nil {
		return group.failed(err)
	}
	fmt.Fprintf(io.Out, "made the CA of %s, valid until %s\n\n", issued.Suffix, issued.NotAfter.Format(time.RFC3339))
	if err := printFiles(io.Out, issued,
		"certificate, for the server, the agents and the operators",
		"key, signs every other one: keep it off the fleet"); err != nil {
		return err
	}
	fmt.Fprintf(io.Out, "\nnext:\n")
	table := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  %s\tthe server's DNS names and IP addresses\n", group.command("server", "NAME..."))
	fmt.Fprintf(table, "  %s\tone certificate per host\n", group.command("agent", "HOST..."))
	fmt.Fprintf(table, "  %s\tone certificate per operator\n", group.command("operator", "NAME..."))
	if err := table.Flush(); err != nil {
		return err
	}
	if issued.Replaced {
		printKept(io.Err, []pki.Issued{issued})
		fmt.Fprintf(io.Err, "note: who trusts only the new CA refuses the certificates of the old one; %s issues them again, and docs/operations.md has the order in which no host is refused\n",
			group.command("renew", "--all"))
	}
	return nil
}
