package check

import (
	"slices"

	"github.com/refrain-fleet/refrain/sim/world"
)

// Checker is one numbered rule that runs are held to.
type Checker struct {
	// Number is that of its rule: S1 to S43 or INV, whose text is in
	// Number is that of its rule: S1 to S45 or INV, whose text is in
	// scenario.RuleText, or a word that nothing else has for a rule of one's own.
	Number string
	// New makes a fresh checker for a world. It subscribes to the events that it
	// judges by.
	New func(*Checks)
}

// Checks are the checkers of one world, with the models that they share.
type Checks struct {
	// World is what they judge. They read it, and change nothing of it but for
	// reporting a violation.
	World *world.World

	sharedLedger *ledger
	sharedInbox  *inboxModel
	sharedWhy    *whyModel
	expects      *expectations // nil if nothing is expected
}

// Attach has checkers judge a world, and compares the run with what its scenario
// expects; nil means every checker. It is to be called before the world's first
// step.
func Attach(w *world.World, checkers []Checker) *Checks {
	s := &Checks{World: w}
	if checkers == nil {
		checkers = Checkers()
		if w.Scenario().Plane.Hostile > 0 {
			checkers = underForgedAnswers(checkers)
		}
	}
	for _, c := range checkers {
		c.New(s)
	}
	if len(w.Scenario().Expects) > 0 {
		s.expects = newExpectations(w)
	}
	return s
}

// underForgedAnswers are the checkers of a run in which answers are made up: what agents
// owe their own hosts. The others compare what agents do with what the plane said.
func underForgedAnswers(checkers []Checker) []Checker {
	return slices.DeleteFunc(checkers, func(c Checker) bool {
		return c.Number != "S24" && c.Number != "S35" && c.Number != "INV"
	})
}

// on subscribes a checker to a kind of event.
func (s *Checks) on(kind world.EventKind, consumer func(*world.Event)) {
	s.World.Subscribe(kind, consumer)
}

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
		{"S1", newDurable},
		{"S2", newSequence},
		{"S3", newTransitions},
		{"S4", newHistory},
		{"S5", newDeadlines},
		{"S6", newRefusals},
		{"S7", newRoom},
		{"S8", newReplays},
		{"S9", newBootstraps},
		{"S10", func(s *Checks) { newIsolation(s); newNames(s) }},
		{"S11", newSteppings},
		{"S12", newReachability},
		{"S13", newOffers},
		{"S14", newWaves},
		{"S15", newWedge},
		{"S16", newSpread},
		{"S17", newConduct},
		{"S18", newWakes},
		{"S19", newReleases},
		{"S20", newStorage},
		{"S21", newBudgets},
		{"S22", newPacing},
		{"S23", newReplaying},
		{"S24", newAgentLog},
		{"S25", newSlicedOpenings},
		{"S26", newTargets},
		{"S27", newLateness},
		{"S28", newOperators},
		{"S29", newRestores},
		{"S30", newCertificates},
		{"S31", newReplayed},
		{"S32", newGates("S32")},
		{"S33", newGates("S33")},
		{"S34", newSignedReleases},
		{"S35", newSignedIntent},
		{"S36", newHonestIntent},
		{"S37", newFieldAnswers},
		{"S38", newFieldTold},
		{"S39", newFieldSwitches},
		{"S42", newGates("S42")},
		{"S43", newGates("S43")},
		{"S45", newChannels},
		{"S46", newSteered},
		{"S51", newExplained},
		{"S52", newMoving},
		{"S54", newActs},
		{"INV", newInvariants},
	}
}
