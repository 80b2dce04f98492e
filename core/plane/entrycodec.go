package plane

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The inputs of entries are written as JSON documents. An entry's kind says
// which input its document is.

var resumeSchema = wire.Schema[ResumeRollout]{Fields: []wire.Field[ResumeRollout]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(in *ResumeRollout) wire.Value { return &in.RolloutID }},
}}

var clearSchema = wire.Schema[ClearQuarantine]{Fields: []wire.Field[ClearQuarantine]{
	{Name: "channel", Presence: wire.Required, Of: func(in *ClearQuarantine) wire.Value { return &in.Channel }},
	{Name: "closure", Presence: wire.Required, Of: func(in *ClearQuarantine) wire.Value { return &in.Closure }},
}}

var revokeSchema = wire.Schema[Revoke]{Fields: []wire.Field[Revoke]{
	{Name: "common_name", Presence: wire.Required, Of: func(in *Revoke) wire.Value { return &in.CommonName }},
	{Name: "revoked_before", Presence: wire.Optional, Of: func(in *Revoke) wire.Value { return &in.Before }},
}}

var confirmSchema = wire.Schema[Confirm]{Fields: []wire.Field[Confirm]{
	{Name: "hostname", Presence: wire.Required, Of: func(in *Confirm) wire.Value { return &in.Hostname }},
	{Name: "rollout_id", Presence: wire.Required, Of: func(in *Confirm) wire.Value { return &in.RolloutID }},
	{Name: "closure", Presence: wire.Required, Of: func(in *Confirm) wire.Value { return &in.Closure }},
	{Name: "at", Presence: wire.Optional, Of: func(in *Confirm) wire.Value { return &in.At }},
}}

// AppendInput appends the entry's input as one JSON document: equal inputs give
// equal bytes.
func (e *Entry) AppendInput(dst []byte) []byte {
	switch in := e.Input.(type) {
	case *Event:
		return wire.EventEnvelopeSchema.Append(dst, &in.Envelope)
	case *OpenRollout:
		return wire.ManifestSchema.Append(dst, &in.Manifest)
	case *ResumeRollout:
		return resumeSchema.Append(dst, in)
	case *ClearQuarantine:
		return clearSchema.Append(dst, in)
	case *Revoke:
		return revokeSchema.Append(dst, in)
	case *Confirm:
		return confirmSchema.Append(dst, in)
	default:
		panic(fmt.Sprintf("plane: an entry with the input %T, which is not durable", e.Input))
	}
}

// DecodeInput reads the entry's input from the document that AppendInput wrote
// for an entry of the same kind.
func (e *Entry) DecodeInput(d *wire.Decoder, doc []byte) error {
	switch e.Kind {
	case "opened":
		return decodeInput(e, new(OpenRollout), func(in *OpenRollout) error {
			return wire.DecodeDocument(d, &wire.ManifestSchema, doc, &in.Manifest)
		})
	case "resumed":
		return decodeInput(e, new(ResumeRollout), func(in *ResumeRollout) error {
			return wire.DecodeDocument(d, &resumeSchema, doc, in)
		})
	case "cleared":
		return decodeInput(e, new(ClearQuarantine), func(in *ClearQuarantine) error {
			return wire.DecodeDocument(d, &clearSchema, doc, in)
		})
	case "revoked":
		return decodeInput(e, new(Revoke), func(in *Revoke) error {
			return wire.DecodeDocument(d, &revokeSchema, doc, in)
		})
	case "confirmed":
		return decodeInput(e, new(Confirm), func(in *Confirm) error {
			return wire.DecodeDocument(d, &confirmSchema, doc, in)
		})
	default:
		return decodeInput(e, new(Event), func(in *Event) error {
			if err := wire.DecodeDocument(d, &wire.EventEnvelopeSchema, doc, &in.Envelope); err != nil {
				return err
			}
			if kind := in.Envelope.Event.Body.Kind().String(); kind != string(e.Kind) {
				return fmt.Errorf("the event is %s; want one of the entry's kind, %s", kind, e.Kind)
			}
			return nil
		})
	}
}

func decodeInput[T Input](e *Entry, in T, decode func(T) error) error {
	if err := decode(in); err != nil {
		return err
	}
	e.Input = in
	return nil
}
