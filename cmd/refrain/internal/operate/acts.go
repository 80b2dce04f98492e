package operate

import (
	"context"
	"fmt"
	"io"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/wire"
)

// EventActs lists the operators' acts (PROTOCOL T15).
type EventActs struct {
	Watching
	By string `placeholder:"NAME" help:"Only acts of this operator, by the common name of the certificate."`
}

const actsPath = "/v1/operator/acts"

// Run implements the command.
func (c *EventActs) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		var entries []wire.LoggedEvent
		t := newTable("ACT", "TIME", "OPERATOR", "KIND", "ROLLOUT", "DETAIL")
		if c.wide() {
			t.header = append(t.header, "ENTRY", "REQUEST", "SERIAL", "FINGERPRINT", "HASH BEFORE")
		}
		err := planeclient.Each(ctx, client, actsPath, nil, "events", &wire.LoggedEventSchema, func(e *wire.LoggedEvent) bool {
			by := &e.Act.By
			if c.By != "" && string(by.Name) != c.By {
				return true
			}
			entries = append(entries, *e)
			cells := []string{fmt.Sprint(e.Act.Count), stamp(e.At), string(by.Name), string(e.Kind), wire.OrDash(e.RolloutID), wire.OrDash(e.Detail)}
			if c.wide() {
				cells = append(cells, fmt.Sprint(e.Number), wire.OrDash(by.Request), wire.OrDash(by.Serial), wire.OrDash(by.Fingerprint), wire.OrDash(e.Act.Before))
			}
			t.row(cells...)
			return true
		})
		if err != nil {
			return err
		}
		if c.asJSON() {
			return writeList(w, "events", &wire.LoggedEventSchema, entries)
		}
		return t.print(w, "no acts")
	})
}
