package world

import "testing"

func TestEveryTimerHasAName(t *testing.T) {
	for kind := range timerWords {
		if kind > 0 && (kind >= len(timerNames) || timerNames[kind] == "") {
			t.Errorf("the timer %q has no name", timerWords[kind])
		}
	}
}
