package operate

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// RolloutTrace shows the changes of a rollout's hosts, from its history.
type RolloutTrace struct {
	Watching
	rolloutArg
	Host string `placeholder:"HOST" help:"Only changes of this host."`
	All  bool   `help:"Also events that changed no state, such as results of probes."`
}

// change is a line of a trace.
type change struct {
	entry    wire.LoggedEvent
	from, to wire.State // both 0 if it is about the rollout, equal if no state changed
	by       string     // agent, heartbeat, manifest, operator, or the operator's name
}

// tracer follows the states of a rollout's hosts along its history.
type tracer struct{ states map[wire.Hostname]wire.State }

// follow says what an entry of the history changed. Every host begins as Pending (R2).
func (t *tracer) follow(e *wire.LoggedEvent) change {
	c := change{entry: *e, by: "operator"}
	if e.Act.By.IsSet() {
		c.by = string(e.Act.By.Name)
	}
	if e.Hostname == "" {
		if e.Kind == "opened" && !e.Act.By.IsSet() {
			c.by = "manifest"
		}
		return c
	}
	c.by = "agent"
	c.from = wire.Pending
	if known, there := t.states[e.Hostname]; there {
		c.from = known
	}
	c.to = c.from
	switch {
	case e.Kind == "confirmed":
		c.by, c.to = "heartbeat", wire.Soaking
	case e.Event.Body != nil && e.Outcome == "applied":
		c.to = rollout.Leads(e.Event.Body.Kind())
	}
	t.states[e.Hostname] = c.to
	return c
}

func (c *change) moves() bool { return c.entry.Hostname == "" || c.from != c.to }

// Run implements the command.
func (c *RolloutTrace) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		id, err := rolloutNamed(ctx, client, c.Rollout)
		if err != nil {
			return err
		}
		r, err := planeclient.Head(ctx, client, id)
		if err != nil {
			return err
		}
		var entries []wire.LoggedEvent
		t := newTable("TIME", "HOST", "FROM", "TO", "BY", "WHAT")
		if c.wide() {
			t.header = append(t.header, "HOST'S TIME", "EVENT", "ENTRY")
		}
		follower := tracer{states: make(map[wire.Hostname]wire.State)}
		err = eachEvent(ctx, client, id, func(e *wire.LoggedEvent) bool {
			change := follower.follow(e)
			if (c.Host == "" || string(e.Hostname) == c.Host) && (c.All || change.moves()) {
				entries = append(entries, *e)
				t.row(c.cells(&change)...)
			}
			return true
		})
		if err != nil {
			return err
		}
		if c.asJSON() {
			return writeList(w, "events", &wire.LoggedEventSchema, entries)
		}
		if err := t.print(w, "nothing has happened"); err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "\n%s\n", progress(r))
		return err
	})
}

func (c *RolloutTrace) cells(change *change) []string {
	e := &change.entry
	from, to := "-", "-"
	if e.Hostname != "" {
		from, to = change.from.String(), change.to.String()
	}
	cells := []string{stamp(e.At), wire.OrDash(e.Hostname), from, to, change.by, whatOf(e)}
	if c.wide() {
		hosts, seq := wire.Time{}, "-"
		if e.Event.Body != nil {
			hosts, seq = e.Event.Body.At(), fmt.Sprint(e.Event.Seq)
		}
		cells = append(cells, stamp(hosts), seq, fmt.Sprint(e.Number))
	}
	return cells
}

// whatOf says what an entry is, and what became of it if it was not applied.
func whatOf(e *wire.LoggedEvent) string {
	what := string(e.Kind)
	if e.Outcome != "applied" {
		what += " (" + string(e.Outcome) + ")"
	}
	if e.Detail != "" {
		what += ": " + string(e.Detail)
	}
	return what
}

func eachEvent(ctx context.Context, client *planeclient.Client, id wire.RolloutID, yield func(*wire.LoggedEvent) bool) error {
	return planeclient.Each(ctx, client, planeclient.RolloutPath(id)+"/events", nil, "events", &wire.LoggedEventSchema, yield)
}

// EventCommand is about the history of a rollout.
type EventCommand struct {
	List EventList `cmd:"" help:"List the entries of a rollout's history."`
	Show EventShow `cmd:"" help:"Show one entry of it, as JSON."`
	Acts EventActs `cmd:"" help:"List what operators did, of all rollouts."`
}

// EventList lists entries.
type EventList struct {
	Watching
	rolloutArg
	Host string `placeholder:"HOST" help:"Only entries about this host."`
	Kind string `placeholder:"KIND" help:"Only entries of this kind, such as Failed."`
}

// Run implements the command.
func (c *EventList) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		id, err := rolloutNamed(ctx, client, c.Rollout)
		if err != nil {
			return err
		}
		var entries []wire.LoggedEvent
		t := newTable("ENTRY", "TIME", "HOST", "KIND", "OUTCOME", "EVENT", "DETAIL")
		if c.wide() {
			t.header = append(t.header, "OPERATOR", "REQUEST")
		}
		err = eachEvent(ctx, client, id, func(e *wire.LoggedEvent) bool {
			if c.Host != "" && string(e.Hostname) != c.Host || c.Kind != "" && string(e.Kind) != c.Kind {
				return true
			}
			entries = append(entries, *e)
			seq := "-"
			if e.Event.Body != nil {
				seq = fmt.Sprint(e.Event.Seq)
			}
			cells := []string{fmt.Sprint(e.Number), stamp(e.At), wire.OrDash(e.Hostname), string(e.Kind), string(e.Outcome), seq, wire.OrDash(e.Detail)}
			if c.wide() {
				cells = append(cells, wire.OrDash(e.Act.By.Name), wire.OrDash(e.Act.By.Request))
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
		return t.print(w, "no entries")
	})
}

// EventShow shows one entry.
type EventShow struct {
	Request
	rolloutArg
	Entry uint64 `arg:"" help:"The number of the entry, as refrain event list shows it."`
}

// Run implements the command.
func (c *EventShow) Run(ctx context.Context, out IO) error {
	r := Reading{Request: c.Request}
	return r.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		id, err := rolloutNamed(ctx, client, c.Rollout)
		if err != nil {
			return err
		}
		var found *wire.LoggedEvent
		query := map[string][]string{}
		if c.Entry > 0 {
			query["after"] = []string{strconv.FormatUint(c.Entry-1, 10)}
		}
		err = planeclient.Each(ctx, client, planeclient.RolloutPath(id)+"/events", query, "events", &wire.LoggedEventSchema, func(e *wire.LoggedEvent) bool {
			found = e
			return false
		})
		if err != nil {
			return err
		}
		if found == nil || uint64(found.Number) != c.Entry {
			return &Error{Err: fmt.Errorf("entry %d is not about %s", c.Entry, id), Code: CodeFailed, Hint: "refrain event list " + string(id) + " shows its entries"}
		}
		return writeJSON(w, wire.LoggedEventSchema.Append(nil, found))
	})
}
