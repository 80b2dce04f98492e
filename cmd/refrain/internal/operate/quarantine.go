package operate

import (
	"context"
	"fmt"
	"io"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/wire"
)

// QuarantineCommand is about quarantined closures.
type QuarantineCommand struct {
	List  QuarantineList  `cmd:"" help:"List the closures that are not dispatched on a channel."`
	Clear QuarantineClear `cmd:"" help:"Let a closure be dispatched on its channel again."`
}

const quarantinePath = "/v1/operator/quarantine"

// QuarantineList lists quarantined closures.
type QuarantineList struct {
	Watching
	Channel string `placeholder:"CHANNEL" help:"Only closures of this channel."`
}

// Run implements the command.
func (c *QuarantineList) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		all, err := planeclient.Whole(ctx, client, quarantinePath, "quarantine", &wire.QuarantineEntrySchema)
		if err != nil {
			return err
		}
		var entries []wire.QuarantineEntry
		for _, q := range all {
			if c.Channel == "" || string(q.Channel) == c.Channel {
				entries = append(entries, q)
			}
		}
		if c.asJSON() {
			return writeList(w, "quarantine", &wire.QuarantineEntrySchema, entries)
		}
		t := newTable("CHANNEL", "CLOSURE", "SINCE", "HOST", "ROLLOUT")
		for _, q := range entries {
			t.row(string(q.Channel), string(q.Closure), stamp(q.Since), wire.OrDash(q.Hostname), wire.OrDash(q.By))
		}
		return t.print(w, "nothing is quarantined")
	})
}

// QuarantineClear clears a quarantine.
type QuarantineClear struct {
	Request
	Channel string `arg:"" help:"The channel."`
	Closure string `arg:"" help:"The closure."`
}

// Run implements the command.
func (c *QuarantineClear) Run(ctx context.Context, out IO) error {
	entry := wire.QuarantineEntry{Channel: wire.Channel(c.Channel), Closure: wire.Closure(c.Closure)}
	r := Reading{Request: c.Request}
	return r.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		_, err := client.Do(ctx, planeclient.Request{Path: quarantinePath + "/clear", Body: wire.QuarantineEntrySchema.Append(nil, &entry)})
		if err == nil {
			_, err = fmt.Fprintf(w, "%s may be dispatched on channel %s again\n", c.Closure, c.Channel)
		}
		return err
	})
}
