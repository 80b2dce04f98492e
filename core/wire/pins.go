package wire

import "fmt"

// Pin says why a host's closure is of another commit than the rollout's (PROTOCOL W7).
// It is shown, and decides nothing.
type Pin struct {
	Commit    Name
	Reason    Text
	ExpiresAt Time
}

// HostPin is the pin of a host of a rollout.
type HostPin struct {
	Hostname Hostname
	Pin      Pin
}

// PinSchema describes [Pin].
var PinSchema = Schema[Pin]{Fields: []Field[Pin]{
	{"commit", Required, func(p *Pin) Value { return &p.Commit }},
	{"reason", Optional, func(p *Pin) Value { return &p.Reason }},
	{"expires_at", Optional, func(p *Pin) Value { return &p.ExpiresAt }},
}}

// DecodeValue implements [Value].
func (p *Pin) DecodeValue(d *Decoder) error { return PinSchema.Decode(d, p) }

// AppendValue implements [Value].
func (p *Pin) AppendValue(dst []byte) []byte { return PinSchema.Append(dst, p) }

// IsUnset implements [Value].
func (p *Pin) IsUnset() bool { return p.Commit == "" }

// HostPinSchema describes [HostPin].
var HostPinSchema = Schema[HostPin]{Fields: []Field[HostPin]{
	{"hostname", Required, func(p *HostPin) Value { return &p.Hostname }},
	{"pin", Required, func(p *HostPin) Value { return &p.Pin }},
}}

// checkPins refuses pins of hosts that the manifest does not have.
func checkPins(m *Manifest, has func(Hostname) bool) (field, problem string) {
	pinned := make(map[Hostname]bool, len(m.Pins))
	for i := range m.Pins {
		switch name := m.Pins[i].Hostname; {
		case !has(name):
			return gateField("pins", i, "hostname"), fmt.Sprintf("is %s, which is no host of the rollout; want one that is", name)
		case pinned[name]:
			return gateField("pins", i, "hostname"), fmt.Sprintf("is %s, which has a pin already; want one for each host", name)
		default:
			pinned[name] = true
		}
	}
	return "", ""
}
