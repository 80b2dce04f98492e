package sim

import "time"

// After the scenario is healed, the fleet has to come to rest within the budget.
// Once an interval the world asks whether it has; what is stuck at the end of the
// budget is a violation.

// judge ends the run if the fleet has come to rest.
func (w *World) judge() {
	if w.rest != nil {
		if rule, _ := w.rest(w); rule == "" {
			w.settled = true
			return
		}
	}
	// Not a whole interval: hosts that tick without jitter would else be looked
	// at in the middle of the same request every time.
	w.queue.push(Timer{at: w.now + w.scenario.Fleet.Interval + time.Second, kind: dueJudge, node: worldNodeID})
}

// judgeEnd comes when the budget is used up.
func (w *World) judgeEnd() {
	if w.rest == nil {
		return
	}
	if rule, why := w.rest(w); rule != "" {
		w.Violate(rule, "%v after healing: %s", w.now-w.healedAt, why)
		return
	}
	w.settled = true
}
