package scenario

import "slices"

// Rule is one numbered rule that runs are held to.
type Rule struct {
	// Number is what a violation is reported under: S1 to S43, INV, L1 to L4,
	// G4, PANIC or WIRE.
	Number string
	// Text says what it holds to, and cites the protocol.
	Text string
}

// rules are those of safety, which are judged at every step, and then the
// others, by number.
var rules = []Rule{
	{"S1", "what the plane has told any host or operator survives every crash; only the loss of its disk loses it, and a restore what came after the backup (PROTOCOL E2, H8)"},
	{"S2", "a record's last_event_seq never falls, except by the loss of the disk or a restore, or by a start, and then to no less than what was acknowledged; a record at its end need not count what it knows already (PROTOCOL E2, E3, E5)"},
	{"S3", "every event is answered, and moves its record, by the table of PROTOCOL E (E1, E3 to E8); a heartbeat by H4 and H5; nothing else moves a record, and the log gets an entry for each move"},
	{"S4", "the plane's record is never ahead of the agent's own history, except by a marked confirmation, and at rest the two are equal (PROTOCOL A1, A4, E5, H4)"},
	{"S5", "every request is answered exactly once, at its deadline at the latest; a poll at the end of its wait (PROTOCOL G3, D1, D3)"},
	{"S6", "a request is answered 503 exactly when the inbox's limits, a deadline or a dropped reply call for it, with that reason, and with the Retry-After that was promised. The limits are the capacity, a quarter of it reserved for heartbeats, 4 requests of one caller, and the pace of a host's polls (PROTOCOL G1, G2, G4 to G6, D3)"},
	{"S7", "the inbox never has more requests than its capacity, never more of other kinds than the quarter that is reserved for heartbeats leaves, and never more than 4 of one caller (PROTOCOL G1, G5, G6)"},
	{"S8", "an answer has Replay-From always when a gap calls for it, and otherwise only when drift does or the plane's state is older than what it had acknowledged, with the last event number of the plane's record (PROTOCOL H2, H8, E6, E7)"},
	{"S9", "a heartbeat that names no rollout is answered with a snapshot of each active record of its host, as it is, in the order of their IDs, but for those that are put off; every other with none (PROTOCOL H3, H6, H9)"},
	{"S10", "nothing about a host changes by a request with another host's certificate, and nothing at all by a refused request; a name is revoked if the plane knows its holder or the request forces it, and both names of a host together (PROTOCOL T3 to T5, T7, E6, E7)"},
	{"S11", "a reply is delivered before the request's deadline or not at all; a refused request is never given to the reducer, an admitted one at most once, and not if it is late when its turn comes (PROTOCOL G1, G2)"},
	{"S12", "a host is reachable, unreachable or never seen by the plane's own clock, with time that the plane was impaired credited; agents' clocks are only shown (PROTOCOL L1 to L3, H1)"},
	{"S13", "a poll is offered what is queued for its host, and nothing that is quarantined, halted, held or superseded; when work for a host is queued, its waiting polls are woken (PROTOCOL D1, D2, R1 to R3, R6)"},
	{"S14", "a host is dispatched only when the turn of its wave has come, and a rollout is shown in the state that follows from its hosts (PROTOCOL R2, R4)"},
	{"S15", "the plane is wedged exactly when requests are in the inbox and none has finished for longer than the reply timeout (PROTOCOL G7)"},
	{"S16", "every refused caller is given an instant to retry at that is its own, and later than that of the caller before by what the measured drain rate gives (PROTOCOL G4)"},
	{"S17", "an agent jitters its heartbeats, waits as long as Retry-After says, sends one event of a rollout at a time, runs one switch at a time, rolls back at once, and converges only after its soak (PROTOCOL A2, A5, A7 to A10, E8, E9)"},
	{"S18", "no poll waits while there is work for its host and the plane has nothing else to do (PROTOCOL D1)"},
	{"S19", "nothing that lies in the plane's directory sends a host to an older release, or to another one than an operator chose when it lay there (PROTOCOL R6)"},
	{"S20", "from a commit that failed until one has succeeded the plane logs nothing, refuses what would have to be logged, and goes on with everything else; while less disk is free than the reserve it refuses events that only observe, and nothing else (PROTOCOL G9, G11)"},
	{"S21", "what is logged of one host in one rollout never exceeds its event budget, and as much again in the budget's time; an event is refused over_budget exactly when it would, with the time until there is room; an honest agent's never is (PROTOCOL G10)"},
	{"S22", "a dispatch is offered to a host again after 15 s at the earliest, and at most ten polls of a host are admitted at once, and then one a second; two machines that send heartbeats in one host's name are noticed within six intervals, and one machine is never taken for two, also if its heartbeats leave by two addresses (PROTOCOL D2, D3, L4)"},
	{"S23", "never more replays are under way than may be; none is put off while fewer are, and no host that goes on sending heartbeats is put off for ever (PROTOCOL H9)"},
	{"S24", "an agent comes up as what it had made durable, from the bytes of its log, compacted or not; only acknowledgements may be lost with the power (PROTOCOL A1)"},
	{"S25", "a rollout is opened as a whole or not at all: nothing of it is seen or durable before all of it is, and an opening that was answered 503 timeout is not begun with (PROTOCOL R1, G2)"},
	{"S26", "what is wanted of a host, and what it runs once it has converged, is what its own line of the manifest says (PROTOCOL R1)"},
	{"S27", "an agent whose process runs reports Failed once a probe that counts has failed for the limit, and Converged once its soak is over and every probe that counts passes, a few rounds of probes later at most (PROTOCOL A7, A8)"},
	{"S28", "the pages of a list or of a history together are all of it, in order; a manifest under an ID that is open is the same or a conflict; and a compaction retires the rollouts that have been finished for long enough, and nothing else (PROTOCOL R1, R5)"},
	{"S29", "once the faults are over, a plane that was restored from a backup has again every event that it had acknowledged (PROTOCOL H8)"},
	{"S30", "a request with a certificate that has expired, or whose CA the plane trusts no more, is refused for it and changes nothing, and no other is (PROTOCOL T1, T7)"},
	{"S31", "what an agent is asked to send again it sends from the number on, in order and to the last event, each as soon as the one before is answered (PROTOCOL A2, A3)"},
	{"S32", "no host of a disruption budget is offered a dispatch while as many others as it allows are in flight, from their offer on and over every rollout and restart; what a gate holds back soaks from its offer on (PROTOCOL W1, W2)"},
	{"S33", "a host that waits for another one of its rollout is offered its dispatch only when that has converged, deferred, or failed and was excused (PROTOCOL W3)"},
	{"S34", "a release is taken up as a whole or not at all, and not if it contradicts what is open or a signed rollout is ahead of it; a signed rollout is offered only while the release that is held is fresh and has the host's own line with that closure (PROTOCOL V4 to V7)"},
	{"S35", "an agent that acts only on signed intent activates what a release has for its host that was really signed, was shown to it, is not too old, and is no older than what it has seen of the channel since it had its disk; and it goes back only to what it ran before (PROTOCOL A7, A11)"},
	{"S36", "of an honest plane such an agent refuses nothing but what it cannot get, and what its own clock calls too old or not signed yet (PROTOCOL A11)"},
	{"S37", "an event of a field agent is answered 204, or with what a retry heals; what is discarded changes no record, and is on the disk before its answer (PROTOCOL E12)"},
	{"S38", "a field agent is told of a record only if it is Soaking, the host runs the target and the agent has probably forgotten it; a dispatch that it has taken up is offered to it again only after ten minutes without news (PROTOCOL H10, D4)"},
	{"S39", "a field agent begins one switch for a dispatch that the plane knows to be taken up, and one rollback for a switch (PROTOCOL H10, D4)"},
	{"S42", "no host is offered a dispatch of a rollout while that of a channel that comes first is not done, halted, held or not open yet (PROTOCOL W4)"},
	{"S43", "where compliance is asked for, no host is offered a dispatch while an enforce-mode probe fails on a host of an earlier wave (PROTOCOL W5)"},
	{"S46", "no host is offered what an operator holds back: of a rollout that is paused, of one that goes on without the host, or while the host is cordoned; a host that waits is shown with that as its reason, and with no other act; what is let go soaks from then on (PROTOCOL O)"},
	{"S45", "a switch or a rollback that ends on another closure than a rollout of another channel wants ends that one in the same step if it soaks, and when its Converged is refused afterwards, or at the agent's next start, while another channel has the host; one that was deferred to that closure is completed (PROTOCOL A10)"},
	{"S51", "what the plane says a host or a rollout waits for is so, and is all of it: each fact with what blocks, since when, until when and the command that helps; and when the fleet has come to rest, a host that can be reached waits for nothing that ends by itself (PROTOCOL Y1 to Y4)"},
	{"S52", "while no fault is in force, and plane and agent run and no request is refused, a host that waits only for what takes time, such as a poll, a switch or a soak until its instant, is explained otherwise, or at its target, within a bound (PROTOCOL Y2, Y3)"},
	{"S54", "what an operator's request puts into the log has the operator, the request and the hash of the act before it, and nothing else has; after a crash, a restart, a restore and a compaction the chain goes on as its disk has it (PROTOCOL T15)"},
	{"INV", "gate, plane and agents keep their own invariants"},
	{"G4", "a Retry-After is a whole number of seconds, at least one (PROTOCOL G4)"},
	{"L1", "once the faults are over, every dispatched host reaches a final state, and plane and agents agree, within the scenario's converge time"},
	{"L2", "once the faults are over, no event is left unsent"},
	{"L3", "once the faults are over, the plane is up, its inbox is empty and no request is refused"},
	{"L4", "once the faults are over, every live host is reachable"},
	{"PANIC", "nothing that is simulated panics"},
	{"WIRE", "every document is decoded as it was encoded"},
}

// Rules lists every rule.
func Rules() []Rule { return slices.Clone(rules) }

// RuleText says what a rule holds runs to, by its number; it is empty for a
// number that there is not.
func RuleText(number string) string {
	for _, r := range rules {
		if r.Number == number {
			return r.Text
		}
	}
	return ""
}

func ruleNumbers() []string {
	var numbers []string
	for _, r := range rules {
		numbers = append(numbers, r.Number)
	}
	return numbers
}
