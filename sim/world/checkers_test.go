package world_test

import (
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/world"
)

// The tests inside the package run under every checker.
func init() {
	world.UseCheckers(func(w *world.World) { check.Attach(w, nil) }, check.Rest)
}
