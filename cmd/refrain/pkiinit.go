package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// pkiInitCommand makes the fleet's CA.
type pkiInitCommand struct {
	CNSuffix string   `name:"cn-suffix" required:"" placeholder:"SUFFIX" help:"What the common names of the fleet's certificates end in, for instance fleet.example.com. The CA remembers it."`
	ValidFor lifetime `default:"3650d" placeholder:"3650d" help:"How long the CA is good, such as 3650d."`
	Force    bool     `env:"-" help:"Replace the CA that is there already. Every certificate of the old one becomes worthless."`
}

// Run implements the command.
func (c *pkiInitCommand) Run(group *pkiCommand, io stdio) error {
	issued, err := pki.Init(group.Dir, c.CNSuffix, pki.Options{ValidFor: time.Duration(c.ValidFor), Force: c.Force})
	if err != nil {
		return pkiError(err)
	}
	fmt.Fprintf(io.Out, "made the CA of %s, good until %s\n\n", issued.Suffix, issued.NotAfter.Format(time.RFC3339))
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
		fmt.Fprintln(io.Err, "note: the certificates of the old CA are worthless now; issue them anew with --force")
	}
	return nil
}
