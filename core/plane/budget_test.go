package plane_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// budgeted returns a harness whose plane has a budget of ten events, or 10 KiB, in
// ten minutes, and a host that soaks; the event that leads there is its second.
func budgeted(t *testing.T) *harness {
	t.Helper()
	p, err := plane.New(plane.Config{EventBudget: plane.EventBudget{Bytes: 10 << 10, Events: 10, Per: 10 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	b := &harness{t: t, plane: p}
	b.step(&plane.Started{})
	b.want(wire.Created, open("stable@r1", "h1=c2 h2=c2"))
	b.want(wire.NoContent, event("h1", "stable@r1", 1, acked))
	b.want(wire.NoContent, event("h1", "stable@r1", 2, switched))
	return b
}

// passes is a probe's result with a reason of so many bytes.
func passes(bytes int) wire.EventBody {
	return wire.ProbeResult{ProbeName: "http", Mode: wire.Observe, Status: wire.Pass, ObservedAt: at(9), FailureReason: wire.Text(strings.Repeat("x", bytes))}
}

func TestBudget_EventsBeyondItAreRefusedAndRefilled(t *testing.T) { // PROTOCOL G10
	b := budgeted(t)
	for seq := wire.Seq(3); seq <= 10; seq++ {
		b.want(wire.NoContent, event("h1", "stable@r1", seq, passes(0)))
	}
	before := b.durable()
	refused := b.want(wire.OverBudget, event("h1", "stable@r1", 11, passes(0)))
	equal(t, "the state after a refusal", b.durable(), before)
	equal(t, "entries of a refusal", len(b.out.Entries), 0)
	equal(t, "Retry-After", refused.Outcome.RetryAfter, time.Minute)
	equal(t, "refusals counted", b.plane.Stats().OverBudget, 1)
	b.want(wire.NoContent, event("h2", "stable@r1", 1, acked)) // has its own
	b.now += time.Minute - time.Second/2
	equal(t, "Retry-After half a second before there is room",
		b.want(wire.OverBudget, event("h1", "stable@r1", 11, passes(0))).Outcome.RetryAfter, time.Second)
	b.now += time.Second / 2
	b.want(wire.NoContent, event("h1", "stable@r1", 11, passes(0)))
	b.want(wire.OverBudget, event("h1", "stable@r1", 12, passes(0)))
	b.now += 10 * time.Minute
	for seq := wire.Seq(12); seq <= 21; seq++ {
		b.want(wire.NoContent, event("h1", "stable@r1", seq, passes(0)))
	}
	b.want(wire.OverBudget, event("h1", "stable@r1", 22, passes(0)))
}

func TestBudget_OnlyWhatIsLoggedIsCharged(t *testing.T) { // PROTOCOL G10, E3, E6, E7, E8
	b := budgeted(t)
	for range 50 {
		b.want(wire.NoContent, event("h1", "stable@r1", 2, switched))
		b.want(wire.Rejected, event("h1", "stable@r1", 3, reverted9))
		b.want(wire.Gap, event("h2", "stable@r1", 3, arrived))
		b.want(wire.UnknownRollout, event("h1", "stable@r9", 3, passes(0)))
	}
	for seq := wire.Seq(3); seq <= 10; seq++ {
		b.want(wire.NoContent, event("h1", "stable@r1", seq, passes(0)))
	}
	b.want(wire.OverBudget, event("h1", "stable@r1", 11, passes(0)))
	b.want(wire.NoContent, event("h1", "stable@r1", 2, switched))
	b.want(wire.Rejected, event("h1", "stable@r1", 11, reverted9))
}

// reverted9 is not legal where its record soaks: its closure does not agree.
var reverted9 = wire.RollbackComplete{RevertedToClosure: "c9", CompletedAt: at(9)}

func TestBudget_BytesAreThoseThatTheLogKeeps(t *testing.T) { // PROTOCOL G10, E10
	b := budgeted(t) // two small events: two tenths
	b.want(wire.NoContent, event("h1", "stable@r1", 3, passes(3<<10)))
	b.want(wire.NoContent, event("h1", "stable@r1", 4, passes(30<<10))) // cut to 4 KiB
	b.want(wire.OverBudget, event("h1", "stable@r1", 5, passes(2<<10)))
	b.now += 10 * time.Minute
	whole := event("h1", "stable@r1", 5, passes(0))
	whole.Envelope.Signature = wire.Text(strings.Repeat("x", 30<<10)) // more than the budget, and as much as a full one has
	b.want(wire.NoContent, whole)
	b.want(wire.OverBudget, event("h1", "stable@r1", 6, passes(0)))
}

// PROTOCOL G10: no durable state, but part of a snapshot.
func TestBudget_IsFullAfterAStart(t *testing.T) {
	b := budgeted(t)
	for seq := wire.Seq(3); seq <= 10; seq++ {
		b.want(wire.NoContent, event("h1", "stable@r1", seq, passes(0)))
	}
	cfg := b.plane.Config()
	b.plane = restored(t, cfg, b.plane.AppendState(nil))
	b.want(wire.OverBudget, event("h1", "stable@r1", 11, passes(0)))
	b.plane = b.plane.Clone()
	b.want(wire.OverBudget, event("h1", "stable@r1", 11, passes(0)))
	b.step(&plane.Started{})
	b.want(wire.NoContent, event("h1", "stable@r1", 11, passes(0)))
}

func TestBudget_AWalkOverTheLogIsNotCharged(t *testing.T) { // PROTOCOL G10
	b := budgeted(t)
	var log []plane.Entry
	for seq := wire.Seq(3); seq <= 100; seq++ {
		b.now += time.Minute
		b.want(wire.NoContent, event("h1", "stable@r1", seq, passes(0)))
		log = append(log, b.out.Entries...)
	}
	walked := budgeted(t)
	for _, e := range log {
		if err := walked.plane.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "the state", walked.durable(), b.durable())
}

func TestBudget_ARestoredLineNeedsItsRecord(t *testing.T) {
	b := budgeted(t)
	state := append(b.plane.AppendState(nil), `budget {"rollout_id":"stable@r9","hostname":"h1","full_at":1}`+"\n"...)
	if _, err := plane.Restore(b.plane.Config(), state); err == nil || !strings.Contains(err.Error(), "no record of h1 in stable@r9") {
		t.Errorf("got %v; want an error that names the record", err)
	}
}
