package world

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// PROTOCOL E2
func TestAPlaneThatStartsFromItsRowsIsTheOneThatTheLogGives(t *testing.T) {
	const text = `
seed 4
fleet 6 interval=15s activation=2s..9s
plane pause=20ms
rollout stable@r1 at=10s target=c1 waves=1m,1m policy=rollback-and-halt
rollout stable@r2 at=6m target=c2 waves=1m
at 20s disk fail count=1
at 30s plane crash for=2s phase=after-commit
at 50s activation fail host=h2 count=1
at 1m30s probe fail host=h1 for=4m
at 2m revoke h5 reissue=1m
at 4m plane restart for=2s each=1s
at 5m resume stable@r1
at 5m30s clear stable c1
at 8m plane wipe for=1s
at 9m plane crash for=1s
active 12m
`
	var hashes [2]uint64
	for i := range hashes {
		r := play(t, text)
		r.w.plane.rows = planeRows{}
		if i == 1 {
			r.w.plane.keepRows()
		}
		r.w.plane.comeUp(r.w) // as before, with what was changed
		result := r.finish()
		if result.Violation != nil {
			t.Fatal(result.Violation)
		}
		if rows := len(r.w.plane.rows.kept); rows > 0 != (i == 1) {
			t.Errorf("run %d: %d rows are kept", i, rows)
		}
		hashes[i] = result.Hash
	}
	if hashes[0] != hashes[1] {
		t.Errorf("the hashes are %x and %x; want the same", hashes[0], hashes[1])
	}
}

func TestAPlaneThatCannotReadItsDiskAtItsStartIsStartedAgain(t *testing.T) {
	r := play(t, "seed 4\nfleet 2 interval=15s\nat 20s disk fail for=1m unreadable=yes\nat 30s plane crash for=2s\nactive 3m")
	r.until(75 * time.Second)
	if n := r.w.effects[scenario.EffectStartFailed]; n < 20 || r.w.plane.serving() {
		t.Errorf("%d starts failed, serving %v; want one a second or so, and none that serves", n, r.w.plane.serving())
	}
	r.until(83 * time.Second)
	if !r.w.plane.serving() {
		t.Errorf("the plane is %v; want it serving once its disk can be read", r.w.plane.state())
	}
	r.finish()
}
