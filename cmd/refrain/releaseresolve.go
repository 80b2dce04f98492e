package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// closureOf asks for the closure of a host that the file gives none.
type closureOf func(host string) (wire.Closure, error)

// resolve completes the fleet: closures that are not in the file, and the hosts of
// each wave. It refuses what no rollout could get through: a host in no wave, a wave
// without hosts, edges that go in a circle or against the waves. notes says what was
// left out. The error of the file is a *configError.
func (s *releaseSpec) resolve(ask closureOf, now wire.Time) (notes []string, err error) {
	r, fleet := s.reader, &s.fleet
	byName(fleet.Hosts)
	byName(fleet.Channels)
	byName(fleet.Policies)
	switch commit := fleet.Meta.Commit; {
	case commit == "":
		r.later("commit", "is missing; want the whole hash of the commit that the closures are of, here or as --commit")
	case artifact.CheckRolloutID(wire.MakeRolloutID("a", wire.ChannelRef(commit))) != nil || len(commit) < 8:
		r.later("commit", "want the whole hash of a commit, in hexadecimal digits of lower case, have %q", commit)
	}
	for i := range fleet.Hosts {
		name, host := fleet.Hosts[i].Name, &fleet.Hosts[i].Of
		key := "hosts." + name
		if wire.Lookup(fleet.Channels, string(host.Channel)) == nil {
			r.later(key+".channel", "there is no channel %q; want one of %s", host.Channel, namesOf(fleet.Channels))
		}
		if host.Pin != nil && host.Pin.ExpiresAt.IsSet() && !now.Before(host.Pin.ExpiresAt) {
			notes = append(notes, fmt.Sprintf("the pin of %s expired at %v and was left out", name, host.Pin.ExpiresAt))
			host.Pin = nil
		}
	}
	s.resolveWaves()
	s.checkEdges()
	for i := range fleet.Budgets {
		if len(fleet.Select(&fleet.Budgets[i].Selector)) == 0 {
			r.later(fmt.Sprintf("budgets[%d]", i), "selects no host")
		}
	}
	if s.nonces != nil {
		s.nonces.Entries = slices.DeleteFunc(s.nonces.Entries, func(n artifact.Nonce) bool {
			expired := !now.Before(n.ExpiresAt)
			if expired {
				notes = append(notes, fmt.Sprintf("the nonce of %s expired at %v and was left out", n.Hostname, n.ExpiresAt))
			}
			return expired
		})
	}
	if ask == nil || len(r.problems) == 0 {
		if err := s.askClosures(ask); err != nil {
			return nil, err
		}
	}
	if len(r.problems) > 0 {
		return nil, &configError{r.path, r.problems}
	}
	return notes, nil
}

func byName[T any](items []wire.Named[T]) {
	slices.SortFunc(items, func(a, b wire.Named[T]) int { return cmp.Compare(a.Name, b.Name) })
}

func namesOf[T any](items []wire.Named[T]) string {
	names := make([]string, len(items))
	for i := range items {
		names[i] = items[i].Name
	}
	return strings.Join(names, ", ")
}

func (s *releaseSpec) askClosures(ask closureOf) error {
	for i := range s.fleet.Hosts {
		name, host := s.fleet.Hosts[i].Name, &s.fleet.Hosts[i].Of
		if host.Closure != "" {
			continue
		}
		if ask == nil {
			s.reader.later("hosts."+name, "closure is missing; want a store path, or --flake to ask nix for it")
			continue
		}
		closure, err := ask(name)
		if err != nil {
			return err
		}
		host.Closure = closure
	}
	return nil
}

// resolveWaves gives each host of a channel the first wave of the channel's policy
// that selects it. Only hosts of the channel are selected: a wave that waited for a
// host of another channel would never be over.
func (s *releaseSpec) resolveWaves() {
	r, fleet := s.reader, &s.fleet
	for _, channel := range fleet.Channels {
		key := "channels." + channel.Name
		if 2*channel.Of.SignMinutes > channel.Of.FreshMinutes {
			r.later(key, "sign-every is %dm and fresh-for %dm; want fresh-for to be at least twice sign-every, so that one signing may fail", channel.Of.SignMinutes, channel.Of.FreshMinutes)
		}
		policy := wire.Lookup(fleet.Policies, string(channel.Of.Policy))
		if policy == nil {
			r.later(key+".policy", "there is no policy %q; want one of %s", channel.Of.Policy, namesOf(fleet.Policies))
			continue
		}
		waves := make([]artifact.Wave, len(policy.Waves))
		hosts := 0
		for i := range policy.Waves {
			waves[i].SoakMinutes = policy.Waves[i].SoakMinutes
		}
		for i := range fleet.Hosts {
			name, host := fleet.Hosts[i].Name, &fleet.Hosts[i].Of
			if string(host.Channel) != channel.Name {
				continue
			}
			hosts++
			wave := slices.IndexFunc(policy.Waves, func(w artifact.PolicyWave) bool { return w.Selector.Selects(name, host) })
			if wave < 0 {
				r.later("hosts."+name, "is in no wave of the policy %s of its channel %s; want a wave that selects it, such as a last one with all: true", channel.Of.Policy, channel.Name)
				continue
			}
			waves[wave].Hosts = append(waves[wave].Hosts, wire.Name(name))
		}
		for i := range waves {
			if hosts > 0 && len(waves[i].Hosts) == 0 {
				r.later(fmt.Sprintf("policies.%s.waves[%d]", channel.Of.Policy, i), "selects no host of the channel %s that no wave before has; the waves after an empty wave never begin", channel.Name)
			}
		}
		fleet.Waves = append(fleet.Waves, wire.Named[[]artifact.Wave]{Name: channel.Name, Of: waves})
	}
}

// checkEdges looks for edges that a host or a channel would never get past.
func (s *releaseSpec) checkEdges() {
	r, fleet := s.reader, &s.fleet
	for i, e := range fleet.Edges {
		key := fmt.Sprintf("edges[%d]", i)
		first, then := wire.Lookup(fleet.Hosts, string(e.Gates)), wire.Lookup(fleet.Hosts, string(e.Gated))
		switch {
		case first == nil:
			r.later(key+".first", "there is no host %q", e.Gates)
		case then == nil:
			r.later(key+".then", "there is no host %q", e.Gated)
		case first.Channel != then.Channel:
			r.later(key, "%s is on channel %s and %s on %s; want hosts of one channel: planes ignore other edges; channel-edges order channels", e.Gates, first.Channel, e.Gated, then.Channel)
		case s.waveOf(first.Channel, e.Gates) > s.waveOf(then.Channel, e.Gated):
			r.later(key, "%s is in a later wave than %s, so each would wait for the other", e.Gates, e.Gated)
		}
	}
	for i, e := range fleet.ChannelEdges {
		for part, name := range []wire.Name{e.Gates, e.Gated} {
			if wire.Lookup(fleet.Channels, string(name)) == nil {
				r.later(fmt.Sprintf("channel-edges[%d].%s", i, []string{"first", "then"}[part]), "there is no channel %q; want one of %s", name, namesOf(fleet.Channels))
			}
		}
	}
	if err := circle(fleet.Edges); err != nil {
		r.later("edges", "%v", err)
	}
	if err := circle(fleet.ChannelEdges); err != nil {
		r.later("channel-edges", "%v", err)
	}
}

func (s *releaseSpec) waveOf(channel wire.Channel, host wire.Name) int {
	waves := wire.Lookup(s.fleet.Waves, string(channel))
	if waves == nil {
		return -1
	}
	return slices.IndexFunc(*waves, func(w artifact.Wave) bool { return slices.Contains(w.Hosts, host) })
}

// circle removes, again and again, the edges that begin at what waits for nothing.
func circle(edges []artifact.Edge) error {
	left := slices.Clone(edges)
	for len(left) > 0 {
		waits := make(map[wire.Name]bool)
		for _, e := range left {
			waits[e.Gated] = true
		}
		rest := slices.DeleteFunc(slices.Clone(left), func(e artifact.Edge) bool { return !waits[e.Gates] })
		if len(rest) == len(left) {
			var texts []string
			for _, e := range left {
				texts = append(texts, string(e.Gates)+" before "+string(e.Gated))
			}
			return errors.New("in a circle, so that each waits for the other: " + strings.Join(texts, ", "))
		}
		left = rest
	}
	return nil
}
