package wire

import (
	"fmt"
	"hash/crc32"
	"unicode/utf8"
)

// Dialect is whose rules an agent follows. The documents on the wire are the same.
type Dialect uint8

// The dialects.
const (
	// DialectRefrain: an agent that follows PROTOCOL A, and says so in every request.
	DialectRefrain Dialect = iota
	// DialectField: a deployed agent of NixFleet. It stops at the first answer to an event
	// that is not 2xx, reads neither Retry-After nor Replay-From, and lets every
	// snapshot overwrite what it knows.
	DialectField
)

var dialectWords = []string{"refrain", "field"}

// String returns the stable word of the dialect.
func (d Dialect) String() string { return WordOf(dialectWords, d) }

// DecodeValue implements [Value].
func (d *Dialect) DecodeValue(dec *Decoder) error { return decodeWord(dec, dialectWords, d) }

// AppendValue implements [Value].
func (d *Dialect) AppendValue(dst []byte) []byte { return appendWord(dst, dialectWords, *d) }

// IsUnset implements [Value].
func (d *Dialect) IsUnset() bool { return *d == DialectRefrain }

// AgentVersion is the value of the header by which an agent of ours names itself
// (PROTOCOL T12).
const AgentVersion = "1"

// CheckAgentHeader judges the values of the X-Refrain-Agent header (PROTOCOL T12):
// "1" for an agent of ours, none for a field agent. It reports false for anything
// else.
func CheckAgentHeader(values []string) (dialect Dialect, ok bool) {
	if len(values) == 0 {
		return DialectField, true
	}
	return DialectRefrain, len(values) == 1 && values[0] == AgentVersion
}

// DecodeFieldEvent reads the body of POST /v1/agent/events as a field agent may send
// it (PROTOCOL E11): seq may be 0, texts may be of any length, and names and closures
// that are empty, too long or have characters that PROTOCOL T11 does not allow are
// made to fit. Errors are those of [DecodeDocument]. What was read is written and read
// like every other event.
func DecodeFieldEvent(d *Decoder, body []byte, into *EventEnvelope) error {
	d.lenient = true
	err := DecodeDocument(d, &EventEnvelopeSchema, body, into)
	d.lenient = false
	if len(into.Signature) > MaxText {
		into.Signature = "" // of no use when cut
	}
	return err
}

// unknownName stands for an empty name or closure.
const unknownName = "unknown"

// maxName is the largest length of a name or closure in bytes (PROTOCOL T11).
const maxName = 512

// decodeFitted reads a name or closure and makes it fit: characters that are not
// allowed become '?', one that is too long is cut and ends in a checksum, so that two
// different ones stay different.
func decodeFitted[S ~string](d *Decoder, into *S, allowed func(byte) bool) error {
	raw, err := d.text()
	if err != nil {
		return err
	}
	if len(raw) == 0 {
		*into = unknownName
		return nil
	}
	sum := crc32.ChecksumIEEE(raw)
	fitted := make([]byte, 0, min(len(raw), maxName))
	for i, c := range raw {
		if i == maxName {
			break
		}
		if !allowed(c) {
			c = '?'
		}
		fitted = append(fitted, c)
	}
	if len(raw) > maxName {
		// "~" and eight hexadecimal digits; the cut is not inside a character.
		end := maxName - 9
		for end > 0 && !utf8.RuneStart(fitted[end]) {
			end--
		}
		fitted = fmt.Appendf(fitted[:end], "~%08x", sum)
	}
	*into = S(fitted)
	return nil
}

// DecodeTaken reads a document of a plane's log or of a recording, whose event was
// taken, maybe from a field agent.
func DecodeTaken[T any](d *Decoder, s *Schema[T], doc []byte, into *T) error {
	d.lenient = true
	err := DecodeDocument(d, s, doc, into)
	d.lenient = false
	return err
}
