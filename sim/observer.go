package sim

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
)

// observer sees everything that happens and changes nothing. Whoever wants to
// see only some of it is added to a [panel], which calls nobody for nothing.
type observer interface {
	// sent: a request was put on the network, by its sender or, the second of
	// two, by the network.
	seesSent
	// vanished: a request (Up) or an answer (Down) gets no further, and why.
	seesVanished
	// heard: a sender is about to be given the answer, or the news that none
	// will come.
	seesHeard
	// arrived: a request reached the plane's door.
	seesArrived
	// admitted, refused: what the gate said. A poll that waited and asks again
	// comes to the gate again.
	seesAdmitted
	seesRefused
	// stepping comes before an input is stepped, stepDone after it. m is nil
	// for a tick, r for an input without a reply.
	seesStepping
	seesStepDone
	// dropped: the reducer let go of an input without a reply; finished
	// follows.
	seesDropped
	// finished: the reducer is done with an input.
	seesFinished
	// committed: entries are on the disk. commitFailed: they are not, and the
	// plane is thrown away to be built again.
	seesCommitted
	seesCommitFailed
	// noticed: the plane told something.
	seesNoticed
	// expired: the gate gave up a request whose deadline has come. All of an
	// instant are given up before the first of them is answered.
	seesExpired
	// answered: the plane answered a request.
	seesAnswered
	// planeClosing: a shutdown in good order begins. planeDown: the process
	// ended, or the disk of one that is down was lost. planeStarted: it has
	// loaded what the disk has.
	seesPlaneClosing
	seesPlaneDown
	seesPlaneStarted
	// hostAppended: entries are on the disk of a host.
	seesHostAppended
	// hostStepped: a host's agent took an input.
	seesHostStepped
	// hostLost: a host lost its disk.
	seesHostLost
	// stepped: an event has happened.
	seesStepped
}

// The taps, one by one.
type (
	seesSent     interface{ sent(*World, *message) }
	seesVanished interface {
		vanished(*World, *message, Dir, Effect)
	}
	seesHeard interface {
		heard(*World, *message, bool)
	}
	seesArrived  interface{ arrived(*World, *message) }
	seesAdmitted interface{ admitted(*World, *message) }
	seesRefused  interface{ refused(*World, *message) }
	seesStepping interface {
		stepping(*World, *message, plane.Input)
	}
	seesStepDone interface {
		stepDone(*World, *message, plane.Input, *plane.Reply)
	}
	seesDropped      interface{ dropped(*World, *message) }
	seesFinished     interface{ finished(*World, *message) }
	seesCommitted    interface{ committed(*World, []plane.Entry) }
	seesCommitFailed interface{ commitFailed(*World) }
	seesNoticed      interface{ noticed(*World, plane.Notice) }
	seesExpired      interface{ expired(*World, *message) }
	seesAnswered     interface{ answered(*World, *message) }
	seesPlaneClosing interface{ planeClosing(*World) }
	seesPlaneDown    interface{ planeDown(*World, bool) }
	seesPlaneStarted interface{ planeStarted(*World) }
	seesHostAppended interface {
		hostAppended(*World, *hostNode, []agent.Entry)
	}
	seesHostStepped interface {
		hostStepped(*World, *hostNode, agent.Input)
	}
	seesHostLost interface{ hostLost(*World, *hostNode) }
	seesStepped  interface{ stepped(*World) }
)

// passive is an observer that looks at nothing; whoever wants to see only some
// of what happens and is no part of a panel embeds it.
type passive struct{}

func (passive) sent(*World, *message)                                {}
func (passive) vanished(*World, *message, Dir, Effect)               {}
func (passive) heard(*World, *message, bool)                         {}
func (passive) arrived(*World, *message)                             {}
func (passive) admitted(*World, *message)                            {}
func (passive) refused(*World, *message)                             {}
func (passive) stepping(*World, *message, plane.Input)               {}
func (passive) stepDone(*World, *message, plane.Input, *plane.Reply) {}
func (passive) dropped(*World, *message)                             {}
func (passive) finished(*World, *message)                            {}
func (passive) committed(*World, []plane.Entry)                      {}
func (passive) commitFailed(*World)                                  {}
func (passive) noticed(*World, plane.Notice)                         {}
func (passive) expired(*World, *message)                             {}
func (passive) answered(*World, *message)                            {}
func (passive) planeClosing(*World)                                  {}
func (passive) planeDown(*World, bool)                               {}
func (passive) planeStarted(*World)                                  {}
func (passive) hostAppended(*World, *hostNode, []agent.Entry)        {}
func (passive) hostStepped(*World, *hostNode, agent.Input)           {}
func (passive) hostLost(*World, *hostNode)                           {}
func (passive) stepped(*World)                                       {}

// Checker is one numbered rule that runs are held to.
type Checker struct {
	// Number is S1 to S17, L1 to L4 or INV; Rule says what it holds to, and
	// cites the protocol.
	Number, Rule string
	// New makes a fresh checker for a world: a value that has some of the
	// methods of observer.
	New func(*World) any
}
