package plane

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Operators' acts (PROTOCOL T15). An act is an entry of the log that an operator
// requested. It says who, and it has the hash of the act before it: whoever changes,
// removes or reorders one contradicts all that follow, and whoever knows the chain's head
// of some day notices that its end was cut off.

// Requested is another input, and the operator who requested it: what the step logs is an
// act of that operator. The log has the input itself, and By in [Entry.Act].
type Requested struct {
	By    wire.Actor
	Input Input
}

// ActLine is all that is hashed of an act. Of the input it has the hash, so that the chain
// can be followed without the input.
type ActLine struct {
	Act       wire.Act
	Number    wire.Seq
	At        wire.Time
	Kind      wire.Name
	Hostname  wire.Hostname
	RolloutID wire.RolloutID
	Outcome   wire.Name
	// Input is the SHA-256 of the input's document ([Entry.AppendInput]), in hexadecimal.
	Input wire.Name
}

// ActLineSchema describes [ActLine]. The hash of an act is that of this document.
var ActLineSchema = wire.Schema[ActLine]{Fields: append(
	membersOf(&wire.ActSchema, func(l *ActLine) *wire.Act { return &l.Act }),
	wire.Field[ActLine]{Name: "number", Presence: wire.Required, Of: func(l *ActLine) wire.Value { return &l.Number }},
	wire.Field[ActLine]{Name: "at", Presence: wire.Optional, Of: func(l *ActLine) wire.Value { return &l.At }},
	wire.Field[ActLine]{Name: "kind", Presence: wire.Required, Of: func(l *ActLine) wire.Value { return &l.Kind }},
	wire.Field[ActLine]{Name: "hostname", Presence: wire.Optional, Of: func(l *ActLine) wire.Value { return &l.Hostname }},
	wire.Field[ActLine]{Name: "rollout_id", Presence: wire.Optional, Of: func(l *ActLine) wire.Value { return &l.RolloutID }},
	wire.Field[ActLine]{Name: "outcome", Presence: wire.Required, Of: func(l *ActLine) wire.Value { return &l.Outcome }},
	wire.Field[ActLine]{Name: "input", Presence: wire.Required, Of: func(l *ActLine) wire.Value { return &l.Input }},
)}

// Hash is the hash of the act, in hexadecimal.
func (l *ActLine) Hash() wire.Name { return hashOf(ActLineSchema.Append(nil, l)) }

// Line is what is hashed of an entry that is an act. input is the document of its input as
// it is stored; nil has it written anew.
func (e *Entry) Line(input []byte) ActLine {
	hash := hashOf(input)
	if input == nil {
		hash = e.inputHash()
	}
	return ActLine{*e.Act, e.Number, e.At, e.Kind, e.Hostname, e.RolloutID, e.Outcome, hash}
}

// inputHash is the hash of the input's document. That of a manifest was taken before the
// step, see [OpenRollout.Prepare].
func (e *Entry) inputHash() wire.Name {
	if open, is := e.Input.(*OpenRollout); is && open.hash != "" && open.Place == Takes && !open.Signed && len(open.Unread) == 0 {
		return open.hash
	}
	return hashOf(e.AppendInput(nil))
}

// AppendAct appends what the entry has as an act, as JSON.
func (e *Entry) AppendAct(dst []byte) []byte { return wire.ActSchema.Append(dst, e.Act) }

// DecodeAct reads what AppendAct wrote.
func (e *Entry) DecodeAct(d *wire.Decoder, doc []byte) error {
	e.Act = new(wire.Act)
	return wire.DecodeDocument(d, &wire.ActSchema, doc, e.Act)
}

func hashOf(text []byte) wire.Name {
	return wire.Name(fmt.Sprintf("%x", sha256.Sum256(text)))
}

// requested steps an input that an operator requested.
func (p *Plane) requested(in *Requested, out *Output) {
	p.by = in.By
	p.take(in.Input, out)
	p.by = wire.Actor{}
}

// sign makes an entry the next act of the chain, if an operator requested it, and returns
// the head after it.
func (p *Plane) sign(e *Entry, by *wire.Actor) wire.ActHead {
	if !by.IsSet() {
		return p.acts
	}
	e.Act = &wire.Act{Count: p.acts.Count + 1, Before: p.acts.Hash, By: *by}
	line := e.Line(nil)
	return wire.ActHead{Count: e.Act.Count, Hash: line.Hash()}
}

// chain takes an act into the chain.
func (p *Plane) chain(e *Entry, head wire.ActHead, out *Output) {
	if e.Act == nil {
		return
	}
	p.acts = head
	out.Notices = append(out.Notices, Notice{Kind: NoticeActed, RolloutID: e.RolloutID, Seq: head.Count, Detail: string(e.Kind), By: &e.Act.By, Hash: head.Hash})
}

// Acts is the head of the chain of operators' acts.
func (p *Plane) Acts() wire.ActHead { return p.acts }

// headKey is the key of the one row of [TableActs].
const headKey = "head"

func (p *Plane) restoreHead(h wire.ActHead) error {
	if h.Count == 0 || h.Hash == "" {
		return fmt.Errorf("the head of the acts is %v; want a count of at least 1 and a hash", h)
	}
	p.acts = h
	return nil
}

// checkActs verifies P14.
func (p *Plane) checkActs() error {
	if (p.acts.Count == 0) != (p.acts.Hash == "") {
		return fmt.Errorf("P14: the chain of acts has %d and the hash %q", p.acts.Count, p.acts.Hash)
	}
	if p.by.IsSet() {
		return fmt.Errorf("P14: between two steps the input is one of %s", p.by.Name)
	}
	return nil
}

// appendRequested appends the line of an input with its operator: the operator's document,
// and the line of the input.
func appendRequested(dst []byte, in *Requested) []byte {
	dst = append(wire.AppendTagged(dst, "requested", &wire.ActorSchema, &in.By), ' ')
	return AppendInput(dst, in.Input)
}

func parseRequested(d *wire.Decoder, doc []byte) (Input, error) {
	in := new(Requested)
	by, line := wire.CutValue(doc)
	if err := wire.DecodeDocument(d, &wire.ActorSchema, by, &in.By); err != nil {
		return nil, err
	}
	line = bytes.TrimPrefix(line, []byte(" "))
	if bytes.HasPrefix(line, []byte("requested ")) {
		return nil, fmt.Errorf("an input has two operators; want one")
	}
	var err error
	in.Input, err = ParseInput(d, line)
	return parsed(in, err)
}
