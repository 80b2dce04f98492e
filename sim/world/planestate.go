package world

import "time"

// PlaneState is what the plane's process is doing.
type PlaneState uint8

// The states of the plane's process.
const (
	PlaneDown PlaneState = iota
	PlaneStarting
	PlaneServing
	PlaneClosing
	PlaneRebuilding
	PlaneWedged
	PlaneSuspended
)

var planeStateWords = [...]string{"down", "starting", "serving", "closing", "rebuilding", "wedged", "suspended"}

// String returns the state as one word.
func (s PlaneState) String() string { return planeStateWords[s] }

// state says what the plane's process is doing.
func (p *planeNode) state() PlaneState {
	switch {
	case !p.up:
		return PlaneDown
	case p.suspended:
		return PlaneSuspended
	case !p.opened:
		return PlaneStarting
	case p.front.Rebuilding():
		return PlaneRebuilding
	case p.wedged:
		return PlaneWedged
	case p.front.Closed():
		return PlaneClosing
	default:
		return PlaneServing
	}
}

// stateAt is what the process is doing at an instant, wedged as the gate judges
// it (PROTOCOL G7).
func (p *planeNode) stateAt(at time.Duration) PlaneState {
	switch {
	case p.suspended:
		return PlaneSuspended
	case !p.up:
		return PlaneDown
	case !p.opened:
		return PlaneStarting
	case p.front.Rebuilding():
		return PlaneRebuilding
	case p.front.Closed():
		return PlaneClosing
	case p.front.Wedged(at):
		return PlaneWedged
	default:
		return PlaneServing
	}
}
