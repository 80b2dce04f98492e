package agent_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestSmoke(t *testing.T) {
	for f := range fateCount {
		w := newWorld(t, 1, 1)
		if testing.Verbose() {
			w.trace = t.Logf
		}
		w.hosts[0].fates["c1"] = fate(f)
		w.hosts[0].start(0)
		w.after(time.Minute, func() {
			w.open(manifest("stable@r1", wire.RollbackAndHalt, 2, toClosure("c1"), "h1"))
		})
		w.run(2*time.Minute, nil)
		if !w.run(60*time.Minute, func() bool { return w.disagreement() == "" }) {
			t.Errorf("fate %d: %s", f, w.disagreement())
		}
		t.Logf("fate %d: %v at %v", f, w.hosts[0].agent, w.now)
	}
}
