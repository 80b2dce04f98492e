package scenario

import "slices"

// Rule is one numbered rule that runs are held to.
type Rule struct {
	// Number is what a violation is reported under: S1 to S19, INV, L1 to L4,
	// G4, PANIC or WIRE.
	Number string
	// Text says what it holds to, and cites the protocol.
	Text string
}

// rules are those of safety, which are judged at every step, and then the
// others, by number.
var rules = []Rule{
	{"S1", "what the plane has told anybody survives every crash but the loss of its disk (PROTOCOL E2)"},
	{"S2", "last_event_seq never falls, except by the loss of the disk, or by a start to no less than what was acknowledged (PROTOCOL E2, E3)"},
	{"S3", "every event is answered, and moves its record, by the table of PROTOCOL E (E1, E3 to E8); a heartbeat by H4 and H5; nothing else moves one, and the log gets a line for each"},
	{"S4", "the plane's record is never ahead of the agent's own history, except by a marked confirmation, and equals it at rest (PROTOCOL A1, A4, E5, H4)"},
	{"S5", "every request is answered exactly once, by its deadline; a poll by the end of its wait (PROTOCOL G3, D1, D3)"},
	{"S6", "503 exactly when, and with the reason that, a model of the inbox says, with a Retry-After as promised (PROTOCOL G1, G2, G4 to G6)"},
	{"S7", "the inbox never exceeds its capacity, its reserve or the cap of a caller (PROTOCOL G1, G5, G6)"},
	{"S8", "Replay-From exactly when drift or a gap calls for it, with the record's last number (PROTOCOL H2, E6, E7)"},
	{"S9", "bootstrap snapshots exactly of the active records, as they are, in order, to a heartbeat that names no rollout (PROTOCOL H3, H6)"},
	{"S10", "nothing about a host changes by another's certificate, and nothing by a refused request (PROTOCOL T3 to T5, T7, E6, E7)"},
	{"S11", "no reply is delivered late; what was refused is never stepped, what is inside once or not at all (PROTOCOL G1, G2)"},
	{"S12", "who is reachable or was never seen follows the plane's clock and its credits, and agents' clocks are only shown (PROTOCOL L1 to L3, H1)"},
	{"S13", "a poll is offered what is queued for its host, and nothing that is quarantined, halted, held or superseded; whose work comes to be offered is woken (PROTOCOL D1, D2, R1 to R3, R6)"},
	{"S14", "a host is dispatched only when the turn of its wave has come, and a rollout is shown in the state that follows (PROTOCOL R2, R4)"},
	{"S15", "the plane is wedged exactly when something is inside and nothing has finished for longer than the reply timeout (PROTOCOL G7)"},
	{"S16", "whom the plane turns away is given a slot of its own to come back in, later than the one before (PROTOCOL G4)"},
	{"S17", "a full agent jitters its heartbeats, keeps away as long as it is told, sends one event of a rollout at a time, switches one thing at a time, rolls back at once, and converges only after its soak (PROTOCOL A2, A5, A7 to A10, E8, E9)"},
	{"S18", "no poll waits while there is work for its host and the plane has nothing else to do (PROTOCOL D1)"},
	{"S19", "nothing that lies in the plane's directory sends a host to an older release (PROTOCOL R6)"},
	{"INV", "gate, plane and agents keep their own invariants"},
	{"G4", "a Retry-After is a whole number of seconds, at least one (PROTOCOL G4)"},
	{"L1", "once the faults are over, every host that was given work comes to its end, and plane and agents agree"},
	{"L2", "once the faults are over, no event is left unsent"},
	{"L3", "once the faults are over, the plane is up, its inbox is empty and nobody is refused"},
	{"L4", "once the faults are over, every live host is reachable"},
	{"PANIC", "nothing that is simulated panics"},
	{"WIRE", "every document comes off the wire as it went on"},
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
