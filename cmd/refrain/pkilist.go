package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/internal/certfile"
)

// pkiListCommand lists a directory.
type pkiListCommand struct {
	Path string `arg:"" optional:"" name:"dir" help:"The directory. Default: --dir."`
	JSON bool   `name:"json" help:"Print one JSON object and nothing else."`
}

// Help implements [kong.HelpProvider].
func (*pkiListCommand) Help() string {
	return "It exits with 1 if a certificate that is in use has expired, is damaged, has no key, or is not one of the directory's CA. Those that were replaced, NAME~INSTANT, are listed and not judged."
}

// pkiCertificate is a certificate for --json.
type pkiCertificate struct {
	Name        string    `json:"name,omitempty"`
	File        string    `json:"file"`
	Role        pki.Role  `json:"role,omitempty"`
	CommonName  string    `json:"common_name,omitempty"`
	Names       []string  `json:"names,omitempty"`
	Issuer      string    `json:"issuer,omitempty"`
	Serial      string    `json:"serial,omitempty"`
	NotBefore   time.Time `json:"not_before,omitzero"`
	NotAfter    time.Time `json:"not_after,omitzero"`
	Fingerprint string    `json:"sha256,omitempty"`
	Replaced    bool      `json:"replaced"`
	Problem     string    `json:"problem,omitempty"`
}

func newPKICertificate(e pki.Entry) pkiCertificate {
	c := pkiCertificate{Name: e.Name, File: e.Certificate, Role: e.Role, Replaced: e.Kept, Problem: e.Problem}
	if e.Leaf != nil {
		c.CommonName, c.Names, c.Issuer = e.Leaf.Subject.CommonName, pki.Names(e.Leaf), e.Leaf.Issuer.String()
		c.Serial, c.Fingerprint = e.Leaf.SerialNumber.Text(16), pki.Fingerprint(e.Leaf)
		c.NotBefore, c.NotAfter = e.Leaf.NotBefore.UTC(), e.Leaf.NotAfter.UTC()
	}
	return c
}

// Run implements the command.
func (c *pkiListCommand) Run(group *pkiCommand, io stdio) error {
	if c.Path != "" {
		group.Dir = c.Path
	}
	now := time.Now()
	entries, err := pki.Inventory(group.Dir, now)
	if err != nil {
		return group.failed(err)
	}
	list := make([]pkiCertificate, len(entries))
	problems := 0
	for i, e := range entries {
		list[i] = newPKICertificate(e)
		if e.Problem != "" && !e.Kept {
			problems++
		}
	}
	if c.JSON {
		err = json.NewEncoder(io.Out).Encode(map[string]any{"directory": group.Dir, "certificates": list, "problems": problems})
	} else {
		err = printPKIList(io.Out, list, now)
	}
	if err == nil && problems > 0 {
		err = &commandError{err: fmt.Errorf("%s: %d of %d certificates cannot be used; see PROBLEM", group.Dir, problems, len(list)), code: exitFailed,
			hint: group.command("renew", "NAME") + " issues one again, with the same names and a new key"}
	}
	return err
}

func printPKIList(w io.Writer, list []pkiCertificate, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tROLE\tEXPIRES\tIN\tSHA-256\tPROBLEM")
	for _, c := range list {
		problem := c.Problem
		switch {
		case problem == "" && c.Replaced:
			problem = "replaced"
		case problem == "":
			problem = "-"
		}
		role, expires, in, fingerprint := "-", "-", "-", "-"
		if c.Fingerprint != "" {
			role, expires, fingerprint = string(c.Role), c.NotAfter.Format(time.RFC3339), c.Fingerprint
			if left := c.NotAfter.Sub(now); left > 0 {
				in = certfile.Remaining(left)
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, role, expires, in, fingerprint, problem)
	}
	return table.Flush()
}
