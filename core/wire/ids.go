package wire

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A Hostname is a machine ID: 1 to 253 bytes of letters, digits, '-', '.' and
// '_' (PROTOCOL T11). Two hostnames are the same host only if they are equal
// byte for byte (T3).
type Hostname string

// ParseHostname checks s against T11.
func ParseHostname(s string) (Hostname, error) {
	if len(s) == 0 || len(s) > 253 || !allBytes(s, isNameByte) {
		return "", fieldError("want 1 to 253 letters, digits, '-', '.' or '_'")
	}
	return Hostname(s), nil
}

// A RolloutID names one attempt to bring hosts to a target:
// <channel>@<channel_ref>, both sides non-empty, of letters, digits, '.', '_',
// '-' and '/', 512 bytes at most (PROTOCOL T11).
type RolloutID string

// ParseRolloutID checks s against T11.
func ParseRolloutID(s string) (RolloutID, error) {
	channel, ref, found := strings.Cut(s, "@")
	if !found || len(s) > 512 || channel == "" || ref == "" ||
		!allBytes(channel, isRefByte) || !allBytes(ref, isRefByte) {
		return "", fieldError("want <channel>@<channel_ref> of letters, digits, '.', '_', '-' and '/', at most 512 bytes")
	}
	return RolloutID(s), nil
}

// MakeRolloutID joins a channel and its ref.
func MakeRolloutID(channel Channel, ref ChannelRef) RolloutID {
	return RolloutID(string(channel) + "@" + string(ref))
}

// Channel returns the part before the '@'.
func (id RolloutID) Channel() Channel {
	channel, _, _ := strings.Cut(string(id), "@")
	return Channel(channel)
}

// A Channel names a line of rollouts of which the newest supersedes the
// others. It is the left side of a rollout ID.
type Channel string

// ParseChannel checks s against T11.
func ParseChannel(s string) (Channel, error) {
	if err := parseRefPart(s); err != nil {
		return "", err
	}
	return Channel(s), nil
}

// A ChannelRef is the right side of a rollout ID.
type ChannelRef string

// A Closure is the name of a build that a host runs or shall run: 1 to 512
// printable non-space ASCII bytes (PROTOCOL T11).
type Closure string

// ParseClosure checks s against T11.
func ParseClosure(s string) (Closure, error) {
	if len(s) == 0 || len(s) > 512 || !allBytes(s, isPrintable) {
		return "", fieldError("want 1 to 512 printable characters without spaces")
	}
	return Closure(s), nil
}

// A CommonName is the common name of a certificate, for revocations
// (PROTOCOL T5): 1 to 512 bytes without control characters.
type CommonName string

// Text is free text of at most [MaxText] bytes.
type Text string

// MaxText is the largest length of a [Text] in bytes: 64 KiB, the default
// limit of a whole body (PROTOCOL T7).
const MaxText = 64 << 10

// A Name is required text: 1 to 512 bytes without control characters, for
// instance a probe's name.
type Name string

func allBytes(s string, ok func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isNameByte(c byte) bool  { return isAlphanumeric(c) || c == '-' || c == '.' || c == '_' }
func isRefByte(c byte) bool   { return isNameByte(c) || c == '/' }
func isPrintable(c byte) bool { return '!' <= c && c <= '~' }
func isNoControl(c byte) bool { return c >= ' ' && c != 0x7f }

// parseName checks free names: common names, probe names and the like.
func parseName(s string) error {
	if len(s) == 0 || len(s) > 512 || !allBytes(s, isNoControl) {
		return fieldError("want 1 to 512 bytes without control characters")
	}
	return nil
}

func parseText(s string) error {
	if len(s) > MaxText {
		return fieldError("want at most 65536 bytes")
	}
	return nil
}

func parseRefPart(s string) error {
	if len(s) == 0 || len(s) > 510 || !allBytes(s, isRefByte) {
		return fieldError("want 1 to 510 letters, digits, '.', '_', '-' or '/'")
	}
	return nil
}

// decodeString reads a string, checks it and stores a copy.
func decodeString[S ~string](d *Decoder, into *S, check func(string) error) error {
	raw, err := d.text()
	if err != nil {
		return err
	}
	s := string(raw)
	if err := check(s); err != nil {
		return err
	}
	*into = S(s)
	return nil
}

func appendString[S ~string](dst []byte, s S) []byte {
	if plain(string(s)) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"')
	}
	// Text of the protocol is valid UTF-8, since it came out of JSON; text made
	// by a Go caller may not be, and then becomes U+FFFD.
	dst, _ = jsontext.AppendQuote(dst, string(s))
	return dst
}

// plain reports whether s needs no escapes.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// DecodeValue implements [Value].
func (h *Hostname) DecodeValue(d *Decoder) error {
	return decodeString(d, h, func(s string) error { _, err := ParseHostname(s); return err })
}

// AppendValue implements [Value].
func (h *Hostname) AppendValue(dst []byte) []byte { return appendString(dst, *h) }

// IsUnset implements [Value].
func (h *Hostname) IsUnset() bool { return *h == "" }

// DecodeValue implements [Value].
func (id *RolloutID) DecodeValue(d *Decoder) error {
	return decodeString(d, id, func(s string) error { _, err := ParseRolloutID(s); return err })
}

// AppendValue implements [Value].
func (id *RolloutID) AppendValue(dst []byte) []byte { return appendString(dst, *id) }

// IsUnset implements [Value].
func (id *RolloutID) IsUnset() bool { return *id == "" }

// DecodeValue implements [Value].
func (c *Channel) DecodeValue(d *Decoder) error { return decodeString(d, c, parseRefPart) }

// AppendValue implements [Value].
func (c *Channel) AppendValue(dst []byte) []byte { return appendString(dst, *c) }

// IsUnset implements [Value].
func (c *Channel) IsUnset() bool { return *c == "" }

// DecodeValue implements [Value].
func (r *ChannelRef) DecodeValue(d *Decoder) error { return decodeString(d, r, parseRefPart) }

// AppendValue implements [Value].
func (r *ChannelRef) AppendValue(dst []byte) []byte { return appendString(dst, *r) }

// IsUnset implements [Value].
func (r *ChannelRef) IsUnset() bool { return *r == "" }

// DecodeValue implements [Value].
func (c *Closure) DecodeValue(d *Decoder) error {
	if d.lenient {
		return decodeFitted(d, c, isPrintable)
	}
	return decodeString(d, c, func(s string) error { _, err := ParseClosure(s); return err })
}

// AppendValue implements [Value].
func (c *Closure) AppendValue(dst []byte) []byte { return appendString(dst, *c) }

// IsUnset implements [Value].
func (c *Closure) IsUnset() bool { return *c == "" }

// DecodeValue implements [Value].
func (n *CommonName) DecodeValue(d *Decoder) error { return decodeString(d, n, parseName) }

// AppendValue implements [Value].
func (n *CommonName) AppendValue(dst []byte) []byte { return appendString(dst, *n) }

// IsUnset implements [Value].
func (n *CommonName) IsUnset() bool { return *n == "" }

// DecodeValue implements [Value].
func (n *Name) DecodeValue(d *Decoder) error {
	if d.lenient {
		return decodeFitted(d, n, isNoControl)
	}
	return decodeString(d, n, parseName)
}

// AppendValue implements [Value].
func (n *Name) AppendValue(dst []byte) []byte { return appendString(dst, *n) }

// IsUnset implements [Value].
func (n *Name) IsUnset() bool { return *n == "" }

// DecodeValue implements [Value].
func (t *Text) DecodeValue(d *Decoder) error {
	if d.lenient {
		return decodeString(d, t, func(string) error { return nil })
	}
	return decodeString(d, t, parseText)
}

// AppendValue implements [Value].
func (t *Text) AppendValue(dst []byte) []byte { return appendString(dst, *t) }

// IsUnset implements [Value].
func (t *Text) IsUnset() bool { return *t == "" }

// Names is a JSON array of names.
type Names []Name

// DecodeValue implements [Value].
func (n *Names) DecodeValue(d *Decoder) error {
	if d.json.PeekKind() != '[' {
		return d.wrong("an array of strings")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	var names Names // an empty array is unset, as an absent one is
	for d.json.PeekKind() != ']' {
		var name Name
		if err := name.DecodeValue(d); err != nil {
			return err
		}
		names = append(names, name)
	}
	*n = names
	_, err := d.json.ReadToken()
	return err
}

// AppendValue implements [Value].
func (n *Names) AppendValue(dst []byte) []byte {
	dst = append(dst, '[')
	for i, name := range *n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
	}
	return append(dst, ']')
}

// IsUnset implements [Value].
func (n *Names) IsUnset() bool { return len(*n) == 0 }
