package flight

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Format is the version of the recordings that this package writes, and the
// only one that it reads.
const Format = 1

// Header says what a recording is.
type Header struct {
	// Format is [Format].
	Format wire.Count
	// Build says which build recorded.
	Build wire.Text
	// Reason says why the recording was written, for instance wedged.
	Reason wire.Text
	// At is when it was written, by the server's clock.
	At wire.Time
	// HeartbeatInterval and StallAfter are the plane's configuration.
	HeartbeatInterval, StallAfter wire.Nanos
	// EventBudget* are its event budget; 0 in recordings of older builds.
	EventBudgetBytes  wire.Seq
	EventBudgetEvents wire.Seq
	EventBudgetPer    wire.Nanos
	// MaxReplays is too; 0 in recordings of planes that did not bound replays.
	MaxReplays wire.Count
	// SignedOnly is too.
	SignedOnly wire.Flag
	// Steps is how many steps follow; Before is how many the plane had made
	// before them in this process.
	Steps, Before wire.Seq
}

var headerSchema = wire.Schema[Header]{Fields: []wire.Field[Header]{
	{Name: "format", Presence: wire.Required, Of: func(h *Header) wire.Value { return &h.Format }},
	{Name: "build", Presence: wire.Required, Of: func(h *Header) wire.Value { return &h.Build }},
	{Name: "reason", Presence: wire.Required, Of: func(h *Header) wire.Value { return &h.Reason }},
	{Name: "at", Presence: wire.Optional, Of: func(h *Header) wire.Value { return &h.At }},
	{Name: "heartbeat_interval_nanos", Presence: wire.Required, Of: func(h *Header) wire.Value { return &h.HeartbeatInterval }},
	{Name: "stall_after_nanos", Presence: wire.Required, Of: func(h *Header) wire.Value { return &h.StallAfter }},
	{Name: "event_budget_bytes", Presence: wire.Optional, Of: func(h *Header) wire.Value { return &h.EventBudgetBytes }},
	{Name: "event_budget_events", Presence: wire.Optional, Of: func(h *Header) wire.Value { return &h.EventBudgetEvents }},
	{Name: "event_budget_per_nanos", Presence: wire.Optional, Of: func(h *Header) wire.Value { return &h.EventBudgetPer }},
	{Name: "max_replays", Presence: wire.Optional, Of: func(h *Header) wire.Value { return &h.MaxReplays }},
	{Name: "signed_only", Presence: wire.Optional, Of: func(h *Header) wire.Value { return &h.SignedOnly }},
	{Name: "steps", Presence: wire.Required, Of: func(h *Header) wire.Value { return &h.Steps }},
	{Name: "before", Presence: wire.Required, Of: func(h *Header) wire.Value { return &h.Before }},
}}

// Config is the configuration of the plane that was recorded.
func (h *Header) Config() plane.Config {
	return plane.Config{
		HeartbeatInterval: time.Duration(h.HeartbeatInterval), StallAfter: time.Duration(h.StallAfter), MaxReplays: int(h.MaxReplays), SignedOnly: bool(h.SignedOnly),
		EventBudget: plane.EventBudget{Bytes: int64(h.EventBudgetBytes), Events: int(h.EventBudgetEvents), Per: time.Duration(h.EventBudgetPer)},
	}
}

// endLine closes a recording.
type endLine struct{ Steps wire.Seq }

var endSchema = wire.Schema[endLine]{Fields: []wire.Field[endLine]{
	{Name: "steps", Presence: wire.Required, Of: func(l *endLine) wire.Value { return &l.Steps }},
}}

// Append appends a recording of what is kept. Of the header it takes Build,
// Reason and At, and fills in the rest. It is false if there was no plane yet.
func (r *Recorder) Append(dst []byte, h Header) ([]byte, bool) {
	if r.base == nil {
		return dst, false
	}
	cfg := r.base.Config()
	kept, before := r.Steps()
	h.Format, h.Steps, h.Before = Format, wire.Seq(kept), wire.Seq(before)
	h.HeartbeatInterval, h.StallAfter = wire.Nanos(cfg.HeartbeatInterval), wire.Nanos(cfg.StallAfter)
	h.EventBudgetBytes, h.EventBudgetEvents, h.EventBudgetPer = wire.Seq(cfg.EventBudget.Bytes), wire.Seq(cfg.EventBudget.Events), wire.Nanos(cfg.EventBudget.Per)
	h.MaxReplays, h.SignedOnly = wire.Count(cfg.MaxReplays), wire.Flag(cfg.SignedOnly)
	dst = wire.AppendLine(dst, "flight", &headerSchema, &h)
	dst = r.base.AppendState(dst)
	for i := range r.count {
		dst = r.ring[r.at(i)].append(dst)
	}
	return wire.AppendLine(dst, "end", &endSchema, &endLine{wire.Seq(kept)}), true
}

func (s *step) append(dst []byte) []byte {
	if s.rebuilt != nil {
		dst = append(dst, "rebuilt\n"...)
		return s.rebuilt.AppendState(dst)
	}
	dst = append(dst, "step "...)
	dst = strconv.AppendInt(dst, int64(s.at.Mono), 10)
	dst = append(dst, ' ')
	dst = append(dst, s.at.Wall.String()...)
	dst = append(dst, ' ')
	dst = append(plane.AppendInput(dst, s.input()), '\n')
	if !s.replied {
		if s.returned {
			return append(dst, "done\n"...)
		}
		return append(dst, "unanswered\n"...)
	}
	dst = append(dst, "answer "...)
	if s.answer != nil {
		dst = append(dst, s.answer...)
	} else {
		dst = appendAnswer(dst, &s.outcome)
	}
	return append(dst, '\n')
}

// appendAnswer appends an outcome as it would go out: status, Replay-From and
// body.
func appendAnswer(dst []byte, o *wire.Outcome) []byte {
	var a wire.Answer
	o.Write("", &a)
	dst = strconv.AppendInt(dst, int64(a.Status), 10)
	dst = append(dst, ' ')
	if o.Replay {
		dst = strconv.AppendUint(dst, uint64(o.ReplayFrom), 10)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, ' ')
	return append(dst, a.Body...)
}

// Recording is a recording that was read.
type Recording struct {
	Header Header
	state  []byte
	steps  []Step
}

// Step is one step of a recording.
type Step struct {
	// Line is where it stands in the recording, 1 for the first line.
	Line int
	// At is the instant on both clocks.
	At wire.Instant
	// Input is what the plane stepped; nil if the plane was rebuilt.
	Input plane.Input
	// Returned is false for a step that began and did not return.
	Returned bool
	// Answer is what it answered: status, Replay-From and body; nil if a step
	// of the input does not answer.
	Answer []byte
	state  []byte // of a plane that was rebuilt
}

// Steps are the steps, in order. They are the recording's.
func (r *Recording) Steps() []Step { return r.steps }

// Parse reads a recording. The error names the line at fault.
func Parse(data []byte) (*Recording, error) {
	p := parser{rec: new(Recording)}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		whole := bytes.HasSuffix(line, []byte("\n"))
		if !whole {
			return nil, fmt.Errorf("line %d: the recording was cut off in this line", number)
		}
		if err := p.line(number, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	switch {
	case number == 0:
		return nil, fmt.Errorf("line 1: the file is empty; want a recording, which begins with the word flight")
	case !p.ended:
		return nil, fmt.Errorf("line %d: the recording was cut off after this line; want a line end", number)
	}
	return p.rec, nil
}

type parser struct {
	rec     *Recording
	decoder wire.Decoder
	state   *[]byte // where lines of a state go
	open    bool    // the end of a step is to come
	ended   bool
}

func (p *parser) line(number int, line []byte) error {
	word, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	rec := p.rec
	switch {
	case number == 1:
		if string(word) != "flight" {
			return fmt.Errorf("this is no recording: it begins with %.20q; want flight", word)
		}
		if err := wire.DecodeDocument(&p.decoder, &headerSchema, rest, &rec.Header); err != nil {
			return err
		}
		if rec.Header.Format != Format {
			return fmt.Errorf("format is %d; this build reads format %d", rec.Header.Format, Format)
		}
		p.state = &rec.state
		return nil
	case p.ended:
		return fmt.Errorf("nothing may follow the line end")
	case p.open:
		return p.endStep(string(word), rest)
	}
	switch string(word) {
	case "step":
		return p.step(number, rest)
	case "rebuilt":
		rec.steps = append(rec.steps, Step{Line: number})
		p.state = &rec.steps[len(rec.steps)-1].state
		return nil
	case "end":
		return p.end(rest)
	default:
		if p.state == nil {
			return fmt.Errorf("unknown word %.20q; want step, rebuilt or end", word)
		}
		*p.state = append(*p.state, line...) // plane.Restore judges it
		return nil
	}
}

func (p *parser) step(number int, rest []byte) error {
	p.state = nil
	mono, rest, _ := bytes.Cut(rest, []byte(" "))
	wall, rest, _ := bytes.Cut(rest, []byte(" "))
	s := Step{Line: number}
	nanos, err := strconv.ParseInt(string(mono), 10, 64)
	if err != nil {
		return fmt.Errorf("mono is %.30q; want nanoseconds", mono)
	}
	s.At.Mono = time.Duration(nanos)
	if s.At.Wall, err = wire.ParseTime(string(wall)); err != nil {
		return fmt.Errorf("wall is %.40q: %w", wall, err)
	}
	if s.Input, err = plane.ParseInput(&p.decoder, rest); err != nil {
		return err
	}
	p.rec.steps = append(p.rec.steps, s)
	p.open = true
	return nil
}

// endStep reads how the step before ended.
func (p *parser) endStep(word string, rest []byte) error {
	s := &p.rec.steps[len(p.rec.steps)-1]
	p.open = false
	switch word {
	case "answer":
		s.Returned, s.Answer = true, bytes.Clone(rest)
	case "done":
		s.Returned = true
	case "unanswered":
	default:
		return fmt.Errorf("unknown word %.20q; want answer, done or unanswered after a step", word)
	}
	if s.Returned && plane.Replies(s.Input) != (s.Answer != nil) {
		return fmt.Errorf("%q after %v; a step of it answers: %t", word, s.Input, plane.Replies(s.Input))
	}
	return nil
}

func (p *parser) end(rest []byte) error {
	var l endLine
	if err := wire.DecodeDocument(&p.decoder, &endSchema, rest, &l); err != nil {
		return err
	}
	steps := 0
	for i := range p.rec.steps {
		if p.rec.steps[i].Input != nil {
			steps++
		}
	}
	if int(l.Steps) != steps || p.rec.Header.Steps != l.Steps {
		return fmt.Errorf("the recording has %d steps; the first line says %d and the last %d", steps, p.rec.Header.Steps, l.Steps)
	}
	p.ended = true
	return nil
}
