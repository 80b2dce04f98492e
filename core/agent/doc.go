// Package agent is the agent's reducer (PROTOCOL A1 to A10): what a host does
// about the rollouts that it is told of, and how it tells the plane.
//
// # The driver's loop
//
//	a, err := agent.Restore(cfg, logOnDisk) // nothing on disk: an agent that knows nothing
//	a.Step(now(), &agent.ProbesDeclared{Probes: probes}, &out)
//	a.Step(now(), &agent.Started{CurrentClosure: closure}, &out)
//	for {
//		append(out.Appends) and sync, if there are any
//		send(out.Requests)
//		begin(out.Effects)
//		tell(out.Notices)
//		out.Reset()
//		in := the next answer, end of an effect, or agent.Timer at out.NextTimer
//		a.Step(now(), in, &out)
//	}
package agent
