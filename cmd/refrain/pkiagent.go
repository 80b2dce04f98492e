package main

import (
	"fmt"
	"path/filepath"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// pkiAgentCommand issues certificates for hosts.
type pkiAgentCommand struct {
	leafFlags
	Hosts []string `arg:"" name:"host" help:"Machine IDs of the hosts."`
}

// Run implements the command.
func (c *pkiAgentCommand) Run(group *pkiCommand, io stdio) error {
	issued, err := pki.Agent(group.Dir, c.Hosts, c.options())
	if err != nil {
		return group.failed(err)
	}
	if err := printClients(io.Out, "HOST", issued); err != nil {
		return err
	}
	fmt.Fprintf(io.Out, "\nnext:\n  copy to each host its certificate and key, and %s to verify the server with\n",
		filepath.Join(group.Dir, "ca.crt"))
	printClientNotes(io.Err, issued)
	return nil
}
