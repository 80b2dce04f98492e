package scenario

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// A scenario is written as lines of text, which read back to the same
// scenario. Blank lines and what follows a '#' are for people.
// docs/scenarios.md is the reference; its tables are made of those below.
//
//	seed 7
//	fleet 3 interval=1m
//	rollout stable@r1 at=30s target=c1 hosts=h1..h3 waves=5m policy=halt
//	at 2m reply drop host=h1 count=1
//	at 6m plane crash for=10s
//	at 9m resume stable@r1
//	active 10m
//	converge within=2h
//	expect answer dropped_reply host=h1 count=1

var fleetSettings = []setting[Fleet]{
	durationSetting("interval", "1m", func(f *Fleet) *time.Duration { return &f.Interval }).
		withAbout("the heartbeat interval, in whole seconds"),
	intSetting("legacy", "1", func(f *Fleet) *int { return &f.Legacy }).
		withAbout("how many hosts, counted from the last backwards, run an agent as deployed today"),
	intSetting("field", "1", func(f *Fleet) *int { return &f.Field }).
		withAbout("how many hosts, before the legacy ones, run an agent of NixFleet v0.2; it takes every dispatch for verified"),
	intSetting("hostile", "1", func(f *Fleet) *int { return &f.Hostile }).
		withAbout("how many hosts, the very last ones, flood, lie and send garbage; they are in no rollout"),
	yesSetting("verify", func(f *Fleet) *bool { return &f.Verify }).
		withAbout("whether agents of ours act only on what a signed release says; every rollout has to be signed then"),
	intSetting("probes", "1", func(f *Fleet) *int { return &f.Probes }).
		withAbout("how many probes a host has, at most 4; -1 for none"),
	modesSetting,
	durationSetting("probe-interval", "30s", func(f *Fleet) *time.Duration { return &f.ProbeInterval }).
		withAbout("the time between two rounds of probes"),
	durationSetting("sustained", "2m", func(f *Fleet) *time.Duration { return &f.Sustained }).
		withAbout("for how long a probe fails until its host has"),
	rangeSetting("activation", "5s..40s", func(f *Fleet) *Range { return &f.Activation }).
		withAbout("how long an activation or a rollback takes"),
}

var planeSettings = []setting[PlaneModel]{
	intSetting("capacity", "256", func(p *PlaneModel) *int { return &p.Capacity }).
		withAbout("how many requests the inbox holds"),
	durationSetting("reply-timeout", "5s", func(p *PlaneModel) *time.Duration { return &p.ReplyTimeout }).
		withAbout("how long a request waits for its reply"),
	intSetting("batch", "64", func(p *PlaneModel) *int { return &p.Batch }).
		withAbout("how many inputs are stepped between two commits"),
	intSetting("slice", "2", func(p *PlaneModel) *int { return &p.Slice }).
		withAbout("how many hosts of a manifest with more are prepared in one step"),
	intSetting("replays", "256", func(p *PlaneModel) *int { return &p.Replays }).
		withAbout("how many replays may be under way; more are put off"),
	durationSetting("service", "20µs", func(p *PlaneModel) *time.Duration { return &p.Service }).
		withAbout("how long one step takes"),
	rangeSetting("commit", "1ms..8ms", func(p *PlaneModel) *Range { return &p.Commit }).
		withAbout("how long a commit takes"),
	durationSetting("pause", "2ms", func(p *PlaneModel) *time.Duration { return &p.Pause }).
		withAbout("for how long the loop is interrupted, at most, between two sections of the driver"),
	durationSetting("start", "200ms", func(p *PlaneModel) *time.Duration { return &p.Start }).
		withAbout("how long a process that came up takes to load its log"),
	{key: "manifests", example: "yes", about: "whether opened rollouts lie in a directory that the plane reads at its start",
		print: func(p *PlaneModel) string {
			if p.NoManifests {
				return "no"
			}
			return "yes"
		},
		parse: func(p *PlaneModel, s string) error {
			if s != "yes" && s != "no" {
				return errors.New("want yes or no")
			}
			p.NoManifests = s == "no"
			return nil
		}},
	{key: "unsigned", example: "yes", about: "whether rollouts are opened that no signed release has",
		print: func(p *PlaneModel) string {
			if p.SignedOnly {
				return "no"
			}
			return ""
		},
		parse: func(p *PlaneModel, s string) error {
			if s != "yes" && s != "no" {
				return errors.New("want yes or no")
			}
			p.SignedOnly = s == "no"
			return nil
		}},
	{key: "hostile", example: "300", about: "how many of a thousand answers to agents are made up; such a run ends when it is healed, and only what agents owe their hosts is checked",
		print: func(p *PlaneModel) string {
			if p.Hostile == 0 {
				return ""
			}
			return strconv.Itoa(p.Hostile)
		},
		parse: func(p *PlaneModel, s string) (err error) {
			if p.Hostile, err = strconv.Atoi(s); err != nil {
				return errors.New("want a whole number, for instance 300")
			}
			return nil
		}},
}

// yesSetting is a setting that is there as key=yes, or not at all.
func yesSetting[T any](key string, of func(*T) *bool) setting[T] {
	return setting[T]{key: key, example: "yes",
		print: func(t *T) string {
			if *of(t) {
				return "yes"
			}
			return ""
		},
		parse: func(t *T, s string) error {
			if s != "yes" {
				return errors.New("want yes")
			}
			*of(t) = true
			return nil
		}}
}

var networkSettings = []setting[NetworkModel]{
	rangeSetting("delay", "1ms..20ms", func(n *NetworkModel) *Range { return &n.Delay }).
		withAbout("how long a message of one direction takes"),
	intSetting("loss", "10", func(n *NetworkModel) *int { return &n.Loss }).
		withAbout("how many of a thousand messages are lost"),
	intSetting("dup", "10", func(n *NetworkModel) *int { return &n.Dup }).
		withAbout("how many of a thousand requests arrive twice"),
}

var rolloutSettings = []setting[Rollout]{
	durationSetting("at", "30s", func(r *Rollout) *time.Duration { return &r.At }).
		withAbout("when the operator opens it"),
	textSetting("target", "c1", func(r *Rollout) *wire.Closure { return &r.Target }, wire.ParseClosure).
		withAbout("the closure that its hosts shall run"),
	hostsSetting("hosts", "h1..h3", func(r *Rollout) *Hosts { return &r.Targets }).
		withAbout("its hosts; without it every host"),
	ownSetting,
	wavesSetting,
	sizesSetting,
	{key: "serial", example: "3", about: "the place of its manifest among those of the channel; without it that in the order of at, with serial=none the manifest has none",
		print: func(r *Rollout) string {
			switch {
			case r.Unordered:
				return "none"
			case r.Serial == 0:
				return ""
			}
			return strconv.FormatUint(uint64(r.Serial), 10)
		},
		parse: func(r *Rollout, s string) error {
			if r.Unordered = s == "none"; r.Unordered {
				r.Serial = 0
				return nil
			}
			serial, err := wire.ParseSerial(s)
			if err != nil {
				return errors.New("want a whole number from 1, or none")
			}
			r.Serial = serial
			return nil
		}},
	yesSetting("signed", func(r *Rollout) *bool { return &r.Signed }).
		withAbout("a signed release has it from then on, with the newest signed rollout of each other channel; no operator opens it"),
	durationSetting("fresh", "1h", func(r *Rollout) *time.Duration { return &r.Fresh }).
		withAbout("for how long a signed rollout is offered after its release was signed; 0s is for ever"),
	budgetSetting, edgeSetting, channelEdgeSetting, complianceSetting,
	{key: "policy", example: "halt|rollback-and-halt", about: "what a host does that fails",
		print: func(r *Rollout) string { return r.Policy.String() },
		parse: func(r *Rollout, s string) error {
			for _, p := range []wire.HealthPolicy{wire.Halt, wire.RollbackAndHalt} {
				if p.String() == s {
					r.Policy = p
					return nil
				}
			}
			return errors.New("want halt or rollback-and-halt")
		}},
}

// String writes the scenario with all of its defaults filled in, as text that
// [ParseScenario] reads.
func (s Scenario) String() string {
	s = s.Filled()
	var b strings.Builder
	line := func(p part) {
		s.printPart(&b, p, nil)
		b.WriteByte('\n')
	}
	line(part{kind: partSeed})
	line(part{kind: partFleet})
	line(part{kind: partPlane})
	line(part{kind: partNetwork})
	if s.Start.At != Epoch {
		line(part{kind: partEpoch})
	}
	for i := range s.Start.State {
		line(part{partState, i})
	}
	for i := range s.Rollouts {
		line(part{partRollout, i})
	}
	for i := range s.Faults {
		line(part{partFault, i})
	}
	for i := range s.Acts {
		line(part{partAct, i})
	}
	line(part{kind: partActive})
	line(part{kind: partConverge})
	for i := range s.Expects {
		line(part{partExpect, i})
	}
	return b.String()
}

// part is a part of a scenario that has a line of its own: the index-th of its
// kind, where there are several.
type part struct {
	kind  partKind
	index int
}

type partKind uint8

const (
	partNone partKind = iota // a blank line or one that is only a comment
	partSeed
	partFleet
	partPlane
	partNetwork
	partEpoch
	partState
	partRollout
	partFault
	partAct
	partActive
	partConverge
	partExpect
)

// printPart writes the line of a part, with all of its settings or with those
// that were given.
func (s *Scenario) printPart(b *strings.Builder, p part, given map[string]word) {
	switch p.kind {
	case partSeed:
		fmt.Fprintf(b, "seed %d", s.Seed)
	case partFleet:
		fmt.Fprintf(b, "fleet %d", s.Fleet.Hosts)
		printSettings(b, &s.Fleet, fleetSettings, given)
	case partPlane:
		b.WriteString("plane")
		printSettings(b, &s.Plane, planeSettings, given)
	case partNetwork:
		b.WriteString("network")
		printSettings(b, &s.Network, networkSettings, given)
	case partEpoch:
		b.WriteString("epoch " + s.Start.At.String())
	case partState:
		b.WriteString("state " + s.Start.State[p.index])
	case partRollout:
		fmt.Fprintf(b, "rollout %s", s.Rollouts[p.index].ID)
		printSettings(b, &s.Rollouts[p.index], rolloutSettings, given)
	case partFault:
		b.WriteString(s.Faults[p.index].String())
	case partAct:
		b.WriteString(s.Acts[p.index].String())
	case partActive:
		fmt.Fprintf(b, "active %s", FormatDuration(s.Active))
	case partConverge:
		fmt.Fprintf(b, "converge within=%s", FormatDuration(s.Converge))
	case partExpect:
		b.WriteString(s.Expects[p.index].String())
	}
}

// Brief writes the scenario without whatever has its default: the text that a
// person reads. [ParseScenario] reads it back to a scenario with the same hash.
//
// The defaults belong to the commit. A text that has to mean the same after
// they have changed is that of [Scenario.String].
func (s Scenario) Brief() string {
	filled := s.Filled()
	plain := Scenario{Fleet: Fleet{Hosts: 1}, Rollouts: make([]Rollout, 1)}.Filled()
	var b strings.Builder
	if s.Seed != 0 {
		fmt.Fprintf(&b, "seed %d\n", s.Seed)
	}
	line := func(words string, settings []string) {
		b.WriteString(strings.Join(append([]string{words}, settings...), " ") + "\n")
	}
	line(fmt.Sprintf("fleet %d", s.Fleet.Hosts), differing(&filled.Fleet, &plain.Fleet, fleetSettings))
	if list := differing(&filled.Plane, &plain.Plane, planeSettings); len(list) > 0 {
		line("plane", list)
	}
	if list := differing(&filled.Network, &plain.Network, networkSettings); len(list) > 0 {
		line("network", list)
	}
	if filled.Start.At != Epoch {
		fmt.Fprintf(&b, "epoch %v\n", filled.Start.At)
	}
	for _, state := range s.Start.State {
		b.WriteString("state " + state + "\n")
	}
	for i := range filled.Rollouts {
		r := &filled.Rollouts[i]
		line("rollout "+string(r.ID), differing(r, &plain.Rollouts[0], rolloutSettings))
	}
	for _, f := range s.Faults {
		b.WriteString(f.String() + "\n")
	}
	for _, a := range s.Acts {
		b.WriteString(a.String() + "\n")
	}
	if filled.Active != s.impliedActive() {
		fmt.Fprintf(&b, "active %s\n", FormatDuration(filled.Active))
	}
	if filled.Converge != plain.Converge {
		fmt.Fprintf(&b, "converge within=%s\n", FormatDuration(filled.Converge))
	}
	for _, e := range s.Expects {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// impliedActive is the Active of a scenario that does not say it.
func (s Scenario) impliedActive() (active time.Duration) {
	s.Active = 0
	return s.Filled().Active
}

// differing lists the settings that are not as in plain.
func differing[T any](t, plain *T, list []setting[T]) []string {
	var words []string
	for _, s := range list {
		if v := s.print(t); v != "" && v != s.print(plain) {
			words = append(words, s.key+"="+v)
		}
	}
	return words
}
