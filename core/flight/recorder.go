package flight

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Limits say how much a recorder keeps. Zero values mean the defaults.
type Limits struct {
	// Steps is how many steps are kept, at least 1. Default [DefaultSteps].
	Steps int
	// Bytes is about how much memory the kept steps may take, at least 64 KiB.
	// Steps with large documents push out more than one. Default
	// [DefaultBytes].
	Bytes int
}

// The defaults of [Limits].
const (
	DefaultSteps = 16_384
	DefaultBytes = 32 << 20
)

func (l Limits) withDefaults() Limits {
	if l.Steps == 0 {
		l.Steps = DefaultSteps
	}
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	return l
}

func (l Limits) validate() error {
	if l.Steps < 1 {
		return fmt.Errorf("flight steps is %d; want at least 1", l.Steps)
	}
	if l.Bytes < 64<<10 {
		return fmt.Errorf("flight bytes is %d; want at least 65536", l.Bytes)
	}
	return nil
}

// step is one step that is kept, or a plane that was rebuilt.
type step struct {
	at wire.Instant
	in plane.Input // nil for a heartbeat, and for a plane
	// heartbeat is the input if it is one: by value, so that a steady
	// heartbeat is recorded without an allocation.
	heartbeat plane.Heartbeat
	// returned says that the step was done; replied that it made an outcome.
	returned, replied bool
	outcome           wire.Outcome
	// answer is the outcome as bytes, for outcomes with a document, so that the
	// document is not kept in memory.
	answer []byte
	// rebuilt is set if this is no step but a plane that was rebuilt.
	rebuilt *plane.Plane
	weight  int
}

// stepWeight is about how many bytes a steady heartbeat takes in the ring.
const stepWeight = 512

// Recorder keeps the last steps of a plane. Make it with [NewRecorder]; it has
// one caller at a time.
type Recorder struct {
	limits Limits
	base   *plane.Plane // the state before the ring; nil until [Recorder.Rebuilt]
	out    plane.Output // of the base

	ring   []step // of limits.Steps
	first  int    // the oldest
	count  int
	weight int
	// evicted is how many steps have left the ring.
	evicted uint64
	// rebuilt is whether a rebuilt plane is in the ring. There is one at most.
	rebuilt bool
	scratch []byte
}

// NewRecorder returns an empty recorder. The error names the limit at fault.
func NewRecorder(limits Limits) (*Recorder, error) {
	limits = limits.withDefaults()
	if err := limits.validate(); err != nil {
		return nil, err
	}
	return &Recorder{limits: limits, ring: make([]step, limits.Steps)}, nil
}

// Steps returns how many steps are kept, and how many were before them.
func (r *Recorder) Steps() (kept int, before uint64) {
	kept = r.count
	if r.rebuilt {
		kept--
	}
	return kept, r.evicted
}

// Rebuilt says that the plane was built: at the start, or again after its state
// in memory could not be trusted. The recorder owns p from now on; p must be in
// the state of the real plane. Steps before the last but one build are dropped.
func (r *Recorder) Rebuilt(p *plane.Plane) {
	if r.base == nil {
		r.base = p
		return
	}
	for r.rebuilt {
		r.evict()
	}
	r.push(step{rebuilt: p, weight: stepWeight})
	r.rebuilt = true
}

// Begin records a step that is about to be made.
func (r *Recorder) Begin(now wire.Instant, in plane.Input) {
	s := step{at: now, weight: stepWeight}
	switch in := in.(type) {
	case *plane.Heartbeat:
		s.heartbeat = *in
	case *plane.Event:
		// The driver may use the struct again.
		s.in = &plane.Event{Envelope: in.Envelope, Dialect: in.Dialect}
		s.weight += r.size(in)
	case *plane.Poll:
		copied := *in // the driver changes it when the poll asks again
		s.in = &copied
	case *plane.OpenRollout:
		s.in = in
		s.weight += sizeOfManifest(&in.Manifest)
	case *plane.FileManifest:
		s.in = in
		s.weight += sizeOfManifest(&in.Manifest)
	case *plane.Release:
		s.in = in
		for i := range in.Manifests {
			s.weight += sizeOfManifest(&in.Manifests[i])
		}
	default:
		s.in = in
		s.weight += r.size(in)
	}
	r.push(s)
}

// sizeOfManifest is about how many bytes a manifest has as a line. A giant one is
// not written to find out: the plane would wait for it.
func sizeOfManifest(m *wire.Manifest) int {
	const host = len(`{"hostname":"","wave":0,"target_closure":""},`)
	size := host * len(m.Hosts)
	for i := range m.Hosts {
		size += len(m.Hosts[i].Hostname) + len(m.Hosts[i].TargetClosure)
	}
	return size
}

// size is how many bytes an input has as a line.
func (r *Recorder) size(in plane.Input) int {
	r.scratch = plane.AppendInput(r.scratch[:0], in)
	size := len(r.scratch)
	if cap(r.scratch) > 64<<10 {
		r.scratch = nil
	}
	return size
}

// End records that the step begun last is done, and what it answered; nil if
// it does not answer.
func (r *Recorder) End(outcome *wire.Outcome) {
	if r.count == 0 {
		return
	}
	s := &r.ring[r.at(r.count-1)]
	s.returned = true
	if outcome == nil {
		return
	}
	s.replied = true
	if outcome.Document == nil {
		s.outcome = *outcome
		return
	}
	s.answer = appendAnswer(nil, outcome)
	r.grow(s, len(s.answer))
}

func (r *Recorder) grow(s *step, by int) {
	s.weight += by
	r.weight += by
	for r.weight > r.limits.Bytes && r.count > 1 {
		r.evict()
	}
}

// at is where the i-th step of the ring is.
func (r *Recorder) at(i int) int {
	i += r.first
	if i >= len(r.ring) {
		i -= len(r.ring)
	}
	return i
}

func (r *Recorder) push(s step) {
	for r.count > 0 && (r.count == len(r.ring) || r.weight+s.weight > r.limits.Bytes) {
		r.evict()
	}
	r.ring[r.at(r.count)] = s
	r.count++
	r.weight += s.weight
}

// evict drops the oldest step; the base steps it.
func (r *Recorder) evict() {
	s := &r.ring[r.first]
	switch {
	case s.rebuilt != nil:
		r.base = s.rebuilt
		r.rebuilt = false
	case s.returned:
		r.out.Reset()
		r.base.Step(s.at, s.input(), &r.out)
		r.evicted++
	default:
		// It panicked, and would do so again. A rebuilt plane follows.
		r.evicted++
	}
	r.weight -= s.weight
	*s = step{}
	r.first = r.at(1)
	r.count--
}

// input is the input of a step.
func (s *step) input() plane.Input {
	if s.in != nil {
		return s.in
	}
	return &s.heartbeat
}
