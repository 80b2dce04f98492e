package operate

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/wire"
)

// StatusCommand shows the fleet on one screen.
type StatusCommand struct{ Watching }

// health is what /healthz says.
type health struct{ Version wire.Text }

var healthSchema = wire.Schema[health]{Fields: []wire.Field[health]{
	{Name: "version", Presence: wire.Optional, Of: func(h *health) wire.Value { return &h.Version }},
}}

// caller is what /v1/whoami says.
type caller struct{ Name wire.CommonName }

var callerSchema = wire.Schema[caller]{Fields: []wire.Field[caller]{
	{Name: "cn", Presence: wire.Optional, Of: func(c *caller) wire.Value { return &c.Name }},
}}

// mostShown is how many hosts are named on the screen.
const mostShown = 10

// Run implements the command.
func (c *StatusCommand) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		s, err := planeclient.Get(ctx, client, "/v1/operator/status", nil, &wire.FleetStatusSchema)
		if err != nil {
			return err
		}
		if c.asJSON() {
			return writeJSON(w, s.AppendJSON(nil))
		}
		return c.print(ctx, client, s, w)
	})
}

func (c *StatusCommand) print(ctx context.Context, client *planeclient.Client, s *wire.FleetStatus, w io.Writer) error {
	h, err := planeclient.Get(ctx, client, "/healthz", nil, &healthSchema)
	if err != nil {
		return err
	}
	who, err := planeclient.Get(ctx, client, "/v1/whoami", nil, &callerSchema)
	if err != nil {
		return err
	}
	t := newTable()
	t.row("plane", client.URL()+", version "+wire.OrDash(h.Version))
	t.row("you are", string(who.Name))
	t.row("hosts", fmt.Sprintf("%d reachable, %d unreachable, %d never seen", s.Reachable, s.Unreachable, s.NeverSeen))
	t.row("records", countsOf(&s.Records))
	t.row("rollouts", fmt.Sprintf("%d in force, %d halted, %d held", s.InForce, s.Halted, s.Held))
	t.row("quarantined", counted(s.Quarantined, "closure"))
	t.row("revoked", counted(s.Revoked, "name"))
	if s.DuplicateIdentities > 0 {
		t.row("duplicates", counted(s.DuplicateIdentities, "host")+" with a duplicate identity")
	}
	if s.Unbacked > 0 {
		t.row("unbacked", fmt.Sprintf("%d rollouts that no release backs", s.Unbacked))
	}
	if c.wide() {
		t.row("acts", "the head is "+s.Acts.String()+"; refrain audit --expect-head compares it with a database")
	}
	switch {
	case bool(s.StoreUnavailable):
		t.row("disk", "the plane cannot write: nothing is opened, and events are refused")
	case bool(s.DiskScarce):
		t.row("disk", "little is free: events that only observe are refused")
	}
	if err := t.print(w, ""); err != nil {
		return err
	}
	rollouts, err := planeclient.All(ctx, client, rolloutsPath, url.Values{"current": {"true"}}, "rollouts", &wire.RolloutStatusSchema)
	if err != nil {
		return err
	}
	if len(rollouts) > 0 {
		fmt.Fprintln(w)
		if err := rolloutTable(rollouts, c.wide()).print(w, ""); err != nil {
			return err
		}
	}
	for _, part := range []struct{ title, parameter, value string }{
		{"unreachable", "reachability", wire.Unreachable.String()},
		{"failed", "state", wire.Failed.String()},
		{"rolled back", "state", wire.Reverted.String()},
	} {
		if err := named(ctx, client, w, part.title, url.Values{part.parameter: {part.value}}); err != nil {
			return err
		}
	}
	return nil
}

// named prints the names of the first hosts that a filter selects.
func named(ctx context.Context, client *planeclient.Client, w io.Writer, title string, query url.Values) error {
	var names []wire.Hostname
	more := false
	err := planeclient.Each(ctx, client, hostsPath, query, "hosts", &wire.HostStatusSchema, func(h *wire.HostStatus) bool {
		if more = len(names) == mostShown; !more {
			names = append(names, h.Hostname)
		}
		return !more
	})
	if err != nil || len(names) == 0 {
		return err
	}
	text := listOf(names)
	if more {
		text += " and more"
	}
	_, err = fmt.Fprintf(w, "\n%s: %s\n", title, text)
	return err
}

func counted(n wire.Count, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, strings.TrimSpace(noun))
}
