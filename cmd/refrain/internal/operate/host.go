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

// HostCommand is about hosts.
type HostCommand struct {
	List     HostList     `cmd:"" help:"List the hosts that the plane knows."`
	Show     HostShow     `cmd:"" help:"Show one host and its records."`
	Why      HostWhy      `cmd:"" help:"Say why a host is not at its target."`
	Skip     HostSkip     `cmd:"" help:"Let a rollout go on without a host."`
	Cordon   HostCordon   `cmd:"" help:"Have no dispatch of any rollout offered to a host."`
	Uncordon HostUncordon `cmd:"" help:"Let dispatches be offered to a host again."`
	Forget   HostForget   `cmd:"" help:"Say that a host is gone: no rollout waits for it, and no list has it until its next heartbeat."`
}

const hostsPath = "/v1/operator/hosts"

// HostList lists hosts.
type HostList struct {
	Watching
	Reachability string `placeholder:"WORD" help:"Only hosts that are reachable, unreachable or never_seen."`
	State        string `placeholder:"STATE" help:"Only hosts with a record in this state, such as Failed, of a rollout that is not superseded."`
	Channel      string `placeholder:"CHANNEL" help:"Only hosts with such a record of this channel."`
	Closure      string `placeholder:"CLOSURE" help:"Only hosts that run this closure."`
}

// Run implements the command.
func (c *HostList) Run(ctx context.Context, out IO) error {
	query := url.Values{}
	reachability, err := word("--reachability", c.Reachability, reachabilities())
	if err != nil {
		return err
	}
	state, err := word("--state", c.State, states())
	if err != nil {
		return err
	}
	set(query, "reachability", reachability)
	set(query, "state", state)
	set(query, "channel", c.Channel)
	set(query, "closure", c.Closure)
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		if c.asJSON() {
			hosts, err := planeclient.All(ctx, client, hostsPath, query, "hosts", &wire.HostStatusSchema)
			if err != nil {
				return err
			}
			return writeList(w, "hosts", &wire.HostStatusSchema, hosts)
		}
		current, err := currentRollouts(ctx, client)
		if err != nil {
			return err
		}
		t := newTable("HOST", "REACHABILITY", "SILENT", "RUNS", "ROLLOUT", "STATE")
		if c.wide() {
			t.header = append(t.header, "TARGET", "WAVE", "HEARTBEAT", "FAILING", "DUPLICATE", "DISCARDED")
		}
		err = planeclient.Each(ctx, client, hostsPath, query, "hosts", &wire.HostStatusSchema, func(h *wire.HostStatus) bool {
			hostRows(t, h, current, c.wide())
			return true
		})
		if err != nil {
			return err
		}
		return t.print(w, "no hosts")
	})
}

// hostRows adds a host: a row for each of its records of rollouts that are not
// superseded, or one without a record.
func hostRows(t *table, h *wire.HostStatus, current map[wire.RolloutID]bool, wide bool) {
	about := []string{string(h.Hostname), h.Reachability.String(), span(h.SilentSeconds), wire.OrDash(h.CurrentClosure)}
	add := func(rec *wire.RecordStatus) {
		cells := append([]string(nil), about...)
		if rec == nil {
			cells = append(cells, "-", "-")
			rec = new(wire.RecordStatus)
		} else {
			cells = append(cells, string(rec.Snapshot.RolloutID), stateOf(rec))
		}
		if wide {
			cells = append(cells, wire.OrDash(rec.Snapshot.TargetClosure), fmt.Sprint(rec.Wave), stamp(h.LastHeartbeatAt),
				listOf(rec.FailingProbes), listOf(h.DuplicateIdentity), fmt.Sprint(h.Discarded.Count))
		}
		t.row(cells...)
	}
	before := len(t.rows)
	for i := range h.Records {
		if current[h.Records[i].Snapshot.RolloutID] {
			add(&h.Records[i])
		}
	}
	if len(t.rows) == before {
		add(nil)
	}
}

// stateOf is a record's state; a star says that it was inferred from a heartbeat (H4).
func stateOf(rec *wire.RecordStatus) string {
	if rec.Synthesised {
		return rec.Snapshot.State.String() + "*"
	}
	return rec.Snapshot.State.String()
}

// HostShow shows a host.
type HostShow struct {
	Watching
	Hostname string `arg:"" help:"The host."`
}

// Run implements the command.
func (c *HostShow) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		h, err := planeclient.Get(ctx, client, hostsPath+"/"+url.PathEscape(c.Hostname), nil, &wire.HostStatusSchema)
		if err != nil {
			return err
		}
		if c.asJSON() {
			return writeJSON(w, h.AppendJSON(nil))
		}
		about := newTable()
		about.row("host", string(h.Hostname))
		about.row("reachability", h.Reachability.String()+", silent for "+span(h.SilentSeconds))
		about.row("last heartbeat", stamp(h.LastHeartbeatAt))
		about.row("runs", wire.OrDash(h.CurrentClosure))
		if !h.Cordoned.IsUnset() {
			about.row("cordoned", "since "+markOf(h.Cordoned))
		}
		if len(h.DuplicateIdentity) > 0 {
			about.row("duplicate identity", listOf(h.DuplicateIdentity))
		}
		if d := h.Discarded; d.Count > 0 {
			about.row("events discarded", fmt.Sprintf("%d, the last at %s: %s of %s, %s", d.Count, stamp(d.LastAt), d.Kind, d.RolloutID, d.Reason))
		}
		if err := about.print(w, ""); err != nil || len(h.Records) == 0 {
			return err
		}
		fmt.Fprintln(w)
		t := newTable("ROLLOUT", "STATE", "WAVE", "TARGET", "DISPATCHED", "SOAK DUE", "ENDED", "FAILING", "EVENTS")
		for i := range h.Records {
			rec := &h.Records[i]
			t.row(string(rec.Snapshot.RolloutID), stateOf(rec), fmt.Sprint(rec.Wave), string(rec.Snapshot.TargetClosure), stamp(rec.Snapshot.DispatchedAt),
				stamp(rec.Snapshot.SoakDueAt), stamp(rec.EndedAt), listOf(rec.FailingProbes), fmt.Sprint(rec.Snapshot.LastEventSeq))
		}
		return t.print(w, "")
	})
}

// set puts a parameter into a query, unless it is empty.
func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

// word finds the word of the protocol that a flag's value is, in whatever case.
func word(flag, value string, words []string) (string, error) {
	if value == "" {
		return "", nil
	}
	for _, w := range words {
		if strings.EqualFold(w, value) {
			return w, nil
		}
	}
	near := ""
	for _, w := range words {
		if wire.Nearest(strings.ToLower(value), []string{strings.ToLower(w)}) != "" {
			near = "did you mean " + w + "? "
			break
		}
	}
	return "", usage("nothing was sent", "%s is %q; %swant one of %s", flag, value, near, strings.Join(words, ", "))
}

func states() (words []string) {
	for _, s := range wire.States {
		words = append(words, s.String())
	}
	return words
}

func reachabilities() (words []string) {
	for _, r := range []wire.Reachability{wire.Reachable, wire.Unreachable, wire.NeverSeen} {
		words = append(words, r.String())
	}
	return words
}

func rolloutStates() (words []string) {
	for s := wire.Opening; s <= wire.Aborted; s++ {
		words = append(words, s.String())
	}
	return words
}
