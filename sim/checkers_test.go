package sim_test

import (
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
)

// The tests inside the package run under every checker.
func init() {
	sim.UseCheckers(func(w *sim.World) { check.Attach(w, nil) }, check.Rest)
}
