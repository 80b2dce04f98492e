package agent

import (
	"errors"
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Every line of a log or of a state is a word and a JSON document. The words
// of entries are those of their kinds.

var takenSchema = wire.Schema[Taken]{Fields: []wire.Field[Taken]{
	{Name: "record", Presence: wire.Required, Of: func(t *Taken) wire.Value {
		return wire.Nested[rollout.Record]{Doc: &t.Record, Schema: &rollout.RecordSchema}
	}},
	{Name: "on_health_failure", Presence: wire.Optional, Of: func(t *Taken) wire.Value { return &t.Policy }},
	{Name: "recovered", Presence: wire.Optional, Of: func(t *Taken) wire.Value { return &t.Recovered }},
	{Name: "soak_unknown", Presence: wire.Optional, Of: func(t *Taken) wire.Value { return &t.SoakUnknown }},
	{Name: "rolling_back", Presence: wire.Optional, Of: func(t *Taken) wire.Value { return &t.RollingBack }},
	{Name: "signed_at", Presence: wire.Optional, Of: func(t *Taken) wire.Value { return &t.SignedAt }},
}}

var eventEntrySchema = wire.Schema[Entry]{Fields: []wire.Field[Entry]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(e *Entry) wire.Value { return &e.RolloutID }},
	{Name: "event", Presence: wire.Required, Of: func(e *Entry) wire.Value { return &e.Event }},
}}

var numberEntrySchema = wire.Schema[Entry]{Fields: []wire.Field[Entry]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(e *Entry) wire.Value { return &e.RolloutID }},
	{Name: "seq", Presence: wire.Required, Of: func(e *Entry) wire.Value { return &e.Seq }},
}}

var bareEntrySchema = wire.Schema[Entry]{Fields: []wire.Field[Entry]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(e *Entry) wire.Value { return &e.RolloutID }},
}}

var seenEntrySchema = wire.Schema[Entry]{Fields: []wire.Field[Entry]{
	{Name: "channel", Presence: wire.Required, Of: func(e *Entry) wire.Value { return &e.Channel }},
	{Name: "signed_at", Presence: wire.Required, Of: func(e *Entry) wire.Value { return &e.SignedAt }},
}}

// AppendLine appends the entry as one line of a log, with its newline. Equal
// entries give equal bytes.
func (e *Entry) AppendLine(dst []byte) []byte {
	switch e.Kind {
	case EntryTaken:
		return wire.AppendLine(dst, e.Kind.String(), &takenSchema, e.Taken)
	case EntryEvent:
		return wire.AppendLine(dst, e.Kind.String(), &eventEntrySchema, e)
	case EntryForgotten:
		return wire.AppendLine(dst, e.Kind.String(), &bareEntrySchema, e)
	case EntrySeen:
		return wire.AppendLine(dst, e.Kind.String(), &seenEntrySchema, e)
	default:
		return wire.AppendLine(dst, e.Kind.String(), &numberEntrySchema, e)
	}
}

// errNotEntry says that a line's word is not that of an entry.
var errNotEntry = errors.New("unknown word")

// readEntry reads a line that AppendLine wrote, apart from its newline.
func readEntry(d *wire.Decoder, word string, doc []byte) (Entry, error) {
	i := slices.Index(entryWords[1:], word)
	if i < 0 {
		return Entry{}, errNotEntry
	}
	var e Entry
	var err error
	switch kind := EntryKind(i + 1); kind {
	case EntryTaken:
		e.Taken = new(Taken)
		err = wire.DecodeDocument(d, &takenSchema, doc, e.Taken)
		e.RolloutID = e.Taken.Record.RolloutID
	case EntryEvent:
		err = wire.DecodeDocument(d, &eventEntrySchema, doc, &e)
	case EntryForgotten:
		err = wire.DecodeDocument(d, &bareEntrySchema, doc, &e)
	case EntrySeen:
		err = wire.DecodeDocument(d, &seenEntrySchema, doc, &e)
	default:
		if err = wire.DecodeDocument(d, &numberEntrySchema, doc, &e); err == nil && e.Seq == 0 {
			err = fmt.Errorf("seq: want 1 or more")
		}
	}
	e.Kind = EntryKind(i + 1)
	return e, err
}
