package plane

import (
	"bytes"
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// An entry's input is written as the document of the input's line: the entry's
// kind says which input it is.

// AppendInput appends the entry's input as one JSON document: equal inputs give
// equal bytes.
func (e *Entry) AppendInput(dst []byte) []byte {
	start := len(dst)
	dst = AppendInput(dst, e.Input)
	word := bytes.IndexByte(dst[start:], ' ') + 1
	return append(dst[:start], dst[start+word:]...)
}

// DecodeInput reads the entry's input from the document that AppendInput wrote
// for an entry of the same kind.
func (e *Entry) DecodeInput(d *wire.Decoder, doc []byte) error {
	word := "event "
	switch e.Kind {
	case "opened":
		word = "open "
	case "resumed":
		word = "resume "
	case "chosen":
		word = "choose "
	case "cleared":
		word = "clear "
	case "revoked":
		word = "revoke "
	case "enrolled":
		word = "certify "
	case "confirmed":
		word = "confirm "
	case "discarded":
		word = "discarded "
	case "offered", "offer_ended":
		word = "offer "
	default:
		if _, is := steerActOf(e.Kind); is {
			word = "steer "
		}
	}
	in, err := ParseInput(d, append([]byte(word), doc...))
	if err != nil {
		return err
	}
	if event, is := in.(*Event); is {
		if kind := event.Envelope.Event.Body.Kind().String(); kind != string(e.Kind) {
			return fmt.Errorf("the event is %s; want one of the entry's kind, %s", kind, e.Kind)
		}
	}
	e.Input = in
	return nil
}
