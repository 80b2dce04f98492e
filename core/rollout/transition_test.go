package rollout_test

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// grid is the table of PROTOCOL E written out by hand, apart from the code. A
// letter is the state that the event leads to, = is absorbed, - is refused.
// The columns are Pending, Activating, Deferred, Soaking, Soaking by a
// confirmation, Converged, Failed and Reverted.
const grid = `
                      P A D S * C F R
DispatchAck           A = = = = = = =
ActivationStarted     - A = = = = = =
ActivationCompleted   - S S = = = = =
ActivationDeferred    - D = = = = = =
ActivationFailed      - F F - F - = =
ProbeTopologyDeclared - - - S S = = =
ProbeObservedFirst    - - - S S = = =
ProbeResult           - - - S S = = =
ProbeFailureFirst     - - - S S = = =
Failed                - - - F F - = =
RollbackComplete      - - - - - - R =
Converged             - - - C C = - -
`

// cells reads the grid: by kind, then by column.
var cells = func() map[string]map[string]string {
	lines := strings.Split(strings.TrimSpace(grid), "\n")
	columns := strings.Fields(lines[0])
	table := map[string]map[string]string{}
	for _, line := range lines[1:] {
		words := strings.Fields(line)
		table[words[0]] = map[string]string{}
		for i, column := range columns {
			table[words[0]][column] = words[1+i]
		}
	}
	return table
}()

// columnOf is the column of the grid that a record belongs to.
func columnOf(r *rollout.Record) string {
	if r.Synthesised() {
		return "*"
	}
	return r.State.String()[:1]
}

// records has a record for each column.
func records(t *testing.T) []rollout.Record {
	var list []rollout.Record
	for _, state := range wire.States {
		list = append(list, after(t, ways[state]...))
	}
	confirmed := after(t, acked)
	if !confirmed.Confirm(target, at(90)) {
		t.Fatal("the confirmation changed nothing")
	}
	return append(list, confirmed)
}

func TestEveryPairOfStateAndEventFollowsTheTable(t *testing.T) { // PROTOCOL E3 to E7
	seen := 0
	for _, start := range records(t) {
		for _, kind := range wire.EventKinds {
			cell := cells[kind.String()][columnOf(&start)]
			if start.State == wire.Failed && kind == wire.KindActivationCompleted {
				cell = "S" // it is later than the failure (E13)
			}
			for ahead, offset := range map[string]wire.Seq{"duplicate": 0, "next": 1, "gap of one": 2, "gap of many": 5} {
				t.Run(start.State.String()+"/"+kind.String()+"/"+ahead, func(t *testing.T) {
					r := start.Clone()
					ev := wire.Event{Seq: r.LastEventSeq + offset, Body: bodies[kind]}
					switch {
					case offset == 0:
						want(t, &r, ev, rollout.Duplicate)
					case cell == "=":
						want(t, &r, ev, rollout.Absorbed)
						equal(t, "the state", r.State, start.State)
					case cell != "-":
						want(t, &r, ev, rollout.Applied)
						equal(t, "the state", r.State.String()[:1], cell)
					case offset == 1, !start.State.Active():
						want(t, &r, ev, rollout.Rejected)
					default:
						want(t, &r, ev, rollout.Gap)
					}
				})
				seen++
			}
		}
	}
	equal(t, "the number of cases", seen, 8*12*4)
}

func TestLegalAndPastReadTheTable(t *testing.T) { // PROTOCOL E4, E5
	for _, kind := range wire.EventKinds {
		for _, state := range wire.States {
			cell := cells[kind.String()][state.String()[:1]]
			equal(t, "Legal("+state.String()+", "+kind.String()+")", rollout.Legal(state, kind), cell != "-" && cell != "=")
			equal(t, "Past("+state.String()+", "+kind.String()+")", rollout.Past(state, kind), cell == "=")
		}
	}
}

func TestAnUnknownStateOrKindIsNeitherLegalNorPast(t *testing.T) {
	for _, state := range []wire.State{0, 1, 4, 7, 8, 15, 16, 200, 255} {
		for _, kind := range []wire.EventKind{0, 1, 12, 13, 64, 255} {
			if state >= wire.Pending && state <= wire.Reverted && kind >= wire.KindDispatchAck && kind <= wire.KindConverged {
				continue
			}
			equal(t, "Legal", rollout.Legal(state, kind), false)
			equal(t, "Past", rollout.Past(state, kind), false)
		}
	}
}

func TestAnOutcomeIsOneWord(t *testing.T) {
	for outcome, word := range map[rollout.Outcome]string{
		0: "no outcome", rollout.Duplicate: "duplicate", rollout.Applied: "applied", rollout.Absorbed: "absorbed",
		rollout.Gap: "gap", rollout.Rejected: "rejected", 6: "?", 255: "?",
	} {
		equal(t, "the word", outcome.String(), word)
	}
}
