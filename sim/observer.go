package sim

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
)

// observer sees everything that happens and changes nothing. The checkers are
// observers.
type observer interface {
	// arrived: a request reached the plane's door.
	arrived(w *World, m *message)
	// admitted, refused: what the gate said.
	admitted(w *World, m *message)
	refused(w *World, m *message)
	// stepping comes before an input is stepped, stepDone after it. m is nil
	// for a tick, r for an input without a reply.
	stepping(w *World, m *message, in plane.Input)
	stepDone(w *World, m *message, in plane.Input, r *plane.Reply)
	// finished: the reducer is done with an input.
	finished(w *World, m *message)
	// committed: entries are on the disk.
	committed(w *World, entries []plane.Entry)
	// noticed: the plane told something.
	noticed(w *World, n plane.Notice)
	// answered: the plane answered a request.
	answered(w *World, m *message)
	// planeDown: the process ended. planeStarted: it has loaded what the disk
	// has.
	planeDown(w *World, wiped bool)
	planeStarted(w *World)
	// hostStepped: a host's agent took an input.
	hostStepped(w *World, h *hostNode, in agent.Input)
	// hostLost: a host lost its disk.
	hostLost(w *World, h *hostNode)
	// stepped: an event has happened.
	stepped(w *World)
}

// passive is an observer that looks at nothing; checkers embed it.
type passive struct{}

func (passive) arrived(*World, *message)                             {}
func (passive) admitted(*World, *message)                            {}
func (passive) refused(*World, *message)                             {}
func (passive) stepping(*World, *message, plane.Input)               {}
func (passive) stepDone(*World, *message, plane.Input, *plane.Reply) {}
func (passive) finished(*World, *message)                            {}
func (passive) committed(*World, []plane.Entry)                      {}
func (passive) noticed(*World, plane.Notice)                         {}
func (passive) answered(*World, *message)                            {}
func (passive) planeDown(*World, bool)                               {}
func (passive) planeStarted(*World)                                  {}
func (passive) hostStepped(*World, *hostNode, agent.Input)           {}
func (passive) hostLost(*World, *hostNode)                           {}
func (passive) stepped(*World)                                       {}

// Checker is one numbered rule that runs are held to.
type Checker struct {
	// Number is S1 to S14 or L1 to L4; Rule says what it holds to, and cites
	// the protocol.
	Number, Rule string
	// New makes a fresh checker for a world.
	New func(*World) observer
}
