package sabotage

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

func onHost(change func(*agent.Output, agent.Input)) func() *Saboteur {
	return func() *Saboteur {
		return &Saboteur{OnHostStepped: change}
	}
}

// Worlds in which wedge, slots or agents are not as they should be: S15 to S31, and S45.
var conductBroken = []Bug{
	{"S15", "a wedge is seen too late", WedgedStory, anotherGate(func(c *gate.Config) { c.ReplyTimeout = 10 * time.Second })},
	{"S16", "everybody is told the same second", CrowdedStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Outcome().Code.Unavailable() {
			m.Outcome().RetryAfter = time.Second
		}
	})},
	{"S27", "an agent soaks longer than it was told to", SoakingStory, onHost(func(out *agent.Output, _ agent.Input) {
		for i := range out.Appends {
			if taken := out.Appends[i].Taken; taken != nil {
				told := *taken
				told.Record.SoakSeconds = 60
				out.Appends[i].Taken = &told
			}
		}
	})},
	{"S45", "a rollback says nothing of the rollout of another channel that soaks", TwoChannelsStory, onHost(func(out *agent.Output, _ agent.Input) {
		out.Appends = slices.DeleteFunc(out.Appends, func(entry agent.Entry) bool {
			failed, is := entry.Event.Body.(wire.HealthFailed)
			return is && failed.PolicyApplied == wire.Halt
		})
	})},
	{"S28", "a page begins with the entry that the last one ended with", ReadingStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if page, is := r.Outcome.Document.(*wire.Page[wire.HostStatus]); is && in.(*plane.QueryHosts).After != "" {
			page.Items[0].Hostname = in.(*plane.QueryHosts).After
		}
	})},
	{"S28", "another manifest under an ID that is open is taken for the same", ReadingStory, onReply(func(_ *world.World, _ plane.Input, r *plane.Reply) {
		if r.Outcome.Code == wire.ManifestConflict {
			r.Outcome = wire.Outcome{Code: wire.OK}
		}
	})},
	{"S28", "a dry run counts a host too few", ReadingStory, onReply(func(_ *world.World, _ plane.Input, r *plane.Reply) {
		if plan, is := r.Outcome.Document.(*wire.OpeningPlan); is && !bool(plan.Unchanged) {
			plan.Dispatched.Count--
		}
	})},
	{"S28", "a dry run of what is open would change something", ReadingStory, onReply(func(_ *world.World, _ plane.Input, r *plane.Reply) {
		if plan, is := r.Outcome.Document.(*wire.OpeningPlan); is {
			plan.Unchanged = false
		}
	})},
	{"S28", "a page says that nothing follows", ReadingStory, onReply(func(_ *world.World, _ plane.Input, r *plane.Reply) {
		if page, is := r.Outcome.Document.(*wire.Page[wire.HostStatus]); is {
			page.Next = ""
		}
	})},
	{"S29", "a restored plane does not list a record that may have been rolled back", RestoredStory, onReply(func(_ *world.World, _ plane.Input, r *plane.Reply) {
		list := r.Outcome.Heartbeat.Bootstrap
		r.Outcome.Heartbeat.Bootstrap = slices.DeleteFunc(list, func(s wire.Snapshot) bool { return s.State == wire.Failed })
	})},
	{"S30", "a certificate that has expired is good", ExpiredStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Outcome().Code == wire.CertificateExpired {
			m.Outcome().Code = wire.NoContent
		}
	})},
	{"S30", "a certificate that is good is refused", QuietStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Kind() == scenario.RouteHeartbeat {
			m.Outcome().Code = wire.NoCertificate
		}
	})},
	{"S30", "a request of an old CA is stepped", ExpiredStory, onAnswer(func(w *world.World, m *world.Message) {
		if m.Outcome().Code == wire.NoCertificate {
			stepping(w, m, &plane.Heartbeat{})
		}
	})},
	{"S18", "a poll is not woken for the work that has come", QuietStory, onReply(func(w *world.World, _ plane.Input, _ *plane.Reply) {
		w.Tamper().Output().Wakes = w.Tamper().Output().Wakes[:0]
	})},
	{"S19", "a plane that lost its disk offers the older of two releases", TwoReleasesStory, onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		if poll, is := in.(*plane.Poll); is && w.Now() > 4*time.Minute {
			r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{Hostname: poll.Hostname, RolloutID: "stable@r1"}}
		}
	})},
	{"S25", "an opening is answered 202 and is open", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if open, is := in.(*plane.OpenRollout); is && r.Outcome.Code == wire.Created {
			r.Outcome.Code = wire.Accepted
			r.Outcome.Document = &wire.OpeningStatus{RolloutID: open.Manifest.ID(), Hosts: wire.Count(len(open.Manifest.Hosts))}
		}
	})},
	{"S20", "a heartbeat is refused since the disk fails", DisklessStory, onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		if _, is := in.(*plane.Heartbeat); is && w.Plane().ReadOnly() {
			r.Outcome = wire.Unavailable(wire.StoreUnavailable, time.Second)
		}
	})},
	{"S22", "one machine is taken for two", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if isHeartbeat(in) {
				out := w.Tamper().Output()
				out.Notices = append(out.Notices, plane.Notice{Kind: plane.NoticeDuplicateIdentity, Hostname: world.AboutHost(in)})
			}
		}}
	}},
	{"S22", "a dispatch is offered again at once", QuietStory, func() *Saboteur {
		last := map[wire.Hostname]wire.Outcome{}
		return &Saboteur{OnStepDone: func(_ *world.World, _ *world.Message, in plane.Input, r *plane.Reply) {
			if poll, is := in.(*plane.Poll); !is {
				return
			} else if r.Outcome.Code == wire.OK {
				last[poll.Hostname] = r.Outcome
			} else if again, offered := last[poll.Hostname]; offered {
				r.Outcome = again
			}
		}}
	}},
	{"S20", "a poll is refused since disk is scarce", func() scenario.Scenario { return Story(3, "at 31s disk scarce for=3m") }, onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		if _, is := in.(*plane.Poll); is && w.Plane().Scarce() {
			r.Outcome = wire.Unavailable(wire.StoreUnavailable, time.Second)
		}
	})},
	{"S21", "an event is refused over_budget though the budget has room", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if _, is := in.(*plane.Event); is {
			r.Outcome = wire.Unavailable(wire.OverBudget, time.Second)
		}
	})},
	{"S24", "a host's disk loses the last entry of a log", QuietStory, func() *Saboteur {
		done := false
		return &Saboteur{OnStepped: func(w *world.World) {
			if a := w.Agent(1); !done && a != nil && len(a.Views(nil)) > 0 {
				done = true
				w.Tamper().Host(1).LoseEntry()
				w.Tamper().Host(1).Crash(time.Second)
			}
		}}
	}},
	{"S17", "a host does not keep away from heartbeats as long as it was told", CrowdedStory, onHost(func(_ *agent.Output, in agent.Input) {
		if x, is := in.(*agent.HeartbeatAnswered); is && x.Status == 503 {
			x.RetryAfter = 5 * time.Minute
		}
	})},
	{"S17", "a host does not keep away from polls as long as it was told", CrowdedStory, onHost(func(_ *agent.Output, in agent.Input) {
		if x, is := in.(*agent.PollAnswered); is && x.Status == 503 {
			x.RetryAfter = 5 * time.Minute
		}
	})},
	{"S17", "a host does not keep an event back as long as it was told", WedgedStory, onHost(func(_ *agent.Output, in agent.Input) {
		if x, is := in.(*agent.EventAnswered); is && x.Status == 503 {
			x.RetryAfter = 5 * time.Minute
		}
	})},
	{"S31", "a host sends one event of a replay and waits", WipedStory, onHost(func(out *agent.Output, in agent.Input) {
		if _, is := in.(*agent.EventAnswered); is {
			out.Requests = slices.DeleteFunc(out.Requests, func(r agent.Request) bool { return r.Kind == agent.RequestEvent })
		}
	})},
	{"S31", "a host leaves out the first event of a replay", WipedStory, onHost(func(out *agent.Output, in agent.Input) {
		for i := range out.Requests {
			if x, is := in.(*agent.HeartbeatAnswered); is && x.Replay && out.Requests[i].Kind == agent.RequestEvent {
				out.Requests[i].Event.Event.Seq++
			}
		}
	})},
	{"S17", "a host begins a switch twice", QuietStory, onHost(func(out *agent.Output, _ agent.Input) {
		for _, e := range out.Effects {
			if e.Kind == agent.EffectActivate {
				out.Effects = append(out.Effects, e)
				return
			}
		}
	})},
	{"S17", "a host that failed stays where it is", FailingStory, onHost(func(out *agent.Output, _ agent.Input) {
		out.Effects = slices.DeleteFunc(out.Effects, func(e agent.Effect) bool { return e.Kind == agent.EffectRollback })
	})},
	{"S17", "a host sends two events of a rollout at a time", QuietStory, onHost(func(out *agent.Output, _ agent.Input) {
		for _, r := range out.Requests {
			if r.Kind == agent.RequestEvent {
				out.Requests = append(out.Requests, r)
				return
			}
		}
	})},
	{"S17", "a host converges before its soak is over", QuietStory, onHost(func(out *agent.Output, in agent.Input) {
		if _, is := in.(*agent.ActivationEnded); is {
			out.Appends = append(out.Appends, agent.Entry{Kind: agent.EntryEvent, RolloutID: "stable@r1", Event: wire.Event{Seq: 9, Body: wire.HostConverged{}}})
		}
	})},
	{"S17", "a host converges on what no probe has told this process", QuietStory, onHost(func(out *agent.Output, in agent.Input) {
		if _, is := in.(*agent.Started); is {
			out.Appends = append(out.Appends, agent.Entry{Kind: agent.EntryEvent, RolloutID: "stable@r1", Event: wire.Event{Seq: 9, Body: wire.HostConverged{}}})
		}
	})},
	{"S17", "a host goes on telling a plane that does not know the rollout", QuietStory, onHost(func(_ *agent.Output, in agent.Input) {
		if x, is := in.(*agent.EventAnswered); is {
			x.Status = 404
		}
	})},
}
