package flight

import (
	"bytes"
	"fmt"

	"github.com/refrain-fleet/refrain/core/plane"
)

// Player plays a recording to a plane of its own, a step at a time, so that the
// caller knows in which step something happens, a panic included.
type Player struct {
	rec   *Recording
	plane *plane.Plane
	out   plane.Output
	next  int
	got   []byte
}

// Play returns a player before its first step. The error is about the
// recorded state.
func (r *Recording) Play() (*Player, error) {
	p, err := plane.Restore(r.Header.Config(), r.state)
	if err != nil {
		return nil, fmt.Errorf("the state before the first step: %w", err)
	}
	return &Player{rec: r, plane: p}, nil
}

// Plane is the plane as it is now, to be read only.
func (p *Player) Plane() *plane.Plane { return p.plane }

// Peek returns the step that [Player.Next] will make, and false at the end.
func (p *Player) Peek() (*Step, bool) {
	if p.next == len(p.rec.steps) {
		return nil, false
	}
	return &p.rec.steps[p.next], true
}

// Next makes one step. It must not be called at the end. A step that did not
// return in production is made like every other. The error is about the state
// of a plane that was rebuilt.
func (p *Player) Next() error {
	s := &p.rec.steps[p.next]
	p.next++
	p.got = nil
	if s.Input == nil {
		rebuilt, err := plane.Restore(p.rec.Header.Config(), s.state)
		if err != nil {
			return fmt.Errorf("line %d: %w", s.Line, err)
		}
		p.plane = rebuilt
		return nil
	}
	p.out.Reset()
	p.plane.Step(s.At, s.Input, &p.out)
	if len(p.out.Replies) > 0 {
		p.got = appendAnswer(nil, &p.out.Replies[0].Outcome)
	}
	return nil
}

// Got is what the step made last answered now; nil if it does not answer.
func (p *Player) Got() []byte { return p.got }

// Same reports whether the step made last answered what it answered in
// production. A step that did not return there has nothing to compare with.
func (p *Player) Same() bool {
	s := &p.rec.steps[p.next-1]
	return !s.Returned || bytes.Equal(s.Answer, p.got)
}
