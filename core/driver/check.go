package driver

import (
	"fmt"
	"maps"
	"slices"

	"github.com/refrain-fleet/refrain/core/plane"
)

// Check verifies the invariants of the driver between two sections, and those of
// the gate. The error names the one that does not hold. It needs the guard and
// that the worker stands still.
//
//  1. Turns that are free and turns that polls have are all turns there are.
//  2. The poll of a host is the newest that waits or asks; a poll that waits is
//     the poll of its host, is not answered, and has a deadline.
//  3. As many polls wait as are counted; those in line wait, and
//     there are none while a turn is free.
//  4. When the worker rests and no commit is under way, no reply waits, no opening
//     is held or half done, nothing that was logged is not durable, and no row is
//     named that a commit has still to write: nothing is held at rest.
//  5. A reply waits for an entry that is logged and not durable.
//  6. The published revocations are those of entries that are durable: the plane's
//     if all of its entries are, and never newer ones than the plane's.
//  7. Buffers that are used again are empty: the group that is spare, the one that is
//     filled but for its news, the batch between two batches, the news when there is
//     nothing to announce, what expired last, the entries of deadlines that are kept; and
//     the group that is filled has revocations to publish only if an entry of it revokes.
//  8. No request that is finished is in the worker's hands.
func (f *Front[T]) Check(w *Worker[T]) error {
	if err := f.gate.Check(); err != nil {
		return err
	}
	for i, check := range []func(*Front[T], *Worker[T]) error{
		checkTurns[T], checkPolls[T], checkLine[T], checkRest[T], checkParked[T], checkRevocations[T], checkBuffers[T], checkHands[T],
	} {
		if err := check(f, w); err != nil {
			return fmt.Errorf("driver: invariant %d: %w", i+1, err)
		}
	}
	return nil
}

func checkTurns[T any](f *Front[T], _ *Worker[T]) error {
	held := 0
	f.gate.Each(func(r *Request[T]) {
		if r.poll.turn { // it is asking, and so inside
			held++
		}
	})
	if f.polls.turns+held != f.polls.allTurns {
		return fmt.Errorf("%d turns are free and %d held; there are %d", f.polls.turns, held, f.polls.allTurns)
	}
	return nil
}

func checkPolls[T any](f *Front[T], _ *Worker[T]) error {
	for _, h := range f.polls.hosts() {
		r := f.polls.of(h)
		switch {
		case hostOf(r) != h:
			return fmt.Errorf("the poll of %s is listed for %s", hostOf(r), h)
		case r.answered:
			return fmt.Errorf("the poll of %s is answered and still listed", h)
		case r.poll.replaced:
			return fmt.Errorf("the poll of %s was replaced and is still listed", h)
		case r.poll.waits && r.poll.deadline == nil:
			return fmt.Errorf("the poll of %s waits without a deadline", h)
		}
	}
	timed := f.polls.deadlines.all()
	if len(timed) != f.polls.deadlines.live {
		return fmt.Errorf("the count of polls with a deadline is %d; want %d, as many as there are", f.polls.deadlines.live, len(timed))
	}
	for _, r := range timed {
		if r.poll.waits && f.polls.of(hostOf(r)) != r {
			return fmt.Errorf("a poll of %s waits and is not listed", hostOf(r))
		}
	}
	return nil
}

func checkLine[T any](f *Front[T], _ *Worker[T]) error {
	waiting, queued := 0, 0
	for _, at := range f.polls.byHost { // order-free: counts
		if at.poll != nil && at.poll.poll.waits {
			waiting++
		}
		if at.poll != nil && at.poll.poll.queued {
			queued++
		}
	}
	if waiting != f.polls.waiting {
		return fmt.Errorf("the count of waiting polls is %d; want %d, as many as wait", f.polls.waiting, waiting)
	}
	inLine := 0
	for r := f.polls.first; r != nil; r = r.poll.next {
		inLine++
		if !r.poll.waits {
			return fmt.Errorf("the poll of %s stands in line and does not wait", hostOf(r))
		}
	}
	if inLine != queued {
		return fmt.Errorf("%d polls stand in line, %d say so", inLine, queued)
	}
	if inLine > 0 && f.polls.turns > 0 {
		return fmt.Errorf("%d polls stand in line though %d turns are free", inLine, f.polls.turns)
	}
	return nil
}

func checkRest[T any](f *Front[T], w *Worker[T]) error {
	if w.stage != stageServing || w.Next() != Rest || w.flying != nil {
		return nil
	}
	if held := len(f.held); held > 0 || w.openings.sealed != nil {
		return fmt.Errorf("the worker rests with %d openings that are held, one of them to be committed: %v", held, w.openings.sealed != nil)
	}
	if o := w.openings; o.begun || o.durable || o.taken || o.kept || o.next != nil {
		return fmt.Errorf("the worker rests in the middle of an opening: begun %v, durable %v, taken %v, held again %v", o.begun, o.durable, o.taken, o.kept)
	}
	if len(w.out.Changes) > 0 {
		return fmt.Errorf("the worker rests with %d rows that changed and that no commit has written, such as %s of %s", len(w.out.Changes), w.out.Changes[0].Key, w.out.Changes[0].Table)
	}
	if len(f.parked) > 0 || len(w.out.Entries) > 0 || !w.next.news.empty() || !w.due.empty() {
		return fmt.Errorf("the worker rests with %d replies that wait, %d entries that are not durable, %d wakes and %d notices",
			len(f.parked), len(w.out.Entries), len(w.next.news.wakes)+len(w.due.wakes), len(w.next.news.notices)+len(w.due.notices))
	}
	return nil
}

func checkParked[T any](f *Front[T], w *Worker[T]) error {
	if w.stage == stageDelivering || w.failed {
		return nil
	}
	for i := range f.parked {
		p := &f.parked[i]
		if n := len(w.out.Entries); n == 0 || p.after < w.out.Entries[0].Number || p.after > w.out.Entries[n-1].Number {
			return fmt.Errorf("a reply waits for entry %d, which is not among the %d that are not durable", p.after, n)
		}
	}
	return nil
}

func checkRevocations[T any](f *Front[T], w *Worker[T]) error {
	if w.stage != stageServing {
		return nil
	}
	now := w.plane.Revocations()
	for _, name := range slices.Sorted(maps.Keys(f.revocations)) {
		if now[name].Before(f.revocations[name]) {
			return fmt.Errorf("%s is published as revoked before %v; want at most %v, as the plane has it", name, f.revocations[name], now[name])
		}
	}
	if len(w.out.Entries) == 0 && !same(now, f.revocations) {
		return fmt.Errorf("%d names are revoked and durable, %d are published", len(now), len(f.revocations))
	}
	return nil
}

func same(a Revocations, b Revocations) bool {
	if len(a) != len(b) {
		return false
	}
	for name, at := range a { // order-free: every name has to be there
		if other, there := b[name]; !there || other != at {
			return false
		}
	}
	return true
}

func checkBuffers[T any](f *Front[T], w *Worker[T]) error {
	for i := range f.expired {
		if f.expired[i].Payload != nil {
			return fmt.Errorf("the list of what has expired keeps the request of %s", f.expired[i].Payload.Caller)
		}
	}
	for _, e := range f.polls.deadlines.free {
		if e.of != nil {
			return fmt.Errorf("an entry of deadlines that is free is that of a poll of %s", hostOf(e.of))
		}
	}
	if g := w.next; w.flying != g && (len(g.Entries) > 0 || len(g.Rows) > 0 || g.opened != nil) {
		return fmt.Errorf("the group that is filled has %d entries and %d rows before its commit has begun", len(g.Entries), len(g.Rows))
	}
	if g := w.next; w.flying != g && g.revocations != nil {
		logged := w.out.Entries
		if w.flying != nil {
			logged = logged[len(w.flying.Entries):]
		}
		if !slices.ContainsFunc(logged, func(e plane.Entry) bool { _, is := e.Input.(*plane.Revoke); return is }) {
			return fmt.Errorf("the group that is filled would publish revocations, and nothing in it revokes")
		}
	}
	if g := w.spare; g != nil && (len(g.Entries) > 0 || len(g.Rows) > 0 || g.revocations != nil || g.opened != nil || !g.news.empty()) {
		return fmt.Errorf("the spare group is not empty")
	}
	if w.stage == stageServing && (!w.due.empty() || len(w.batch) > 0) {
		return fmt.Errorf("the worker is between two batches with %d wakes and %d notices to announce and %d inputs of a batch", len(w.due.wakes), len(w.due.notices), len(w.batch))
	}
	return nil
}

func checkHands[T any](_ *Front[T], w *Worker[T]) error {
	var finished *Request[T]
	w.Each(func(r *Request[T], _ bool) {
		if r.Finished {
			finished = r
		}
	})
	if finished != nil {
		return fmt.Errorf("a request of %s is finished, and the worker has it", finished.Caller)
	}
	return nil
}
