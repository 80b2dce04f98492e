package sabotage

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Worlds in which who did what is not in the log, or its chain is broken: S54.
var actsBroken = []Bug{
	{"S54", "an act has no operator", QuietStory, onAct(func(e *plane.Entry) { e.Act = nil })},
	{"S54", "an act has another operator", QuietStory, onAct(func(e *plane.Entry) { e.Act.By.Name = "operator-nobody.sim" })},
	{"S54", "an act has another request", QuietStory, onAct(func(e *plane.Entry) { e.Act.By.Request = "0" })},
	{"S54", "an event has an operator", QuietStory, onReply(func(w *world.World, in plane.Input, _ *plane.Reply) {
		if entries := w.Tamper().Output().Entries; isEvent(in) && len(entries) > 0 {
			head := w.Plane().Acts()
			entries[len(entries)-1].Act = &wire.Act{Count: head.Count + 1, Before: head.Hash, By: wire.Actor{Name: "operator-nobody.sim"}}
		}
	})},
	{"S54", "a start forgets the chain", CrashedStory, func() *Saboteur {
		return &Saboteur{OnPlaneStarted: func(w *world.World) {
			editPlane(w, replaceIn(`(?m)^acts .*\n`, ""))
		}}
	}},
}

// onAct changes what has just been logged for an operator.
func onAct(change func(*plane.Entry)) func() *Saboteur {
	return func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, _ plane.Input, _ *plane.Reply) {
			entries := w.Tamper().Output().Entries
			if n := len(entries); n > 0 && entries[n-1].Act != nil {
				own := *entries[n-1].Act
				entries[n-1].Act = &own
				change(&entries[n-1])
			}
		}}
	}
}
