package artifact

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Opening returns the manifest that a control plane opens a signed rollout with:
// the hosts' own lines of the rollout, and the waves and the failure policy of its
// channel in the fleet, with its gates. The rollout fits the fleet already, see [Fits]. A channel
// without waves has one, without a soak time.
//
// The manifest's serial is the instant at which the fleet was signed, in
// nanoseconds of Unix time: of two rollouts of a channel that were never seen
// before, the one that was signed later is the newer.
//
// The error is a [*Refusal]. What is refused would never be over by the format's own
// rules: hosts that no wave dispatches, waves that have nothing to wait for, and edges
// in a circle or against the waves.
func Opening(fleet *Fleet, rollout *Rollout) (wire.Manifest, error) {
	m := wire.Manifest{Channel: rollout.Channel, ChannelRef: rollout.Ref}
	if err := CheckRolloutID(rollout.ID()); err != nil {
		return m, &Refusal{Reason: WrongShape, Field: "channelRef", Detail: err.Error()}
	}
	signed := fleet.Meta.SignedAt
	if !signed.IsSet() || signed.Std().UnixNano() <= 0 {
		return m, &Refusal{Reason: NotSigned, Field: "meta.signedAt", Detail: "has no instant that rollouts can be ordered by; want that of signing"}
	}
	m.Serial = wire.Serial(signed.Std().UnixNano())
	policy, refusal := fleet.policyOf(rollout.Channel)
	if refusal != nil {
		return m, refusal
	}
	m.Policy.OnHealthFailure = policy.OnFailure
	waves := fleet.wavesOf(rollout.Channel)
	staged := make(map[wire.Name]bool)
	for i := range waves {
		m.Policy.Waves = append(m.Policy.Waves, wire.Wave{SoakMinutes: waves[i].SoakMinutes})
		for _, name := range waves[i].Hosts {
			staged[name] = true
			if host := wire.Lookup(fleet.Hosts, string(name)); host != nil && host.Channel == rollout.Channel && host.Closure == "" {
				return m, &Refusal{Reason: NoClosure, Field: waveField(rollout.Channel, i),
					Detail: fmt.Sprintf("names %s, which has no closure, so the wave is never over; want a closure, or the host in no wave", name)}
			}
		}
	}
	if len(waves) == 0 {
		m.Policy.Waves = []wire.Wave{{}}
	}
	in := make([]int, len(m.Policy.Waves))
	for i := range rollout.Hosts {
		line := &rollout.Hosts[i]
		switch {
		case len(waves) > 0 && !staged[wire.Name(line.Hostname)]:
			return m, &Refusal{Reason: NoWave, Field: "waves." + string(rollout.Channel),
				Detail: fmt.Sprintf("has %s in no wave, so it is never dispatched; want each host of the channel in one", line.Hostname)}
		case int(line.Wave) >= len(in):
			return m, &Refusal{Reason: WrongFleet, Field: fmt.Sprintf("hostSet[%d].waveIndex", i),
				Detail: fmt.Sprintf("is %d; the fleet has %d waves for channel %s, numbered from 0", line.Wave, len(in), rollout.Channel)}
		}
		in[line.Wave]++
		if host := wire.Lookup(fleet.Hosts, string(line.Hostname)); host != nil && host.Pin != nil {
			m.Pins = append(m.Pins, wire.HostPin{Hostname: line.Hostname, Pin: wire.Pin{Commit: host.Pin.Commit, Reason: host.Pin.Reason, ExpiresAt: host.Pin.ExpiresAt}})
		}
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: line.Hostname, Wave: line.Wave, TargetClosure: line.Closure})
	}
	for i, hosts := range in {
		if hosts == 0 {
			return m, &Refusal{Reason: WaveGap, Field: waveField(rollout.Channel, i),
				Detail: fmt.Sprintf("is the first wave of no host of channel %s; want a host in each wave, or no such wave", rollout.Channel)}
		}
	}
	if m.Gates, refusal = fleet.gatesOf(&m); refusal != nil {
		return m, refusal
	}
	if field, problem := wire.ManifestSchema.Check(&m); field != "" {
		return m, &Refusal{Reason: WrongShape, Field: field, Detail: problem}
	}
	return m, nil
}

// FreshUntil is until when dispatches of a channel's rollout may be offered: the
// channel's freshness window after the fleet was signed. It is unset if the channel has
// none.
func FreshUntil(fleet *Fleet, channel wire.Channel) wire.Time {
	c := wire.Lookup(fleet.Channels, string(channel))
	if c == nil || c.FreshMinutes == 0 {
		return wire.Time{}
	}
	return fleet.Meta.SignedAt.Add(time.Duration(c.FreshMinutes) * time.Minute)
}

func waveField(channel wire.Channel, i int) string { return fmt.Sprintf("waves.%s[%d]", channel, i) }

// policyOf returns the rollout policy of a channel.
func (f *Fleet) policyOf(channel wire.Channel) (*Policy, *Refusal) {
	c := wire.Lookup(f.Channels, string(channel))
	if c == nil {
		return nil, &Refusal{Reason: NoPolicy, Field: "channels", Detail: fmt.Sprintf("has no %s, and hosts are on it; want the channel with its policy", channel)}
	}
	policy := wire.Lookup(f.Policies, string(c.Policy))
	if policy == nil {
		return nil, &Refusal{Reason: NoPolicy, Field: "channels." + string(channel) + ".rolloutPolicy",
			Detail: fmt.Sprintf("is %s, which rolloutPolicies does not have; want one that it has", c.Policy)}
	}
	return policy, nil
}

// wavesOf returns the waves of a channel; nil if it has none.
func (f *Fleet) wavesOf(channel wire.Channel) []Wave {
	if waves := wire.Lookup(f.Waves, string(channel)); waves != nil {
		return *waves
	}
	return nil
}
