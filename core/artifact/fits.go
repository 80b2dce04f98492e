package artifact

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Fits judges whether a rollout manifest is the one with an ID, and belongs to this
// fleet document: it has the fleet's hash, and the lines that follow from the fleet.
// Both are verified already. The error is a [*Refusal].
//
// An agent compares the hash and its own line only; the lines of all hosts are
// compared here, so that what an agent would refuse is never offered to it.
func Fits(id wire.RolloutID, rollout *Verified[Rollout], fleet *Verified[Fleet]) error {
	got := &rollout.Doc
	if got.ID() != id {
		return refuse(WrongRollout, fmt.Sprintf("it is the manifest of %s; want %s", got.ID(), id))
	}
	if string(got.FleetHash) != fleet.Hash.String() {
		return &Refusal{Reason: WrongFleet, Field: "fleetResolvedHash",
			Detail: fmt.Sprintf("is %s, and the fleet's hash is %s", got.FleetHash, fleet.Hash)}
	}
	want, _ := RolloutOf(&fleet.Doc, fleet.Hash, got.Channel)
	if want.Ref != got.Ref {
		return &Refusal{Reason: WrongFleet, Field: "channelRef", Detail: fmt.Sprintf("is %s, and the fleet is of commit %s", got.Ref, want.Ref)}
	}
	for i := range got.Hosts {
		at := fmt.Sprintf("hostSet[%d]", i)
		line := want.Host(got.Hosts[i].Hostname)
		switch {
		case line == nil:
			return &Refusal{Reason: WrongFleet, Field: at, Detail: fmt.Sprintf("the fleet has no host %s with a closure on channel %s", got.Hosts[i].Hostname, got.Channel)}
		case line.Closure != got.Hosts[i].Closure:
			return &Refusal{Reason: WrongClosure, Field: at + ".targetClosure", Detail: fmt.Sprintf("is %s; the fleet has %s for %s", got.Hosts[i].Closure, line.Closure, line.Hostname)}
		case line.Wave != got.Hosts[i].Wave:
			return &Refusal{Reason: WrongFleet, Field: at + ".waveIndex", Detail: fmt.Sprintf("is %d; the fleet has %s in wave %d", got.Hosts[i].Wave, line.Hostname, line.Wave)}
		}
	}
	if len(got.Hosts) != len(want.Hosts) {
		return &Refusal{Reason: WrongFleet, Field: "hostSet", Detail: fmt.Sprintf("has %d hosts; the fleet has %d with a closure on channel %s", len(got.Hosts), len(want.Hosts), got.Channel)}
	}
	return nil
}

// Allows judges whether a rollout has a host run a closure: whether the host has a
// line, and the line has this closure. It is what an agent does with a dispatch. The
// error is a [*Refusal].
func (r *Rollout) Allows(host wire.Hostname, closure wire.Closure) error {
	line := r.Host(host)
	switch {
	case line == nil:
		return refuse(NoSuchHost, fmt.Sprintf("%s has no line of host %s", r.ID(), host))
	case line.Closure != closure:
		return refuse(WrongClosure, fmt.Sprintf("%s has %s for %s, and not %s", r.ID(), line.Closure, host, closure))
	}
	return nil
}

// RolloutIDs returns the IDs of the rollouts that belong to a fleet: one for each
// channel that has a host with a closure, in the order of the channels' names.
func (f *Fleet) RolloutIDs() []wire.RolloutID {
	var ids []wire.RolloutID
	for i := range f.Channels {
		channel := wire.Channel(f.Channels[i].Name)
		if r, ok := RolloutOf(f, Hash{}, channel); ok {
			ids = append(ids, r.ID())
		}
	}
	return ids
}
