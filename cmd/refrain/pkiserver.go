package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// pkiServerCommand issues the server's certificate.
type pkiServerCommand struct {
	leafFlags
	Names []string `arg:"" name:"name" help:"The DNS names and IP addresses at which agents reach the server."`
}

// Run implements the command.
func (c *pkiServerCommand) Run(group *pkiCommand, io stdio) error {
	issued, err := pki.Server(group.Dir, c.Names, c.options())
	if err != nil {
		return group.failed(err)
	}
	fmt.Fprintf(io.Out, "issued the server's certificate, valid until %s\n\n", issued.NotAfter.Format(time.RFC3339))
	if err := printFiles(io.Out, issued,
		"certificate for "+strings.Join(c.Names, ", "),
		"key, for the server alone"); err != nil {
		return err
	}
	printKept(io.Err, []pki.Issued{issued})
	fmt.Fprintf(io.Out, "\nnext:\n  refrain serve --tls-cert %s --tls-key %s --client-ca %s --agent-cn-suffix %s --db plane.db\n",
		shellWord(issued.Certificate), shellWord(issued.Key), shellWord(filepath.Join(group.Dir, "ca.crt")), issued.Suffix)
	return nil
}
