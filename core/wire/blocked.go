package wire

// Gate is one of the gates that hold back dispatches: those of a manifest (PROTOCOL W),
// and what operators hold back (PROTOCOL O).
type Gate uint8

// The gates. Those of operators are asked first.
const (
	// GateChannelEdge: another channel's rollout comes first (W4).
	GateChannelEdge Gate = iota + 1
	// GateHostEdge: another host of the rollout comes first (W3).
	GateHostEdge
	// GateCompliance: an enforce-mode probe fails in an earlier wave (W5).
	GateCompliance
	// GateBudget: as many hosts of a disruption budget as may be are in flight (W2).
	GateBudget
	// GatePaused: an operator has paused the rollout (O2).
	GatePaused
	// GateSkipped: an operator lets the rollout go on without the host (O4).
	GateSkipped
	// GateCordoned: an operator lets the host have no dispatch (O5).
	GateCordoned

	// GateCount is one more than the last gate.
	GateCount int = iota + 1
)

var gateWords = []string{"", "channel_edge", "host_edge", "compliance", "budget", "paused", "skipped", "cordoned"}

// String returns the stable word of the gate.
func (g Gate) String() string { return WordOf(gateWords, g) }

// DecodeValue implements [Value].
func (g *Gate) DecodeValue(d *Decoder) error { return decodeWord(d, gateWords, g) }

// AppendValue implements [Value].
func (g *Gate) AppendValue(dst []byte) []byte { return appendWord(dst, gateWords, *g) }

// IsUnset implements [Value].
func (g *Gate) IsUnset() bool { return *g == 0 }

// Blocked says why a dispatch is held back; unset if it is not.
type Blocked struct {
	Gate Gate
	// By is the channel, the host or the budget that holds it back; of an operator's act
	// the channel of the rollout or the host that it is about.
	By Name
	// Reason says it for people.
	Reason Text
}

// BlockedSchema describes [Blocked].
var BlockedSchema = Schema[Blocked]{Fields: []Field[Blocked]{
	{"gate", Required, func(b *Blocked) Value { return &b.Gate }},
	{"by", Required, func(b *Blocked) Value { return &b.By }},
	{"reason", Required, func(b *Blocked) Value { return &b.Reason }},
}}

// DecodeValue implements [Value].
func (b *Blocked) DecodeValue(d *Decoder) error { return BlockedSchema.Decode(d, b) }

// AppendValue implements [Value].
func (b *Blocked) AppendValue(dst []byte) []byte { return BlockedSchema.Append(dst, b) }

// IsUnset implements [Value].
func (b *Blocked) IsUnset() bool { return b.Gate == 0 }

// BlockedCounts counts hosts by the gate that holds their dispatch back.
type BlockedCounts [GateCount]Count

var blockedCountsSchema = Schema[BlockedCounts]{Fields: []Field[BlockedCounts]{
	{"channel_edge", Required, func(c *BlockedCounts) Value { return &c[GateChannelEdge] }},
	{"host_edge", Required, func(c *BlockedCounts) Value { return &c[GateHostEdge] }},
	{"compliance", Required, func(c *BlockedCounts) Value { return &c[GateCompliance] }},
	{"budget", Required, func(c *BlockedCounts) Value { return &c[GateBudget] }},
	{"paused", Optional, func(c *BlockedCounts) Value { return (*laterCount)(&c[GatePaused]) }},
	{"skipped", Optional, func(c *BlockedCounts) Value { return (*laterCount)(&c[GateSkipped]) }},
	{"cordoned", Optional, func(c *BlockedCounts) Value { return (*laterCount)(&c[GateCordoned]) }},
}}

// laterCount is a count that documents of an older version do not have: 0 is left out.
type laterCount Count

// DecodeValue implements [Value].
func (c *laterCount) DecodeValue(d *Decoder) error { return (*Count)(c).DecodeValue(d) }

// AppendValue implements [Value].
func (c *laterCount) AppendValue(dst []byte) []byte { return (*Count)(c).AppendValue(dst) }

// IsUnset implements [Value].
func (c *laterCount) IsUnset() bool { return *c == 0 }

// DecodeValue implements [Value].
func (c *BlockedCounts) DecodeValue(d *Decoder) error { return blockedCountsSchema.Decode(d, c) }

// AppendValue implements [Value].
func (c *BlockedCounts) AppendValue(dst []byte) []byte { return blockedCountsSchema.Append(dst, c) }

// IsUnset implements [Value]: no host is held back.
func (c *BlockedCounts) IsUnset() bool { return *c == BlockedCounts{} }
