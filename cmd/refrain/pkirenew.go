package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// pkiRenewCommand issues certificates again.
type pkiRenewCommand struct {
	ValidFor lifetime  `placeholder:"365d" help:"How long they are valid, such as 90d or 12h. Default: 365d, or until the CA expires if that is sooner."`
	All      bool      `help:"Renew every certificate of the directory but the CA's."`
	Within   *lifetime `placeholder:"AGE" help:"Renew those that expire within this time, such as 30d."`
	Names    []string  `arg:"" optional:"" name:"name" help:"What to renew, as 'refrain pki list' names it: server, agents/HOST, operators/NAME."`
}

// Help implements [kong.HelpProvider].
func (*pkiRenewCommand) Help() string {
	return "The pair that is replaced is kept beside the new one, as NAME~INSTANT. The CA is not renewed in this way: docs/operations.md says how a new one is introduced."
}

// Run implements the command.
func (c *pkiRenewCommand) Run(group *pkiCommand, io stdio) error {
	chosen := 0
	for _, one := range []bool{len(c.Names) > 0, c.All, c.Within != nil} {
		if one {
			chosen++
		}
	}
	if chosen != 1 {
		return &commandError{err: errors.New("renew: want either names, or --all, or --within"), code: exitUsage,
			hint: group.command("list") + " shows the names; nothing was issued"}
	}
	names := c.Names
	if len(names) == 0 {
		var err error
		if names, err = c.choose(group.Dir); err != nil {
			return group.failed(err)
		}
	}
	if len(names) == 0 {
		fmt.Fprintln(io.Out, "no certificate has to be renewed")
		return nil
	}
	issued, err := pki.Renew(group.Dir, names, pki.Options{ValidFor: time.Duration(c.ValidFor)})
	if err != nil {
		return group.failed(err)
	}
	if err := printClients(io.Out, "NAME", issued); err != nil {
		return err
	}
	fmt.Fprintf(io.Out, "\nnext:\n  copy each pair to where the one before is used; plane and agents notice it themselves\n")
	printClientNotes(io.Err, issued)
	return nil
}

// choose lists what --all or --within mean.
func (c *pkiRenewCommand) choose(dir string) (names []string, err error) {
	now := time.Now()
	entries, err := pki.Inventory(dir, now)
	for _, e := range entries {
		switch {
		case e.Kept || e.Role == pki.RoleCA || e.Name == "ca":
		case e.Leaf == nil:
			return nil, errors.New(e.Problem)
		case c.All || e.Leaf.NotAfter.Sub(now) <= time.Duration(*c.Within):
			names = append(names, e.Name)
		}
	}
	return names, err
}
