package artifact

import "github.com/refrain-fleet/refrain/core/wire"

// Intent is what a fleet document and a rollout manifest say about one host: as much of
// them as an agent needs to decide whether it acts on a dispatch. It says nothing of
// their age, which depends on the agent's clock and on what the agent has seen before.
type Intent struct {
	// FleetFault and RolloutFault say why one of the two is not to be used; 0 if its
	// signatures count and it can be read. Without them the other fields mean nothing.
	FleetFault, RolloutFault Reason
	// Detail explains the first fault.
	Detail string
	// FleetSignedAt and RolloutSignedAt are when they were signed.
	FleetSignedAt, RolloutSignedAt wire.Time
	// FleetHash is that of the fleet document, NamedHash the one in the manifest: the
	// manifest belongs to this fleet if they are equal.
	FleetHash, NamedHash wire.Name
	// ID is of the rollout that the manifest is of.
	ID wire.RolloutID
	// Closure is the host's in the manifest, FleetClosure its closure in the fleet; empty
	// if it has none there.
	Closure, FleetClosure wire.Closure
	// Policy is the failure policy of the manifest's channel in the fleet, SoakMinutes
	// the soak time of the host's wave. Policy is unset if the fleet does not say it.
	Policy      wire.HealthPolicy
	SoakMinutes wire.Count
}

// IntentOf sums up two artifacts for a host. Each comes with the error of its
// verification, which has to be without the checks of the age ([Verifier].AnyAge).
func IntentOf(host wire.Hostname, fleet *Verified[Fleet], fleetErr error, rollout *Verified[Rollout], rolloutErr error) Intent {
	var i Intent
	i.FleetFault, i.Detail = faultOf(fleetErr, "the fleet document")
	var detail string
	if i.RolloutFault, detail = faultOf(rolloutErr, "the manifest"); i.Detail == "" {
		i.Detail = detail
	}
	if i.FleetFault == 0 {
		i.FleetSignedAt, i.FleetHash = fleet.Doc.Meta.SignedAt, wire.Name(fleet.Hash.String())
		if line := wire.Lookup(fleet.Doc.Hosts, string(host)); line != nil {
			i.FleetClosure = line.Closure
		}
	}
	if i.RolloutFault != 0 {
		return i
	}
	manifest := &rollout.Doc
	i.ID, i.NamedHash, i.RolloutSignedAt = manifest.ID(), manifest.FleetHash, manifest.Meta.SignedAt
	line := manifest.Host(host)
	if line == nil {
		return i
	}
	i.Closure = line.Closure
	if i.FleetFault == 0 {
		if policy, refusal := fleet.Doc.policyOf(manifest.Channel); refusal == nil {
			i.Policy = policy.OnFailure
		}
		if waves := fleet.Doc.wavesOf(manifest.Channel); int(line.Wave) < len(waves) {
			i.SoakMinutes = waves[line.Wave].SoakMinutes
		}
	}
	return i
}

// faultOf gives an error of a verification its reason.
func faultOf(err error, of string) (Reason, string) {
	switch err := err.(type) {
	case nil:
		return 0, ""
	case *Refusal:
		if err.Field != "" {
			of += ", " + err.Field
		}
		return err.Reason, of + ": " + err.Detail
	default:
		return NotJSON, of + ": " + err.Error()
	}
}
