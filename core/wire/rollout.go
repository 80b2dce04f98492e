package wire

import (
	"fmt"
	"strconv"
	"time"
)

// Manifest is the body of POST /v1/operator/rollouts (PROTOCOL R1): what shall
// run where, and in which order.
type Manifest struct {
	Channel    Channel
	ChannelRef ChannelRef
	// Serial is the manifest's place among those of the channel; zero is none.
	Serial Serial
	Policy Policy
	Hosts  []ManifestHost
	// Gates hold back dispatches beside the waves; none by default.
	Gates Gates
	// Pins are shown, and decide nothing.
	Pins []HostPin
}

// Policy is how a rollout proceeds.
type Policy struct {
	OnHealthFailure HealthPolicy
	// Waves are dispatched one after the other (R2).
	Waves []Wave
}

// Wave is one step of a rollout.
type Wave struct {
	// SoakMinutes is how long a host of the wave runs its target before it may
	// call itself converged.
	SoakMinutes Count
}

// Soak returns the wave's soak time.
func (w Wave) Soak() time.Duration { return time.Duration(w.SoakMinutes) * time.Minute }

// ManifestHost is one host of a rollout.
type ManifestHost struct {
	Hostname      Hostname
	Wave          Count
	TargetClosure Closure
}

// MaxSoakMinutes bounds a wave's soak time at one year.
const MaxSoakMinutes = 366 * 24 * 60

// ID returns the rollout's ID.
func (m *Manifest) ID() RolloutID { return MakeRolloutID(m.Channel, m.ChannelRef) }

// ManifestSchema describes [Manifest].
var ManifestSchema = Schema[Manifest]{
	Fields: []Field[Manifest]{
		{"channel", Required, func(m *Manifest) Value { return &m.Channel }},
		{"channel_ref", Required, func(m *Manifest) Value { return &m.ChannelRef }},
		{"serial", Optional, func(m *Manifest) Value { return &m.Serial }},
		{"policy", Required, func(m *Manifest) Value { return Nested[Policy]{&m.Policy, &PolicySchema} }},
		{"hosts", Required, func(m *Manifest) Value { return List[ManifestHost]{&m.Hosts, &manifestHostSchema} }},
		{"gates", Optional, func(m *Manifest) Value { return &m.Gates }},
		{"pins", Optional, func(m *Manifest) Value { return List[HostPin]{&m.Pins, &HostPinSchema} }},
	},
	Check: checkManifest,
}

// PolicySchema describes [Policy].
var PolicySchema = Schema[Policy]{
	Fields: []Field[Policy]{
		{"on_health_failure", Required, func(p *Policy) Value { return &p.OnHealthFailure }},
		{"waves", Required, func(p *Policy) Value { return List[Wave]{&p.Waves, &waveSchema} }},
	},
	Check: func(p *Policy) (field, problem string) {
		if len(p.Waves) == 0 {
			return "waves", "want at least one wave"
		}
		return "", ""
	},
}

var waveSchema = Schema[Wave]{
	Fields: []Field[Wave]{
		{"soak_minutes", Required, func(w *Wave) Value { return &w.SoakMinutes }},
	},
	Check: func(w *Wave) (field, problem string) {
		if w.SoakMinutes > MaxSoakMinutes {
			return "soak_minutes", fmt.Sprintf("want at most %d (a year)", MaxSoakMinutes)
		}
		return "", ""
	},
}

var manifestHostSchema = Schema[ManifestHost]{Fields: []Field[ManifestHost]{
	{"hostname", Required, func(h *ManifestHost) Value { return &h.Hostname }},
	{"wave", Required, func(h *ManifestHost) Value { return &h.Wave }},
	{"target_closure", Required, func(h *ManifestHost) Value { return &h.TargetClosure }},
}}

func checkManifest(m *Manifest) (field, problem string) {
	if len(m.Channel)+1+len(m.ChannelRef) > 512 {
		return "channel_ref", "makes a rollout ID of more than 512 bytes"
	}
	if len(m.Hosts) == 0 {
		return "hosts", "want at least one host"
	}
	first := make(map[Hostname]int, len(m.Hosts))
	for i, h := range m.Hosts {
		if int(h.Wave) >= len(m.Policy.Waves) {
			return hostField(i, "wave"), fmt.Sprintf("is %d, but the policy has %d waves, numbered from 0", h.Wave, len(m.Policy.Waves))
		}
		if j, repeated := first[h.Hostname]; repeated {
			return hostField(i, "hostname"), fmt.Sprintf("%s is already hosts[%d]", h.Hostname, j)
		}
		first[h.Hostname] = i
	}
	has := func(name Hostname) bool { _, there := first[name]; return there }
	if field, problem := checkPins(m, has); field != "" {
		return field, problem
	}
	return checkGates(m, func(name Hostname) (Count, bool) {
		i, there := first[name]
		if !there {
			return 0, false
		}
		return m.Hosts[i].Wave, true
	})
}

// hostField names a member of a manifest's host.
func hostField(i int, member string) string { return "hosts[" + strconv.Itoa(i) + "]." + member }

// AppendJSON implements [Document].
func (m *Manifest) AppendJSON(dst []byte) []byte { return ManifestSchema.Append(dst, m) }
