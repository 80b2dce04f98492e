// Package sim runs a whole fleet in virtual time: hosts, a network, an operator
// and the control plane, with faults. The plane is the one that production
// runs, core/gate and core/plane; the agents are core/agent. Only what
// surrounds them is modelled: processes, disks, clocks, links, the loop that
// feeds the reducer, and the machines that switch closures.
//
// A [scenario.Scenario] holds everything that a run depends on, its seed included. A
// [World] is one run of it. The same scenario gives the same [Result], hash and
// all: in every process, with any number of processors, traced or not, with
// checkers or without, and in both fidelities.
//
// It refuses to read a clock, to start a goroutine and to lock anything inside
// a world, to draw a random number that does not come from the seed, and to
// walk a map in the order that the map happens to have. It does no I/O, but for
// the trace that is written to the writer of [simulation.Options]. It says nothing about
// wall time: how fast a real server is, is measured on a real server.
//
// # How a world is driven
//
// A world is a queue of timers, in the order of their instants; those of one
// instant go off in the order in which they were set. [World.Next] lets the next
// one go off, which is a step. Steps are numbered from 1, and a step's number
// means the same in every run of the scenario.
//
//	w, err := sim.New(scenario, sim.Options{})
//	if err != nil {
//		return err // it names what is wrong with the scenario
//	}
//	for w.Next() {
//	}
//	result := w.Result()
//
// [simulation.Run] is that loop. A run has two parts. Until [scenario.Scenario.Active] is over
// faults come and go, and the checkers look whether any safety rule is broken
// (S1 and so on). Then the scenario is healed: no fault is in force any more,
// and within [scenario.Scenario.Converge] the fleet has to come to rest (L1 and so on).
// The run ends with the first violation, or at rest.
//
// Duties of the caller:
//
//  1. Use a world from one goroutine at a time. Different worlds share nothing
//     and may run side by side.
//  2. Do not change a scenario while a world runs it.
//  3. Call Next no more once it has reported false.
//
// # Events
//
// A world says what happens in one stream of typed events ([Event]): a message
// was sent, an input stepped, a batch committed, a fault began. Checkers, traces,
// recordings and tapes are consumers: they subscribe to some kinds
// ([World.Subscribe]) before the first step, receive each event in the order of
// their subscription, and change nothing. What they may read besides the event
// are the methods of World and of [Message] in inspect.go. An event is good until
// the consumer returns.
//
// # Faults
//
// A [scenario.Fault] is a line of text that parses back to itself, with a start, and an
// end or a count. That a fault was in force says little; what counts is that it
// did something. So a run counts an [scenario.Effect] wherever one really happens: a
// reply that really was dropped, a commit that really failed.
//
// # Fidelities
//
// In the typed fidelity documents are handed over as values. With
// [simulation.Options.Wire] each is encoded as it would be on the wire, read back
// strictly, and has to come out as it went in. The hashes are equal.
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
// Neither traces nor checkers are part of it, except that a violation ends the
// run. [search.Diverge] finds the step at which two runs part.
//
// # Glossary
//
//	scenario   fleet, models, rollouts, acts, faults and seed
//	world      one run of a scenario
//	timer      something that is due at an instant, for a node
//	step       a timer that has gone off; steps are numbered
//	event      one thing that happens in a step, as consumers receive it
//	consumer   a function that receives the events of the kinds it subscribed to
//	node       a host, the plane, the operator, or the world itself
//	life       of a node: from the start of its process to its end; what a
//	           process had planned dies with it
//	message    a request and its answer
//	door       the checks that come before the gate: certificate, identity
//	fault      something that goes wrong, on purpose
//	effect     something that a fault, or the protocol, really brought about
//	reached    a fault is, once it has taken effect; a file with one that is not
//	           is stale
//	unmet      an expectation of the scenario that the run does not show
//	healed     from then on no fault is in force
//	settled    the fleet has come to rest: nothing is left to do
//	stream     a source of random numbers for one purpose and one node
//	walk       making a state of a log, entry by entry
//	fidelity   whether documents are handed over as values or as bytes
//	checker    a numbered rule that runs are held to
//	violation  a rule that was broken: which, when, how
package sim
