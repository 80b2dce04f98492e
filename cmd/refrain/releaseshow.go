package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// releaseShowCommand shows a release.
type releaseShowCommand struct {
	Host string `placeholder:"NAME" help:"Only this host."`
	JSON bool   `name:"json" help:"Print one JSON object and nothing else."`
	Dir  string `arg:"" help:"The directory of the release."`
}

// Help implements [kong.HelpProvider].
func (*releaseShowCommand) Help() string {
	return "It looks at no signature and needs no trust file: what it shows may be forged. refrain release verify judges that."
}

// shownRelease is a release as JSON.
type shownRelease struct {
	Directory   string         `json:"directory"`
	Commit      string         `json:"commit"`
	SignedAt    string         `json:"signed_at"` // "-" if it was never signed
	Hash        string         `json:"hash"`
	Channels    []shownChannel `json:"channels"`
	Hosts       []shownHost    `json:"hosts"`
	Edges       []shownEdge    `json:"edges"`
	Budgets     []shownBudget  `json:"budgets"`
	Revocations *int           `json:"revocations,omitempty"` // how many
	Nonces      *int           `json:"nonces,omitempty"`      // how many
}

type shownChannel struct {
	Channel   string      `json:"channel"`
	Rollout   string      `json:"rollout"`
	Policy    string      `json:"policy"`
	OnFailure string      `json:"on_health_failure"`
	Waves     []shownWave `json:"waves"`
}

type shownWave struct {
	SoakMinutes int      `json:"soak_minutes"`
	Hosts       []string `json:"hosts"`
}

type shownHost struct {
	Hostname string   `json:"hostname"`
	Channel  string   `json:"channel"`
	Wave     int      `json:"wave"`
	Closure  string   `json:"closure"`
	Tags     []string `json:"tags"`
	Pin      string   `json:"pin,omitempty"`
}

type shownEdge struct {
	First  string `json:"first"`
	Then   string `json:"then"`
	Reason string `json:"reason,omitempty"`
}

type shownBudget struct {
	MaxInFlight int      `json:"max_in_flight"`
	Hosts       []string `json:"hosts"`
}

// Run implements the command.
func (c *releaseShowCommand) Run(io stdio) error {
	r, err := releasefile.Read(c.Dir)
	if err != nil {
		return releaseError(err)
	}
	fleet, err := artifact.ParseFleet(r.Files[releasefile.Fleet])
	if err != nil {
		return releaseError(fmt.Errorf("%s: %w", r.Path(releasefile.Fleet), err))
	}
	canonical, err := wire.Canonical(r.Files[releasefile.Fleet])
	if err != nil {
		return releaseError(err)
	}
	if c.Host != "" && wire.Lookup(fleet.Hosts, c.Host) == nil {
		return usageError(fmt.Sprintf("--host: the fleet has no host %q", c.Host))
	}
	shown := shownRelease{Directory: c.Dir, Commit: wire.OrDash(fleet.Meta.Commit), SignedAt: fleet.Meta.SignedAt.String(), Hash: artifact.HashOf(canonical).String()}
	shown.fill(fleet, c.Host)
	if list, err := artifact.ParseRevocations(r.Files[releasefile.Revocations]); err == nil {
		n := len(list.Entries)
		shown.Revocations = &n
	}
	if list, err := artifact.ParseNonces(r.Files[releasefile.Nonces]); err == nil {
		n := len(list.Entries)
		shown.Nonces = &n
	}
	if c.JSON {
		return writeJSON(io.Out, &shown)
	}
	return shown.print(io.Out)
}

func textsOfNames(names wire.Names) []string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	return texts
}

func (s *shownRelease) fill(fleet *artifact.Fleet, only string) {
	waves := make(map[string]int)
	for i := range fleet.Channels {
		name, channel := fleet.Channels[i].Name, &fleet.Channels[i].Of
		c := shownChannel{Channel: name, Rollout: "-", Policy: string(channel.Policy), OnFailure: "-"}
		if rollout, ok := artifact.RolloutOf(fleet, artifact.Hash{}, wire.Channel(name)); ok {
			c.Rollout = string(rollout.ID())
			for _, line := range rollout.Hosts {
				waves[string(line.Hostname)] = int(line.Wave)
			}
		}
		if policy := wire.Lookup(fleet.Policies, string(channel.Policy)); policy != nil {
			c.OnFailure = policy.OnFailure.String()
		}
		if list := wire.Lookup(fleet.Waves, name); list != nil {
			for _, wave := range *list {
				c.Waves = append(c.Waves, shownWave{SoakMinutes: int(wave.SoakMinutes), Hosts: textsOfNames(wave.Hosts)})
			}
		}
		s.Channels = append(s.Channels, c)
	}
	for i := range fleet.Hosts {
		name, host := fleet.Hosts[i].Name, &fleet.Hosts[i].Of
		if only != "" && name != only {
			continue
		}
		h := shownHost{Hostname: name, Channel: string(host.Channel), Wave: waves[name], Closure: wire.OrDash(host.Closure), Tags: textsOfNames(host.Tags)}
		if host.Pin != nil {
			h.Pin = fmt.Sprintf("%s: %s", host.Pin.Commit, host.Pin.Reason)
		}
		s.Hosts = append(s.Hosts, h)
	}
	for _, e := range append(fleet.Edges[:len(fleet.Edges):len(fleet.Edges)], fleet.ChannelEdges...) {
		s.Edges = append(s.Edges, shownEdge{First: string(e.Gates), Then: string(e.Gated), Reason: string(e.Reason)})
	}
	for i := range fleet.Budgets {
		b := &fleet.Budgets[i]
		s.Budgets = append(s.Budgets, shownBudget{MaxInFlight: int(b.MaxInFlight.Max), Hosts: textsOfNames(fleet.Select(&b.Selector))})
	}
}

func (s *shownRelease) print(w io.Writer) error {
	fmt.Fprintf(w, "commit    %s\n", s.Commit)
	if s.SignedAt == "-" {
		fmt.Fprintln(w, "signed    never")
	} else {
		fmt.Fprintf(w, "signed    %s (not verified here)\n", s.SignedAt)
	}
	fmt.Fprintf(w, "hash      %s\n", s.Hash)
	for _, c := range s.Channels {
		fmt.Fprintf(w, "\nchannel %s: policy %s, %s\n", c.Channel, c.Policy, c.OnFailure)
		fmt.Fprintf(w, "rollout %s\n", c.Rollout)
		for i, wave := range c.Waves {
			fmt.Fprintf(w, "  wave %d, soak %v: %s\n", i, time.Duration(wave.SoakMinutes)*time.Minute, wire.OrDash(strings.Join(wave.Hosts, " ")))
		}
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tCHANNEL\tWAVE\tCLOSURE\tTAGS\tPIN")
	for _, h := range s.Hosts {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", h.Hostname, h.Channel, h.Wave, h.Closure, wire.OrDash(strings.Join(h.Tags, ",")), wire.OrDash(h.Pin))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(s.Edges)+len(s.Budgets) > 0 {
		fmt.Fprintln(w)
	}
	for _, e := range s.Edges {
		fmt.Fprintf(w, "edge      %s before %s: %s\n", e.First, e.Then, wire.OrDash(e.Reason))
	}
	for _, b := range s.Budgets {
		fmt.Fprintf(w, "budget    at most %d at a time of %s\n", b.MaxInFlight, strings.Join(b.Hosts, " "))
	}
	for _, list := range []struct {
		name string
		n    *int
	}{{"revoked", s.Revocations}, {"nonces", s.Nonces}} {
		if list.n != nil {
			fmt.Fprintf(w, "%-9s %d\n", list.name, *list.n)
		}
	}
	return nil
}
