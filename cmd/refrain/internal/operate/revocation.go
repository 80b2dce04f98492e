package operate

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/wire"
)

// RevocationCommand is about revoked certificates.
type RevocationCommand struct {
	List RevocationList `cmd:"" help:"List the revoked names."`
	Add  RevocationAdd  `cmd:"" help:"Revoke every certificate of a name that was issued so far."`
}

const revocationsPath = "/v1/operator/revocations"

// RevocationList lists revocations.
type RevocationList struct{ Watching }

// Run implements the command.
func (c *RevocationList) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		entries, err := planeclient.Whole(ctx, client, revocationsPath, "revocations", &wire.RevocationSchema)
		if err != nil {
			return err
		}
		if c.asJSON() {
			return writeList(w, "revocations", &wire.RevocationSchema, entries)
		}
		t := newTable("COMMON NAME", "ISSUED BEFORE")
		for _, r := range entries {
			t.row(string(r.CommonName), stamp(r.RevokedBefore))
		}
		return t.print(w, "nothing is revoked")
	})
}

// RevocationAdd revokes a name.
type RevocationAdd struct {
	Reading
	CommonName string `arg:"" help:"The common name of the certificates, such as agent-web-1.fleet.example.com."`
	Before     string `placeholder:"TIME" help:"Revoke those issued before this instant, RFC 3339. Default: now."`
	Force      bool   `env:"-" help:"Also a name of no host and no operator that the plane knows."`
}

// Run implements the command.
func (c *RevocationAdd) Run(ctx context.Context, out IO) error {
	request := wire.RevocationRequest{CommonName: wire.CommonName(c.CommonName), Force: wire.Flag(c.Force)}
	if c.Before != "" {
		before, err := time.Parse(time.RFC3339Nano, c.Before)
		if err != nil {
			return usage("nothing was sent", "--before is %q; want RFC 3339, such as 2026-01-31T12:00:00Z", c.Before)
		}
		request.RevokedBefore = wire.TimeOf(before)
	}
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		answer, err := client.Do(ctx, planeclient.Request{Path: revocationsPath, Body: wire.RevocationRequestSchema.Append(nil, &request)})
		if err != nil {
			return err
		}
		revoked, err := planeclient.Decode(revocationsPath, answer, &wire.RevocationAnswerSchema)
		if err != nil {
			return err
		}
		if c.asJSON() {
			return writeJSON(w, revoked.AppendJSON(nil))
		}
		if revoked.Warning != "" {
			fmt.Fprintf(out.Err, "warning: %s\n", revoked.Warning)
		}
		fmt.Fprintf(w, "certificates of %s issued before %s are refused\n", revoked.CommonName, revoked.RevokedBefore)
		if revoked.AlsoRevoked != "" {
			fmt.Fprintf(w, "and so are those of %s, the other name of the same host\n", revoked.AlsoRevoked)
		}
		return nil
	})
}
