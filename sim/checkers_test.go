package sim_test

import "github.com/refrain-fleet/refrain/sim"

// The tests inside the package run under every checker.
func init() {
	sim.UseCheckers(func(w *sim.World) { sim.Attach(w, nil) }, sim.Rest)
}
