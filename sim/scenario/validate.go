package scenario

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// problem is something that is wrong with a part of a scenario.
type problem struct {
	part part
	err  error
}

// Validate judges a scenario whose defaults are filled in.
func (s *Scenario) Validate() error {
	if list := s.problems(); len(list) > 0 {
		return list[0].err
	}
	return nil
}

// problems lists what is wrong with a scenario whose defaults are filled in. A
// scenario whose fleet, plane or network is wrong is not judged further.
func (s *Scenario) problems() []problem {
	var list []problem
	add := func(p part, err error) {
		if err != nil {
			list = append(list, problem{p, err})
		}
	}
	add(part{kind: partFleet}, s.Fleet.validate())
	add(part{kind: partPlane}, s.Plane.validate(s))
	add(part{kind: partNetwork}, s.Network.validate())
	if s.Active < 0 || s.Active > longest {
		add(part{kind: partActive}, fmt.Errorf("active is %v; want 0s to %v", s.Active, longest))
	}
	if s.Converge <= 0 || s.Converge > longest {
		add(part{kind: partConverge}, fmt.Errorf("converge is %v; want more than 0s and at most %v", s.Converge, longest))
	}
	if len(list) > 0 {
		return list
	}
	state, err := s.Start.Read(s.PlaneConfig())
	if err == nil {
		err = s.Start.validate(s, state)
	}
	add(part{kind: partState}, err)
	has := s.names(state)
	seen := make(map[wire.RolloutID]bool)
	for i := range s.Rollouts {
		r := &s.Rollouts[i]
		err := s.checkRollout(r)
		if err == nil && seen[r.ID] {
			err = fmt.Errorf("rollout %s: is there twice; want each once", r.ID)
		}
		add(part{partRollout, i}, err)
		seen[r.ID] = true
	}
	for i := range s.Faults {
		if err := s.Faults[i].validate(s); err != nil {
			add(part{partFault, i}, fmt.Errorf("fault %q: %w", s.Faults[i].String(), err))
		}
	}
	for i := range s.Acts {
		if err := s.Acts[i].validate(s, has); err != nil {
			add(part{partAct, i}, fmt.Errorf("act %q: %w", s.Acts[i].String(), err))
		}
	}
	for i := range s.Expects {
		if err := s.Expects[i].validate(s, has); err != nil {
			add(part{partExpect, i}, fmt.Errorf("%q: %w", s.Expects[i].String(), err))
		}
	}
	return list
}

func (f *Fleet) validate() error {
	switch {
	case f.Hosts < 1 || f.Hosts > 1_000_000:
		return fmt.Errorf("fleet: hosts is %d; want 1 to 1000000", f.Hosts)
	case f.Field < 0 || f.Field > 0 && f.Legacy >= 0 && f.Hostile >= 0 && f.Field+f.Legacy+f.Hostile > f.Hosts:
		return fmt.Errorf("fleet: %d field hosts, %d legacy and %d hostile of %d hosts; want no more than there are", f.Field, f.Legacy, f.Hostile, f.Hosts)
	case f.Legacy < 0 || f.Hostile < 0 || f.Legacy+f.Hostile > f.Hosts:
		return fmt.Errorf("fleet: %d legacy and %d hostile of %d hosts; want no more than there are", f.Legacy, f.Hostile, f.Hosts)
	case f.Interval < time.Second || f.Interval%time.Second != 0:
		return &keyError{"interval", fmt.Errorf("fleet: interval is %v; want whole seconds, at least 1s", f.Interval)}
	case f.Probes > len(probeNames):
		return &keyError{"probes", fmt.Errorf("fleet: probes is %d; want at most %d", f.Probes, len(probeNames))}
	}
	if err := f.Activation.validate("fleet", "activation"); err != nil {
		return err
	}
	_, err := agent.New((&Scenario{Fleet: *f}).AgentConfig(1))
	return err
}

func (p *PlaneModel) validate(s *Scenario) error {
	switch {
	case p.Batch < 1:
		return &keyError{"batch", fmt.Errorf("plane: batch is %d; want at least 1", p.Batch)}
	case p.Slice < 1:
		return &keyError{"slice", fmt.Errorf("plane: slice is %d; want at least 1", p.Slice)}
	case p.Replays < 1 || p.Replays > plane.LargestMaxReplays:
		return &keyError{"replays", fmt.Errorf("plane: replays is %d; want 1 to %d", p.Replays, plane.LargestMaxReplays)}
	case p.Service <= 0 || p.Service > longest:
		return &keyError{"service", fmt.Errorf("plane: service is %v; want more than 0s and at most %v", p.Service, longest)}
	case p.Pause < 0 || p.Pause > longest:
		return &keyError{"pause", fmt.Errorf("plane: pause is %v; want 0s to %v", p.Pause, longest)}
	case p.Hostile < 0 || p.Hostile > 1000:
		return &keyError{"hostile", fmt.Errorf("plane: hostile is %d; want 0 to 1000 of a thousand answers", p.Hostile)}
	case p.Hostile > 0 && !s.Fleet.Verify:
		return &keyError{"hostile", fmt.Errorf("plane: hostile is %d, and the agents believe every plane; want fleet … verify=yes", p.Hostile)}
	case p.Start <= 0 || p.Start > longest:
		return &keyError{"start", fmt.Errorf("plane: start is %v; want more than 0s and at most %v", p.Start, longest)}
	}
	if err := p.Commit.validate("plane", "commit"); err != nil {
		return err
	}
	if _, err := gate.New[struct{}](s.GateConfig(p.Capacity)); err != nil {
		return err
	}
	_, err := plane.New(s.PlaneConfig())
	return err
}

func (n *NetworkModel) validate() error {
	if n.Loss < 0 || n.Loss >= 1000 || n.Dup < 0 || n.Dup > 1000 {
		return fmt.Errorf("network: loss is %d and dup is %d; want 0 to 999 of a thousand", n.Loss, n.Dup)
	}
	return n.Delay.validate("network", "delay")
}

func (r Range) validate(of, key string) error {
	if r.Min < 0 || r.Max < r.Min || r.Max > longest {
		return &keyError{key, fmt.Errorf("%s: %s is %v to %v; want 0s or more, and the smaller bound first", of, key, r.Min, r.Max)}
	}
	return nil
}

func (s *Scenario) checkRollout(r *Rollout) error {
	if _, err := wire.ParseRolloutID(string(r.ID)); err != nil {
		return fmt.Errorf("rollout %q: %w", r.ID, err)
	}
	if r.Target == "" {
		return fmt.Errorf("rollout %s has no target; want the closure that its hosts shall run, for instance target=c1", r.ID)
	}
	if _, err := wire.ParseClosure(string(r.Target)); err != nil {
		return &keyError{"target", fmt.Errorf("rollout %s: target %q: %w", r.ID, r.Target, err)}
	}
	if r.At < 0 || r.At > longest {
		return &keyError{"at", fmt.Errorf("rollout %s: at is %v; want 0s to %v", r.ID, r.At, longest)}
	}
	if r.Targets.Last > s.Fleet.Hosts || r.Targets.First > r.Targets.Last {
		return &keyError{"hosts", fmt.Errorf("rollout %s: hosts %v; want hosts from h1 to h%d", r.ID, r.Targets, s.Fleet.Hosts)}
	}
	for _, soak := range r.Waves {
		if soak < 0 || soak%time.Minute != 0 || soak > wire.MaxSoakMinutes*time.Minute {
			return &keyError{"waves", fmt.Errorf("rollout %s: soak %v; want whole minutes, at most %dm (a year)", r.ID, soak, wire.MaxSoakMinutes)}
		}
	}
	if r.Signed && (r.Serial != 0 || r.Unordered) {
		return &keyError{"serial", fmt.Errorf("rollout %s: a signed rollout has the instant of its signing for a serial; want signed=yes or serial=", r.ID)}
	}
	if r.Fresh < 0 || r.Fresh > longest || r.Fresh > 0 && !r.Signed {
		return &keyError{"fresh", fmt.Errorf("rollout %s: fresh is %v; want 0s to %v, and signed=yes beside it", r.ID, r.Fresh, longest)}
	}
	hosts := len(s.RolloutHosts(r))
	if hosts == 0 {
		return &keyError{"hosts", fmt.Errorf("rollout %s: no host is left when the hostile ones are not counted", r.ID)}
	}
	if len(r.Sizes) > 0 && len(r.Sizes) != len(r.Waves)-1 {
		return &keyError{"sizes", fmt.Errorf("rollout %s: %d sizes of %d waves; want one for each wave but the last", r.ID, len(r.Sizes), len(r.Waves))}
	}
	for _, n := range r.Sizes {
		if n < 0 || n > hosts {
			return &keyError{"sizes", fmt.Errorf("rollout %s: a wave of %d hosts; want 0 to %d, as many as the rollout has", r.ID, n, hosts)}
		}
	}
	if err := s.checkVerified(r); err != nil {
		return err
	}
	return s.checkManifest(r)
}

// checkVerified judges whether agents that act only on signed intent can be in a
// rollout: a fleet document has one channel for each host.
func (s *Scenario) checkVerified(r *Rollout) error {
	if !s.Fleet.Verify || s.IsHostile(r) {
		return nil
	}
	if !r.Signed {
		return fmt.Errorf("rollout %s: the agents act only on signed releases; want signed=yes", r.ID)
	}
	if err := artifact.CheckRolloutID(r.ID); err != nil {
		return fmt.Errorf("rollout %s: %w", r.ID, err)
	}
	for i := range s.Rollouts {
		other := &s.Rollouts[i]
		if other.ID.Channel() == r.ID.Channel() || s.IsHostile(other) {
			continue
		}
		for _, n := range s.RolloutHosts(r) {
			if other.Targets.Has(n) {
				return &keyError{"hosts", fmt.Errorf("rollout %s: %s is on channel %s too; want one channel for each host, as signed fleets have it", r.ID, HostName(n), other.ID.Channel())}
			}
		}
	}
	return nil
}

// checkManifest judges the manifest of a rollout as the server would.
func (s *Scenario) checkManifest(r *Rollout) error {
	m := s.Manifest(r)
	body := m.AppendJSON(nil)
	var read wire.Manifest
	var d wire.Decoder
	var wrong *wire.FieldError
	switch err := wire.DecodeDocument(&d, &wire.ManifestSchema, body, &read); {
	case errors.As(err, &wrong):
		key := "at"
		if strings.HasPrefix(wrong.Field, "hosts[") {
			key = "target"
		}
		if gate := gateKey(wrong.Field); gate != "" {
			key = gate
		}
		return &keyError{key, fmt.Errorf("rollout %s: the server refuses its manifest with 422: %s %s", r.ID, wrong.Field, wrong.Problem)}
	case err != nil:
		return fmt.Errorf("rollout %s: the server refuses its manifest: %w", r.ID, err)
	}
	return nil
}
