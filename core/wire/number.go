package wire

import (
	"fmt"
	"strconv"
	"time"
)

// Seq numbers the events of one (rollout, host) pair: 1, 2, 3 … Zero is "no
// event yet". It is at most [MaxSeq].
type Seq uint64

// MaxSeq is the largest sequence number, so that a number fits a signed
// 64-bit column.
const MaxSeq Seq = 1<<63 - 1

// ParseSeq reads a sequence number as it stands in a header or in a document:
// digits only.
func ParseSeq(s string) (Seq, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || Seq(n) > MaxSeq || s != strconv.FormatUint(n, 10) {
		return 0, fieldError(fmt.Sprintf("want a whole number from 0 to %d", MaxSeq))
	}
	return Seq(n), nil
}

// DecodeValue implements [Value]. Zero is read as well: a snapshot's
// lastEventSeq may be zero; an event's seq is checked by its schema.
func (s *Seq) DecodeValue(d *Decoder) error {
	raw, err := d.number()
	if err != nil {
		return err
	}
	*s, err = ParseSeq(raw)
	return err
}

// AppendValue implements [Value].
func (s *Seq) AppendValue(dst []byte) []byte { return strconv.AppendUint(dst, uint64(*s), 10) }

// IsUnset implements [Value]. A sequence number is never left out: zero says
// "nothing yet".
func (s *Seq) IsUnset() bool { return false }

// Serial is the place of a manifest among those of its channel: the higher is the
// newer (PROTOCOL R1). Zero is none.
type Serial Seq

// DecodeValue implements [Value].
func (n *Serial) DecodeValue(d *Decoder) error {
	raw, err := d.number()
	if err != nil {
		return err
	}
	v, err := ParseSerial(raw)
	if err == nil {
		*n = v
	}
	return err
}

// ParseSerial reads a serial as it stands in a document: digits only.
func ParseSerial(s string) (Serial, error) {
	n, err := ParseSeq(s)
	if err != nil || n == 0 {
		return 0, fieldError(fmt.Sprintf("want a whole number from 1 to %d", MaxSeq))
	}
	return Serial(n), nil
}

// AppendValue implements [Value].
func (n *Serial) AppendValue(dst []byte) []byte { return strconv.AppendUint(dst, uint64(*n), 10) }

// IsUnset implements [Value].
func (n *Serial) IsUnset() bool { return *n == 0 }

// Int is a whole number of 32 bits, for instance an exit code.
type Int int32

// DecodeValue implements [Value].
func (n *Int) DecodeValue(d *Decoder) error {
	raw, err := d.number()
	if err != nil {
		return err
	}
	v, err := strconv.ParseInt(raw, 10, 32)
	if err != nil {
		return fieldError("want a whole number of 32 bits")
	}
	*n = Int(v)
	return nil
}

// AppendValue implements [Value].
func (n *Int) AppendValue(dst []byte) []byte { return strconv.AppendInt(dst, int64(*n), 10) }

// IsUnset implements [Value]. A number is never left out.
func (n *Int) IsUnset() bool { return false }

// Count is a whole number from 0 to 2³¹−1: a wave, a number of minutes or
// seconds, a count of hosts.
type Count int32

// DecodeValue implements [Value].
func (n *Count) DecodeValue(d *Decoder) error {
	raw, err := d.number()
	if err != nil {
		return err
	}
	v, err := strconv.ParseInt(raw, 10, 32)
	if err != nil || v < 0 {
		return fieldError("want a whole number from 0 to 2147483647")
	}
	*n = Count(v)
	return nil
}

// AppendValue implements [Value].
func (n *Count) AppendValue(dst []byte) []byte { return strconv.AppendInt(dst, int64(*n), 10) }

// IsUnset implements [Value]. A count is never left out.
func (n *Count) IsUnset() bool { return false }

// Flag is a boolean that is left out when false.
type Flag bool

// DecodeValue implements [Value].
func (f *Flag) DecodeValue(d *Decoder) error {
	k := d.json.PeekKind()
	if k != 't' && k != 'f' {
		return d.wrong("true or false")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	*f = k == 't'
	return nil
}

// AppendValue implements [Value].
func (f *Flag) AppendValue(dst []byte) []byte { return strconv.AppendBool(dst, bool(*f)) }

// IsUnset implements [Value].
func (f *Flag) IsUnset() bool { return !bool(*f) }

// Nanos is a duration, or an instant of a monotonic clock, in nanoseconds. It
// stands in state documents only, never on the agents' wire.
type Nanos time.Duration

// DecodeValue implements [Value].
func (n *Nanos) DecodeValue(d *Decoder) error {
	raw, err := d.number()
	if err != nil {
		return err
	}
	v, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return fieldError("want a whole number of nanoseconds")
	}
	*n = Nanos(v)
	return nil
}

// AppendValue implements [Value].
func (n *Nanos) AppendValue(dst []byte) []byte { return strconv.AppendInt(dst, int64(*n), 10) }

// IsUnset implements [Value]. Nanoseconds are never left out.
func (n *Nanos) IsUnset() bool { return false }
