package scenario

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Scenario is everything that a run depends on, its seed included: the same
// scenario gives the same trace hash on every run.
type Scenario struct {
	// Seed is where every random stream starts.
	Seed uint64
	// Start is what the plane knows at first. Default nothing.
	Start    Start
	Fleet    Fleet
	Plane    PlaneModel
	Network  NetworkModel
	Rollouts []Rollout
	Acts     []Act
	Faults   []Fault
	// Active is how long the scenario runs before it is healed: from then on
	// no fault is in force. 0 means until the last fault has ended, the last
	// act is done and the last rollout is open; a fault that lasts and has no
	// end by itself is given 10 min.
	Active time.Duration
	// Converge is how much virtual time the fleet has after that to come to
	// rest. Default 2 h.
	Converge time.Duration
	// Expects are what a run has to show besides keeping the rules.
	Expects []Expect
}

// Fleet is the hosts of a scenario. They are named h1, h2 and so on.
type Fleet struct {
	// Hosts is how many there are, 1 to 1,000,000.
	Hosts int
	// Interval is the heartbeat interval of all of them, and of the plane.
	// Default 60 s.
	Interval time.Duration
	// Legacy and Hostile are how many of the hosts, counted from the last one
	// backwards, are of these kinds: the hostile ones last. A hostile host is
	// in no rollout.
	Legacy, Hostile int
	// Field is how many run an agent of NixFleet v0.2; they come before the legacy
	// ones.
	Field int
	// Verify says that agents of ours act only on signed intent (PROTOCOL A11). Every
	// rollout, but for those of hostile hosts, has to be signed then.
	Verify bool
	// Probes is how many probes a host has, at most 4. Default 1;
	// negative means none.
	Probes int
	// Modes are the modes of the probes, in their order; zero is Enforce.
	Modes [maxProbes]wire.Mode
	// ProbeInterval is the time between two rounds of probes. Default 30 s.
	ProbeInterval time.Duration
	// Sustained is for how long a probe fails until its host has (A7).
	// Default 120 s.
	Sustained time.Duration
	// Activation is how long an activation or a rollback takes.
	// Default 5 s to 40 s.
	Activation Range
}

// Range is a duration that is drawn evenly between two bounds, both included.
type Range struct{ Min, Max time.Duration }

// PlaneModel is the plane's sizes, and how fast its reducer and disk are.
type PlaneModel struct {
	// Capacity is the inbox's. Default 256.
	Capacity int
	// ReplyTimeout is the reply timeout. Default 5 s.
	ReplyTimeout time.Duration
	// Batch is how many inputs are stepped between two commits. Default 64.
	Batch int
	// Slice is how many hosts of a manifest with more are prepared in one step.
	// Default [plane.DefaultSlice].
	Slice int
	// Replays is how many replays may be under way (H9). Default 256.
	Replays int
	// Service is how long one step takes. Default 20 µs.
	Service time.Duration
	// Commit is how long a commit takes. Default 1 ms to 8 ms.
	Commit Range
	// Pause is for how long the loop is interrupted, at most, where it is: before
	// one section of the driver in sixteen. Default 0: never.
	Pause time.Duration
	// Start is how long the plane takes to come up again after a crash, when
	// its process runs already. Default 200 ms.
	Start time.Duration
	// NoManifests says that the plane has no manifests directory: after the
	// loss of its disk it knows no rollout (PROTOCOL R6).
	NoManifests bool
	// SignedOnly says that the plane refuses rollouts that no signed release has
	// (PROTOCOL V7).
	SignedOnly bool
	// Hostile is how many of a thousand answers to agents are made up: the plane lies,
	// replays and forges. Such a run ends when it is healed, and is held only to what
	// agents owe their hosts then. Default none.
	Hostile int
}

// NetworkModel is the network between hosts and plane while no fault touches
// it.
type NetworkModel struct {
	// Delay is the delay of one direction. Default 1 ms to 20 ms.
	Delay Range
	// Loss and Dup are how many of a thousand messages of one direction are
	// lost, or how many requests arrive twice. Default none.
	Loss, Dup int
}

// Rollout is a rollout that an operator opens, or a signed release.
type Rollout struct {
	At      time.Duration
	ID      wire.RolloutID
	Target  wire.Closure
	Targets Hosts
	// Own gives every host a target of its own, as on NixOS: see
	// [Rollout.TargetOf].
	Own bool
	// Waves are the soak times; the hosts are spread over them in order, and
	// evenly unless Sizes says how many each wave but the last has; the last has
	// the others. Default one wave of 5 min.
	Waves []time.Duration
	Sizes []int
	// Policy is the health policy. Default Halt.
	Policy wire.HealthPolicy
	// Serial is the serial of its manifest. Default the rollout's place in the
	// order of At, from 1. Unordered: the manifest has none.
	Serial    wire.Serial
	Unordered bool
	// Signed: it is in a signed release from At on, which comes into the plane's
	// directory then, with the newest signed rollout of each other channel. Its serial
	// is when that was signed.
	Signed bool
	// Fresh is for how long it may be offered after its release was signed. Default 0: for
	// ever.
	Fresh time.Duration
	Gates
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

// openEnded is how long a fault without an end is in force, if the scenario
// says nothing of when it is healed.
const openEnded = 10 * time.Minute

// Filled returns the scenario with its defaults filled in.
func (s Scenario) Filled() Scenario {
	setDefault(&s.Start.At, Epoch)
	setDefault(&s.Fleet.Interval, 60*time.Second)
	setDefault(&s.Fleet.Probes, 1)
	setDefault(&s.Fleet.ProbeInterval, 30*time.Second)
	setDefault(&s.Fleet.Sustained, 120*time.Second)
	setDefault(&s.Fleet.Activation, Range{5 * time.Second, 40 * time.Second})
	setDefault(&s.Plane.Capacity, 256)
	setDefault(&s.Plane.ReplyTimeout, 5*time.Second)
	setDefault(&s.Plane.Batch, 64)
	setDefault(&s.Plane.Slice, plane.DefaultSlice)
	setDefault(&s.Plane.Replays, plane.DefaultMaxReplays)
	setDefault(&s.Plane.Service, 20*time.Microsecond)
	setDefault(&s.Plane.Commit, Range{time.Millisecond, 8 * time.Millisecond})
	setDefault(&s.Plane.Start, 200*time.Millisecond)
	setDefault(&s.Network.Delay, Range{time.Millisecond, 20 * time.Millisecond})
	setDefault(&s.Converge, 2*time.Hour)
	rollouts := make([]Rollout, len(s.Rollouts))
	for i, r := range s.Rollouts {
		setDefault(&r.Policy, wire.Halt)
		if len(r.Waves) == 0 {
			r.Waves = []time.Duration{5 * time.Minute}
		}
		rollouts[i] = r
	}
	s.Rollouts = rollouts
	if s.Active == 0 {
		for _, f := range s.Faults {
			end := f.At + f.For
			if f.For == 0 && !f.Kind.Instant() {
				end += openEnded
			}
			s.Active = max(s.Active, end)
		}
		for _, a := range s.Acts {
			s.Active = max(s.Active, a.At+a.For)
		}
		for _, r := range s.Rollouts {
			s.Active = max(s.Active, r.At)
		}
	}
	return s
}

// Clone returns a scenario that shares nothing with s.
func (s Scenario) Clone() Scenario {
	s.Start.State = slices.Clone(s.Start.State)
	s.Faults = slices.Clone(s.Faults)
	s.Acts = slices.Clone(s.Acts)
	s.Expects = slices.Clone(s.Expects)
	s.Rollouts = slices.Clone(s.Rollouts)
	for i := range s.Rollouts {
		s.Rollouts[i].Waves = slices.Clone(s.Rollouts[i].Waves)
		s.Rollouts[i].Sizes = slices.Clone(s.Rollouts[i].Sizes)
		s.Rollouts[i].Gates = s.Rollouts[i].Gates.clone()
	}
	return s
}
