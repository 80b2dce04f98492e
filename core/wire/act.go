package wire

import "fmt"

// Actor is the operator who requested something (PROTOCOL T15).
type Actor struct {
	// Name is the common name of the operator's certificate; empty if it was no
	// operator.
	Name CommonName
	// Serial is the certificate's serial number and Fingerprint the SHA-256 of the
	// certificate, both in hexadecimal.
	Serial, Fingerprint Name
	// Request is the ID of the request.
	Request Name
}

// IsSet reports whether there is an operator.
func (a *Actor) IsSet() bool { return a.Name != "" }

// ActorSchema describes [Actor].
var ActorSchema = Schema[Actor]{Fields: []Field[Actor]{
	{"name", Required, func(a *Actor) Value { return &a.Name }},
	{"serial", Optional, func(a *Actor) Value { return &a.Serial }},
	{"fingerprint", Optional, func(a *Actor) Value { return &a.Fingerprint }},
	{"request", Optional, func(a *Actor) Value { return &a.Request }},
}}

// DecodeValue implements [Value].
func (a *Actor) DecodeValue(d *Decoder) error { return ActorSchema.Decode(d, a) }

// AppendValue implements [Value].
func (a *Actor) AppendValue(dst []byte) []byte { return ActorSchema.Append(dst, a) }

// IsUnset implements [Value].
func (a *Actor) IsUnset() bool { return !a.IsSet() }

// Act is what an entry of the log has that an operator requested: who it was, and the
// entry's place in the chain of operators' acts (PROTOCOL T15).
type Act struct {
	// Count is the place: 1, 2, 3 …
	Count Seq
	// Before is the hash of the act before it, the SHA-256 in hexadecimal; empty for the
	// first.
	Before Name
	By     Actor
}

// ActSchema describes [Act].
var ActSchema = Schema[Act]{Fields: []Field[Act]{
	{"count", Required, func(a *Act) Value { return &a.Count }},
	{"before", Optional, func(a *Act) Value { return &a.Before }},
	{"by", Required, func(a *Act) Value { return &a.By }},
}}

// DecodeValue implements [Value].
func (a *Act) DecodeValue(d *Decoder) error { return ActSchema.Decode(d, a) }

// AppendValue implements [Value].
func (a *Act) AppendValue(dst []byte) []byte { return ActSchema.Append(dst, a) }

// IsUnset implements [Value].
func (a *Act) IsUnset() bool { return a.Count == 0 }

// ActHead is the end of the chain of operators' acts: how many there are, and the hash of
// the last. Its zero value is the head of no act.
type ActHead struct {
	Count Seq
	Hash  Name
}

// ActHeadSchema describes [ActHead].
var ActHeadSchema = Schema[ActHead]{Fields: []Field[ActHead]{
	{"count", Required, func(h *ActHead) Value { return &h.Count }},
	{"hash", Required, func(h *ActHead) Value { return &h.Hash }},
}}

// DecodeValue implements [Value].
func (h *ActHead) DecodeValue(d *Decoder) error { return ActHeadSchema.Decode(d, h) }

// AppendValue implements [Value].
func (h *ActHead) AppendValue(dst []byte) []byte { return ActHeadSchema.Append(dst, h) }

// IsUnset implements [Value].
func (h *ActHead) IsUnset() bool { return h.Count == 0 }

// String returns the head as COUNT:HASH; 0 if there is no act.
func (h ActHead) String() string {
	if h.Count == 0 {
		return "0"
	}
	return fmt.Sprintf("%d:%s", h.Count, h.Hash)
}
