package operate

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/wire"
)

// RolloutDiff compares a manifest with the rollout in force.
type RolloutDiff struct {
	Request
	manifestArg
	ExitCode bool `help:"Exit with 1 if there is a difference."`
}

// Run implements the command.
func (c *RolloutDiff) Run(ctx context.Context, out IO) error {
	m, err := c.read(out.In)
	if err != nil {
		return err
	}
	r := Reading{Request: c.Request}
	differences := 0
	err = r.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		list, err := planeclient.All(ctx, client, rolloutsPath, url.Values{"current": {"true"}, "channel": {string(m.Channel)}}, "rollouts", &wire.RolloutStatusSchema)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			differences = len(m.Hosts)
			_, err := fmt.Fprintf(w, "no rollout of channel %s is in force; %s are new\n", m.Channel, counted(wire.Count(len(m.Hosts)), "host"))
			return err
		}
		for i := range list {
			current, err := planeclient.Rollout(ctx, client, list[i].RolloutID, nil)
			if err != nil {
				return err
			}
			lines := compare(current, m)
			differences += len(lines)
			fmt.Fprintf(w, "- %s, %v, %s\n+ %s, %s\n", current.RolloutID, current.State, counted(hostsOf(&current.Counts), "host"), m.ID(), counted(wire.Count(len(m.Hosts)), "host"))
			for _, line := range lines {
				if _, err := fmt.Fprintln(w, line); err != nil {
					return err
				}
			}
			if len(lines) == 0 {
				fmt.Fprintln(w, "no difference but the name")
			}
		}
		return nil
	})
	if err == nil && differences > 0 && c.ExitCode {
		return &Error{Err: fmt.Errorf("%s differs from what is in force", c.File), Code: CodeFailed}
	}
	return err
}

// compare lists what a manifest would change of a rollout: "-" what is, "+" what would
// be, "~" a host with another target or wave.
func compare(r *wire.RolloutStatus, m *wire.Manifest) (lines []string) {
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if r.Policy.OnHealthFailure != m.Policy.OnHealthFailure {
		line("~ on failure: %v → %v", r.Policy.OnHealthFailure, m.Policy.OnHealthFailure)
	}
	if !slices.Equal(r.Policy.Waves, m.Policy.Waves) {
		line("~ waves: %s → %s", soaks(r.Policy.Waves), soaks(m.Policy.Waves))
	}
	next := make(map[wire.Hostname]*wire.ManifestHost, len(m.Hosts))
	for i := range m.Hosts {
		next[m.Hosts[i].Hostname] = &m.Hosts[i]
	}
	known := make(map[wire.Hostname]bool, len(r.Hosts))
	for i := range r.Hosts { // by name
		rec := &r.Hosts[i]
		s := &rec.Snapshot
		known[s.Hostname] = true
		h := next[s.Hostname]
		switch {
		case h == nil:
			line("- %s: %s in wave %d", s.Hostname, s.TargetClosure, rec.Wave)
		case h.TargetClosure != s.TargetClosure && h.Wave != rec.Wave:
			line("~ %s: %s in wave %d → %s in wave %d", s.Hostname, s.TargetClosure, rec.Wave, h.TargetClosure, h.Wave)
		case h.TargetClosure != s.TargetClosure:
			line("~ %s: %s → %s", s.Hostname, s.TargetClosure, h.TargetClosure)
		case h.Wave != rec.Wave:
			line("~ %s: wave %d → %d", s.Hostname, rec.Wave, h.Wave)
		}
	}
	var added []wire.Hostname
	for i := range m.Hosts {
		if !known[m.Hosts[i].Hostname] {
			added = append(added, m.Hosts[i].Hostname)
		}
	}
	slices.Sort(added)
	for _, name := range added {
		line("+ %s: %s in wave %d", name, next[name].TargetClosure, next[name].Wave)
	}
	return lines
}

func soaks(waves []wire.Wave) string {
	var texts []string
	for _, wave := range waves {
		texts = append(texts, "soak "+minutes(wave.SoakMinutes))
	}
	return fmt.Sprintf("%d (%s)", len(waves), listOf(texts))
}
