// Package world is the world that a scenario plays in: a whole fleet in virtual
// time, with hosts, a network, an operator and the control plane. The plane is the
// one that production runs (core/driver, core/gate, core/plane), and so are the
// agents (core/agent). What surrounds them is modelled: processes, disks, clocks,
// links, the loop that carries out the driver's sections, and the machines that
// switch closures.
//
// It is the lower half of the simulator. To run a scenario and judge the run,
// begin with package sim.
//
// A [scenario.Scenario] holds everything that a run depends on, its seed included.
// A [World] is one run of it. The same scenario gives the same [Result], hash and
// all: in every process, with any number of processors, whoever subscribed to
// events, and in both fidelities.
//
// It refuses:
//
//   - to judge: it knows no rule of the protocol, no checker and no expectation,
//     and writes no trace. Those are consumers of its events.
//   - to read a clock, to start a goroutine, to lock anything, to draw a random
//     number that does not come from the seed, and to walk a map in an order that
//     is not sorted. It does no I/O.
//   - to say anything about wall time. How fast a real server is, is measured on a
//     real server.
//
// # How a world is driven
//
// A world is a queue of timers, in the order of their instants; those of one
// instant go off in the order in which they were set. [World.Next] lets the next
// one go off, which is a step. Steps are numbered from 1, and a step's number
// means the same in every run of the scenario.
//
//	w, err := world.New(s, world.Options{})
//	if err != nil {
//		return err // it names what is wrong with the scenario
//	}
//	w.Subscribe(world.EventCommitted, func(e *world.Event) { entries += len(e.Entries) })
//	for w.Next() {
//	}
//	result := w.Result()
//
// A run has two parts. Until the scenario's active time is over, faults come and
// go. Then the scenario is healed: no fault is in force any more, and the fleet
// has to come to rest. Whether it has, [Options.Rest] says. A run ends at rest, at
// the end of its time, or with the first violation ([World.Violate]).
//
// The caller's duties:
//
//  1. Use a world from one goroutine at a time. Different worlds share nothing
//     and may run side by side.
//  2. Do not change a scenario while a world runs it.
//  3. Subscribe before the first step.
//  4. Call Next no more once it has reported false.
//
// # Events
//
// A world says what happens in one stream of typed events ([Event]): a message
// was sent, an input stepped, a batch committed, a fault began. Each consumer
// receives those of the kinds that it subscribed to, in the order of subscription.
// What it may read besides the event are the methods of [World] in inspect.go and
// of [Message]. It changes nothing. An event, and what it points to, is good until
// the consumer returns.
//
// # Faults
//
// A [scenario.Fault] has a start, and an end or a count. Where it strikes, the
// world asks whether one is in force (faultstate.go). If something has to happen
// when it begins, when it ends or with the healing, it has a row of hooks beside
// what it hits: planelife.go, loop.go, hostlife.go.
//
// That a fault was in force says little; what counts is that it did something. So
// a run counts a [scenario.Effect] wherever one really happens: a reply that
// really was dropped, a commit that really failed.
//
// # Fidelities
//
// In the typed fidelity documents are handed over as values. With [Options.Wire]
// each is encoded as it would be on the wire, read back strictly, and has to come
// out as it went in. The hashes are equal.
//
// # What the hash covers
//
// It starts as the seed. Each step mixes in its timer's instant, kind and node;
// each request that is sent, what it is about; each input that the plane has
// stepped, the outcome's code, what the reply waits for and how many entries the
// batch has by then; each answer, its code, its Retry-After and its Replay-From;
// each input of an agent that made the agent do something, how much it does of
// what, and when its timer is due. [World.Result] adds the canonical state of
// the plane, the gate and every agent, and the closures that the hosts run.
// Everything is mixed in as numbers or canonical bytes, never as formatted text.
// Consumers are no part of it, except that a violation ends the run.
//
// # Breaking it on purpose
//
// A checker that was never seen to fire is not known to work. [World.Tamper] has
// what tests need to break a world; nothing else calls it.
//
// # Glossary
//
//	world      one run of a scenario
//	timer      something that is due at an instant, for a node
//	step       a timer that has gone off; steps are numbered
//	event      one thing that happens in a step, as consumers receive it
//	consumer   a function that receives the events of the kinds it subscribed to
//	node       a host, the plane, the operator, or the world itself
//	life       of a node: from the start of its process to its end; what a
//	           process had planned dies with it
//	message    a request and its answer
//	precheck   what comes before the gate: certificate, identity, document
//	section    a piece of the driver's work that nothing interrupts
//	fault      something that goes wrong, on purpose
//	effect     something that a fault, or the protocol, really brought about
//	reached    a fault is, once it has taken effect
//	healed     from then on no fault is in force
//	settled    the fleet has come to rest: nothing is left to do
//	walk       making a state of a log, entry by entry
//	fidelity   whether documents are handed over as values or as bytes
//	violation  a rule that was broken: which, when, how
//
// Stability: public (docs/architecture.md).
package world
