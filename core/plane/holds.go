package plane

import (
	"cmp"
	"maps"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Hold is what operators say of a host beyond any rollout (PROTOCOL O5, O6).
type Hold uint8

// The holds.
const (
	// Cordoned: the host is offered no dispatch.
	Cordoned Hold = iota + 1
	// Forgotten: the host is in no list, and no rollout waits for it.
	Forgotten
)

var holdWords = []string{"", "cordoned", "forgotten"}

// String returns the word of the hold.
func (h Hold) String() string { return wire.WordOf(holdWords, h) }

// DecodeValue implements [wire.Value].
func (h *Hold) DecodeValue(d *wire.Decoder) error { return wire.DecodeWord(d, holdWords, h) }

// AppendValue implements [wire.Value].
func (h *Hold) AppendValue(dst []byte) []byte { return wire.AppendWord(dst, holdWords, *h) }

// IsUnset implements [wire.Value].
func (h *Hold) IsUnset() bool { return *h == 0 }

// holdKey is what a hold is about.
type holdKey struct {
	host wire.Hostname
	hold Hold
}

// holdLine is a hold.
type holdLine struct {
	Hostname wire.Hostname
	Hold     Hold
	Mark     wire.Mark
}

var holdLineSchema = wire.Schema[holdLine]{Fields: []wire.Field[holdLine]{
	{Name: "hostname", Presence: wire.Required, Of: func(l *holdLine) wire.Value { return &l.Hostname }},
	{Name: "hold", Presence: wire.Required, Of: func(l *holdLine) wire.Value { return &l.Hold }},
	{Name: "mark", Presence: wire.Required, Of: func(l *holdLine) wire.Value { return &l.Mark }},
}}

// holdKeys returns the keys of the holds by host.
func (p *Plane) holdKeys() []holdKey {
	return slices.SortedFunc(maps.Keys(p.holds), func(a, b holdKey) int {
		return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.hold, b.hold))
	})
}

// setHold makes a hold, and its host known. A host that is forgotten is counted no more.
func (p *Plane) setHold(key holdKey, mark wire.Mark) {
	if i := p.know(key.host); key.hold == Forgotten {
		p.countHost(i, -1)
		p.forgotten++
	}
	p.holds[key] = mark
}

// dropHold ends a hold. A host that was forgotten is as if it were heard just now.
func (p *Plane) dropHold(key holdKey) {
	delete(p.holds, key)
	if key.hold == Forgotten {
		p.forgotten--
		v := &p.table.vitals[p.know(key.host)]
		v.heard, v.gone, v.unseen = p.clock(), false, false
	}
}

// isForgotten reports whether an operator has said that a host is gone.
func (p *Plane) isForgotten(name wire.Hostname) bool {
	if p.forgotten == 0 {
		return false
	}
	_, forgotten := p.holds[holdKey{name, Forgotten}]
	return forgotten
}

// countHost counts a host in, or out with -1, by its reachability.
func (p *Plane) countHost(i, by int) {
	if p.isForgotten(p.table.hosts[i].name) {
		return
	}
	switch p.table.vitals[i].reachability() {
	case wire.Unreachable:
		p.stats.HostsUnreachable += by
	case wire.NeverSeen:
		p.stats.HostsNeverSeen += by
	}
}

func (o *Output) changedHold(key holdKey) {
	o.Changes = append(o.Changes, Change{Table: TableHolds, Key: string(key.host), Sub: key.hold.String()})
}
