package rollout

import (
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// stateSet is a set of states, one bit each.
type stateSet uint16

const (
	pending    stateSet = 1 << wire.Pending
	activating stateSet = 1 << wire.Activating
	deferred   stateSet = 1 << wire.Deferred
	soaking    stateSet = 1 << wire.Soaking
	converged  stateSet = 1 << wire.Converged
	failed     stateSet = 1 << wire.Failed
	reverted   stateSet = 1 << wire.Reverted
)

func (s stateSet) has(state wire.State) bool { return s&(1<<state) != 0 }

// String lists the states in words: "Activating or Deferred".
func (s stateSet) String() string {
	var words []string
	for _, state := range wire.States {
		if s.has(state) {
			words = append(words, state.String())
		}
	}
	return strings.Join(words, " or ")
}

// transitions is the table of PROTOCOL E, indexed by kind: where an event is
// legal and where it leads. An event that moves nothing leads to where it is.
var transitions = [...]struct {
	from stateSet
	to   wire.State
}{
	wire.KindDispatchAck:           {pending, wire.Activating},
	wire.KindActivationStarted:     {activating, wire.Activating},
	wire.KindActivationCompleted:   {activating | deferred, wire.Soaking},
	wire.KindActivationDeferred:    {activating, wire.Deferred},
	wire.KindActivationFailed:      {activating | deferred, wire.Failed},
	wire.KindProbeTopologyDeclared: {soaking, wire.Soaking},
	wire.KindProbeObservedFirst:    {soaking, wire.Soaking},
	wire.KindProbeResult:           {soaking, wire.Soaking},
	wire.KindProbeFailureFirst:     {soaking, wire.Soaking},
	wire.KindFailed:                {soaking, wire.Failed},
	wire.KindRollbackComplete:      {failed, wire.Reverted},
	wire.KindConverged:             {soaking, wire.Converged},
}

// earlier is the path to each state, without the state itself (PROTOCOL E5).
// Failed is reached from Activating, Deferred or Soaking, and its path counts
// all of them.
var earlier = [...]stateSet{
	wire.Pending:    0,
	wire.Activating: pending,
	wire.Deferred:   pending | activating,
	wire.Soaking:    pending | activating | deferred,
	wire.Converged:  pending | activating | deferred | soaking,
	wire.Failed:     pending | activating | deferred | soaking,
	wire.Reverted:   pending | activating | deferred | soaking | failed,
}

// Legal reports whether a record in state s takes an event of kind k (PROTOCOL
// E4). Converged also has to keep E1. An unknown state or kind is never legal.
func Legal(s wire.State, k wire.EventKind) bool {
	return int(k) < len(transitions) && transitions[k].from.has(s)
}

// Past reports whether a record in state s is already past every event of kind
// k (PROTOCOL E5): the kind's source states all come before s on the path, and
// the state it leads to lies on the path or is s itself.
//
// The second half is needed for the kinds that lead to an end. A Failed record
// has been Soaking, but it is not past a Converged; that would say the
// opposite of what it knows.
func Past(s wire.State, k wire.EventKind) bool {
	if k == 0 || int(k) >= len(transitions) || int(s) >= len(earlier) {
		return false
	}
	t := transitions[k]
	return t.from&^earlier[s] == 0 && (t.to == s || earlier[s].has(t.to))
}

// Leads returns the state that a record is in once an event of kind k was applied to
// it; 0 for an unknown kind.
func Leads(k wire.EventKind) wire.State {
	if int(k) >= len(transitions) {
		return 0
	}
	return transitions[k].to
}
