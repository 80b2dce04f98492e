package httpagent

import (
	"context"

	"github.com/refrain-fleet/refrain/core/wire"
)

type rolloutKey struct{}

// RolloutOf returns the rollout for which a [Machine] is asked to switch, from the
// context of Activate or RollBack; empty for another context. A machine whose switch
// outlives the process tells by it whether an earlier switch was for the same rollout.
func RolloutOf(ctx context.Context) wire.RolloutID {
	id, _ := ctx.Value(rolloutKey{}).(wire.RolloutID)
	return id
}

// WithRollout returns a context for which [RolloutOf] returns id.
func WithRollout(ctx context.Context, id wire.RolloutID) context.Context {
	return context.WithValue(ctx, rolloutKey{}, id)
}
