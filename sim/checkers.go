package sim

// Checker is one numbered rule that runs are held to.
type Checker struct {
	// Number is S1 to S17, L1 to L4 or INV; Rule says what it holds to, and
	// cites the protocol.
	Number, Rule string
	// New makes a fresh checker for a world. It subscribes to the events that it
	// judges by.
	New func(*Checks)
}

// Checks are the checkers of one world, with the models that they share.
type Checks struct {
	// World is what they judge. They read it, and change nothing of it but for
	// reporting a violation.
	World *World

	sharedLedger *ledger
	sharedInbox  *inboxModel
}

// on subscribes a checker to a kind of event.
func (s *Checks) on(kind EventKind, consumer func(*Event)) { s.World.Subscribe(kind, consumer) }

// ledger returns the ledger. It is made when the first checker wants it, and so
// receives every event before the checkers do.
func (s *Checks) ledger() *ledger {
	if s.sharedLedger == nil {
		s.sharedLedger = newLedger(s)
	}
	return s.sharedLedger
}

// inbox returns the model of the inbox. It is made like the ledger.
func (s *Checks) inbox() *inboxModel {
	if s.sharedInbox == nil {
		s.sharedInbox = newInboxModel(s)
	}
	return s.sharedInbox
}

// Checkers returns every checker, by number. The liveness rules, L1 to L4, are
// not among them: they are judged once the scenario is healed.
func Checkers() []Checker {
	return []Checker{
		{"S1", "what the plane has told anybody survives every crash but the loss of its disk (PROTOCOL E2)", newCheckDurable},
		{"S2", "last_event_seq never falls, except by the loss of the disk, or by a start to no less than what was acknowledged (PROTOCOL E2, E3)", newCheckSequence},
		{"S3", "every event is answered, and moves its record, by the table of PROTOCOL E (E1, E3 to E8); a heartbeat by H4 and H5; nothing else moves one, and the log gets a line for each", newCheckTransitions},
		{"S4", "the plane's record is never ahead of the agent's own history, except by a marked confirmation, and equals it at rest (PROTOCOL A1, A4, E5, H4)", newCheckHistory},
		{"S5", "every request is answered exactly once, by its deadline; a poll by the end of its wait (PROTOCOL G3, D1, D3)", newCheckAnswers},
		{"S6", "503 exactly when, and with the reason that, a model of the inbox says, with a Retry-After as promised (PROTOCOL G1, G2, G4 to G6)", newCheckUnavailable},
		{"S7", "the inbox never exceeds its capacity, its reserve or the cap of a caller (PROTOCOL G1, G5, G6)", newCheckRoom},
		{"S8", "Replay-From exactly when drift or a gap calls for it, with the record's last number (PROTOCOL H2, E6, E7)", newCheckReplay},
		{"S9", "bootstrap snapshots exactly of the active records, as they are, in order, to a heartbeat that names no rollout (PROTOCOL H3, H6)", newCheckBootstrap},
		{"S10", "nothing about a host changes by another's certificate, and nothing by a refused request (PROTOCOL T3 to T5, T7, E6, E7)", newCheckIsolation},
		{"S11", "no reply is delivered late; what was refused is never stepped, what is inside once or not at all (PROTOCOL G1, G2)", newCheckWhole},
		{"S12", "who is reachable follows the plane's clock and its credits, and agents' clocks are only shown (PROTOCOL L1 to L3, H1)", newCheckReachability},
		{"S13", "a poll is offered what is queued for its host, and nothing that is quarantined, halted or superseded; whose work comes to be offered is woken (PROTOCOL D1, D2, R1 to R3)", newCheckOffers},
		{"S14", "a host is dispatched only when the turn of its wave has come, and a rollout is shown in the state that follows (PROTOCOL R2, R4)", newCheckWaves},
		{"S15", "the plane is wedged exactly when something is inside and nothing has finished for longer than the reply timeout (PROTOCOL G7)", newCheckWedge},
		{"S16", "whom the plane turns away is given a slot of its own to come back in, later than the one before (PROTOCOL G4)", newCheckSpread},
		{"S17", "a full agent jitters its heartbeats, keeps away as long as it is told, sends one event of a rollout at a time, switches one thing at a time, rolls back at once, and converges only after its soak (PROTOCOL A2, A5, A7 to A10, E8, E9)", newCheckAgent},
		{"S18", "no poll waits while there is work for its host and the plane has nothing else to do (PROTOCOL D1)", newCheckWakes},
		{"INV", "gate, plane and agents keep their own invariants", newCheckInvariants},
	}
}
