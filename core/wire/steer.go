package wire

// Mark is an act of an operator that is in force (PROTOCOL O); unset without one.
type Mark struct {
	// Since is when the plane took it, by its clock.
	Since Time
	// Reason is what the operator gave as one; empty without one.
	Reason Text
}

// MarkSchema describes [Mark].
var MarkSchema = Schema[Mark]{Fields: []Field[Mark]{
	{"since", Required, func(m *Mark) Value { return &m.Since }},
	{"reason", Optional, func(m *Mark) Value { return &m.Reason }},
}}

// DecodeValue implements [Value].
func (m *Mark) DecodeValue(d *Decoder) error { return MarkSchema.Decode(d, m) }

// AppendValue implements [Value].
func (m *Mark) AppendValue(dst []byte) []byte { return MarkSchema.Append(dst, m) }

// IsUnset implements [Value].
func (m *Mark) IsUnset() bool { return !m.Since.IsSet() }

// SteerRequest is the optional body of the routes by which operators steer (PROTOCOL
// O1).
type SteerRequest struct {
	// Reason is shown to operators as long as the act is in force, at most
	// [MaxReason] bytes.
	Reason Text
}

// MaxReason bounds the reason of an act, in bytes.
const MaxReason = 1024

// SteerRequestSchema describes [SteerRequest].
var SteerRequestSchema = Schema[SteerRequest]{
	Fields: []Field[SteerRequest]{
		{"reason", Optional, func(r *SteerRequest) Value { return &r.Reason }},
	},
	Check: func(r *SteerRequest) (field, problem string) {
		if len(r.Reason) > MaxReason {
			return "reason", "want at most 1024 bytes"
		}
		return "", ""
	},
}
