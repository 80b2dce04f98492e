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

// HostWhy explains why a host is not at its target.
type HostWhy struct {
	Watching
	Hostname string `arg:"" help:"The host."`
	Rollout  string `placeholder:"ROLLOUT" help:"Only in this rollout, which may be superseded: CHANNEL@REF, or a channel."`
}

// Help is what --help says beside the flags.
func (c *HostWhy) Help() string { return exitCodes }

const exitCodes = "The exit code is 0 if it is at its target, 1 if it is not or the plane cannot be asked, and 2 after wrong use. Instants of what a host has reported are by the host's clock."

// Run implements the command.
func (c *HostWhy) Run(ctx context.Context, out IO) error {
	atTarget, waits := true, ""
	err := c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		query := url.Values{}
		if c.Rollout != "" {
			id, err := rolloutNamed(ctx, client, c.Rollout)
			if err != nil {
				return err
			}
			query.Set("rollout", string(id))
		}
		why, err := planeclient.Get(ctx, client, hostsPath+"/"+url.PathEscape(c.Hostname)+"/why", query, &wire.HostWhySchema)
		if err != nil {
			return err
		}
		atTarget, waits = bool(why.AtTarget), firstOf(why)
		if c.asJSON() {
			return writeJSON(w, why.AppendJSON(nil))
		}
		return printHostWhy(w, why)
	})
	return notAtTarget(err, atTarget, c.Hostname, waits)
}

// notAtTarget is the error of a command that has explained something which is not at its
// target.
func notAtTarget(err error, atTarget bool, what, waits string) error {
	if err != nil || atTarget {
		return err
	}
	return &Error{Err: fmt.Errorf("%s is not at its target: %s", what, waits), Code: CodeFailed}
}

// firstOf is the first thing that a host waits for.
func firstOf(why *wire.HostWhy) string {
	for i := range why.Rollouts {
		if facts := why.Rollouts[i].Facts; len(facts) > 0 {
			return string(facts[0].Reason)
		}
	}
	return ""
}

func printHostWhy(w io.Writer, why *wire.HostWhy) error {
	about := newTable()
	about.row("host", string(why.Hostname)+", "+why.Reachability.String())
	about.row("runs", wire.OrDash(why.CurrentClosure))
	if len(why.Rollouts) == 0 {
		about.row("at its target", "yes: it is in no rollout that is not superseded")
	}
	if err := about.print(w, ""); err != nil {
		return err
	}
	for i := range why.Rollouts {
		r := &why.Rollouts[i]
		fmt.Fprintln(w)
		about := newTable()
		about.row("rollout", fmt.Sprintf("%s, wave %d", r.RolloutID, r.Wave))
		about.row("state", r.State.String())
		about.row("target", string(r.TargetClosure))
		about.row("at its target", yesNo(bool(r.AtTarget)))
		if err := about.print(w, ""); err != nil {
			return err
		}
		if err := printFacts(w, r.Facts); err != nil {
			return err
		}
	}
	return nil
}

// factTable has a row for each fact.
func factTable(facts []wire.Fact) *table {
	t := newTable("WAITS FOR", "BY", "SINCE", "NEXT AT", "WHY")
	for i := range facts {
		f := &facts[i]
		t.row(causeOf(f), blockers(f.By), stamp(f.Since), stamp(f.NextAt), string(f.Reason))
	}
	if len(facts) == 0 {
		t.header = nil
	}
	return t
}

// causeOf is the cause of a fact in a table, or its gate.
func causeOf(f *wire.Fact) string {
	if f.Gate != 0 {
		return f.Gate.String()
	}
	return f.Cause.String()
}

// blockers names what a fact waits by.
func blockers(g wire.HostGroup) string {
	const most = 3
	names := g.Names
	if len(names) <= most {
		return listOf(names) + beyond(g.Count, len(names))
	}
	return listOf(names[:most]) + beyond(g.Count, most)
}

func beyond(count wire.Count, named int) string {
	if left := int(count) - named; left > 0 {
		return fmt.Sprintf(" and %d more", left)
	}
	return ""
}

// printFacts prints facts, and below them what happens next and what an operator may do.
func printFacts(w io.Writer, facts []wire.Fact) error {
	if err := factTable(facts).print(w, ""); err != nil {
		return err
	}
	t := newTable()
	for i := range facts {
		f := &facts[i]
		name := causeOf(f)
		if f.Next != "" {
			t.row(name, "next: "+string(f.Next))
			name = ""
		}
		if f.Do != "" {
			t.row(name, "try:  "+string(f.Do))
		}
	}
	return t.print(w, "")
}

// RolloutWhy explains why a rollout is not at its target.
type RolloutWhy struct {
	Watching
	rolloutArg
}

// Help is what --help says beside the flags.
func (c *RolloutWhy) Help() string { return exitCodes }

// Run implements the command.
func (c *RolloutWhy) Run(ctx context.Context, out IO) error {
	atTarget, waits, name := true, "", c.Rollout
	err := c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		id, err := rolloutNamed(ctx, client, c.Rollout)
		if err != nil {
			return err
		}
		why, err := planeclient.Get(ctx, client, planeclient.RolloutPath(id)+"/why", nil, &wire.RolloutWhySchema)
		if err != nil {
			return err
		}
		atTarget, name = bool(why.AtTarget), string(id)
		if waits = fmt.Sprintf("%d of %d hosts are not", why.Waiting, why.Hosts); len(why.Facts) > 0 {
			waits = string(why.Facts[0].Reason)
		}
		if c.asJSON() {
			return writeJSON(w, why.AppendJSON(nil))
		}
		return printRolloutWhy(w, why)
	})
	return notAtTarget(err, atTarget, name, waits)
}

func printRolloutWhy(w io.Writer, why *wire.RolloutWhy) error {
	about := newTable()
	about.row("rollout", string(why.RolloutID))
	about.row("state", why.State.String())
	about.row("at its target", fmt.Sprintf("%s: %d of %d hosts are", yesNo(bool(why.AtTarget)), why.Hosts-why.Waiting, why.Hosts))
	if why.WaveOpen {
		about.row("first wave not done", fmt.Sprintf("%d of %d", why.Wave, why.Waves))
	}
	if last := &why.Last; !last.IsUnset() {
		about.row("last blocker", fmt.Sprintf("%s: %s, %s", last.Hostname, causeOf(&last.Fact), last.Fact.Reason))
	}
	if err := about.print(w, ""); err != nil {
		return err
	}
	if len(why.Facts) > 0 {
		fmt.Fprintln(w)
		if err := printFacts(w, why.Facts); err != nil {
			return err
		}
	}
	if len(why.Groups) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable("HOSTS", "WAVE", "WAITS FOR", "BY", "SINCE", "NEXT AT", "WHICH")
	var tries []string
	for i := range why.Groups {
		g := &why.Groups[i]
		t.row(fmt.Sprint(g.Hosts.Count), fmt.Sprint(g.Wave), causeOf(&g.Fact), blockers(g.Fact.By), stamp(g.Fact.Since), stamp(g.Fact.NextAt), blockers(g.Hosts))
		if do := string(g.Fact.Do); do != "" && !strings.Contains(strings.Join(tries, "\n"), do) {
			tries = append(tries, do)
		}
	}
	if err := t.print(w, ""); err != nil {
		return err
	}
	for _, do := range tries {
		fmt.Fprintf(w, "try: %s\n", do)
	}
	return nil
}
