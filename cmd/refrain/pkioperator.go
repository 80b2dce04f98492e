package main

import (
	"fmt"
	"path/filepath"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// pkiOperatorCommand issues certificates for operators.
type pkiOperatorCommand struct {
	leafFlags
	Names []string `arg:"" name:"name" help:"The operators' names."`
}

// Run implements the command.
func (c *pkiOperatorCommand) Run(group *pkiCommand, io stdio) error {
	issued, err := pki.Operator(group.Dir, c.Names, c.options())
	if err != nil {
		return group.failed(err)
	}
	if err := printClients(io.Out, "OPERATOR", issued); err != nil {
		return err
	}
	fmt.Fprintf(io.Out, "\nnext:\n  give each operator their certificate and key, and %s to verify the server with\n",
		filepath.Join(group.Dir, "ca.crt"))
	printClientNotes(io.Err, issued)
	return nil
}
