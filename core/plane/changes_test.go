package plane_test

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// tables are what a store keeps: the rows by their keys.
type tables map[plane.Change]plane.Row

func (ts tables) write(rows []plane.Row) {
	for _, row := range rows {
		if row.Document == nil {
			delete(ts, row.Change)
		} else {
			ts[row.Change] = row
		}
	}
}

// state writes the rows down as the lines of a durable state.
func (ts tables) state(logged wire.Seq) string {
	rows := make([]plane.Row, 0, len(ts))
	position := map[string]int{}
	for change, row := range ts {
		rows = append(rows, row)
		if change.Table == plane.TableRollouts {
			position[change.Key] = row.Position
		}
	}
	slices.SortFunc(rows, func(a, b plane.Row) int {
		rolloutsA, rolloutsB := a.Table > plane.TableRecords, b.Table > plane.TableRecords
		if rolloutsA || rolloutsB {
			return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Sub, b.Sub))
		}
		return cmp.Or(cmp.Compare(position[a.Key], position[b.Key]), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Sub, b.Sub))
	})
	var s strings.Builder
	fmt.Fprintf(&s, "log {\"logged\":%d}\n", logged)
	for _, row := range rows {
		fmt.Fprintf(&s, "%v %s\n", row.Table, row.Document)
	}
	return s.String()
}

// tablesOf reads the rows of a durable state.
func tablesOf(p *plane.Plane) tables {
	ts := tables{}
	p.Rows(func(row plane.Row) bool {
		row.Document = bytes.Clone(row.Document)
		ts[row.Change] = row
		return true
	})
	return ts
}

func TestTheRowsOfAStateAreItsLines(t *testing.T) {
	b := everything(t)
	var s strings.Builder
	fmt.Fprintf(&s, "log {\"logged\":%d}\n", b.plane.Stats().Logged)
	rows := 0
	b.plane.Rows(func(row plane.Row) bool {
		rows++
		fmt.Fprintf(&s, "%v %s\n", row.Table, row.Document)
		return true
	})
	equal(t, "the rows", s.String(), b.durable())
	for stop := 1; stop <= rows; stop++ {
		seen := 0
		b.plane.Rows(func(plane.Row) bool { seen++; return seen < stop })
		equal(t, "rows until it was stopped", seen, stop)
	}
}

// TestTheRowsThatABatchNamesAreAllThatItChanged keeps tables by nothing but the
// rows that batches name. They are the durable state, byte for byte.
func TestTheRowsThatABatchNamesAreAllThatItChanged(t *testing.T) { // PROTOCOL E2
	rapid.Check(t, func(t *rapid.T) {
		var kept tables
		newFleet(t, watch{
			begin: func(f *fleet) {
				if kept == nil {
					kept = tablesOf(f.plane)
				}
			},
			batch: func(f *fleet, _ []byte, _ []stepped, out *plane.Output) {
				if len(out.Entries) == 0 && len(out.Changes) > 0 {
					f.t.Fatalf("a batch without an entry changes %v", out.Changes)
				}
				kept.write(f.plane.AppendRows(nil, out.Changes))
				got, want := kept.state(f.plane.Stats().Logged), string(f.plane.AppendDurable(nil))
				if got != want {
					f.t.Fatalf("the tables are\n%s\nthe state is\n%s", got, want)
				}
			},
			replaced: func(*fleet, replacement) { kept = nil },
		}).play(runLength)
	})
}

func TestARowIsNamedOnceAndInOrder(t *testing.T) {
	b := started(t)
	b.out.Reset()
	b.add(open("stable@r2", "h2=c2 h1=c2"))
	b.add(open("edge@r1", "h1=c3"))
	b.add(event("h1", "stable@r2", 1, acked))
	b.add(event("h1", "stable@r2", 2, begun))
	var got []string
	for _, row := range b.plane.AppendRows(nil, b.out.Changes) {
		got = append(got, fmt.Sprintf("%v %s %s %d", row.Table, row.Key, row.Sub, row.Position))
	}
	equal(t, "the rows", strings.Join(got, "\n"),
		"rollout edge@r1  1\nrollout stable@r2  0\nrecord edge@r1 h1 0\nrecord stable@r2 h1 0\nrecord stable@r2 h2 0")
}

func TestARowThatIsGoneHasNoDocument(t *testing.T) { // PROTOCOL R3
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	b.tell("h1", "stable@r1", acked, switched, unhealthy, rolledBack)
	b.want(wire.NoContent, &plane.ClearQuarantine{Channel: "stable", Closure: "c2"})
	rows := b.plane.AppendRows(nil, b.out.Changes)
	if len(rows) == 0 || rows[0].Table != plane.TableQuarantine || rows[0].Document != nil {
		t.Errorf("got %v; want the quarantine's row without a document", rows)
	}
	unknown := []plane.Change{{Table: plane.TableRollouts, Key: "x@y"}, {Table: plane.TableRecords, Key: "stable@r1", Sub: "h9"}, {Table: 99}}
	for _, row := range b.plane.AppendRows(nil, unknown) {
		if row.Document != nil {
			t.Errorf("a row that is not there has the document %s", row.Document)
		}
	}
}

func TestASteadyHeartbeatChangesNoRow(t *testing.T) { // PROTOCOL H5
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	b.tell("h1", "stable@r1", acked, switched)
	b.step(heartbeat("h1", "stable@r1", "c2"))
	equal(t, "changes of a steady heartbeat", len(b.out.Changes), 0)
	b.step(heartbeat("h1", "stable@r1", "c1"))
	equal(t, "changes of a heartbeat that drifts", len(b.out.Changes), 0)
	b.step(event("h1", "stable@r1", 1, acked))
	equal(t, "changes of a duplicate", len(b.out.Changes), 0)
}

func TestEveryEntryReadsBackAsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var decoder wire.Decoder
		newFleet(t, watch{
			batch: func(f *fleet, _ []byte, _ []stepped, out *plane.Output) {
				for _, e := range out.Entries {
					doc := e.AppendInput(nil)
					back := e
					back.Input = nil
					if err := back.DecodeInput(&decoder, doc); err != nil {
						f.t.Fatalf("%v as %s: %v", e, doc, err)
					}
					equal(f.t, "the input", inputText(back.Input), inputText(e.Input))
					equal(f.t, "the document", string(back.AppendInput(nil)), string(doc))
				}
			},
		}).play(runLength)
	})
}

func TestAnEntryOfAnotherKindIsRefused(t *testing.T) {
	var decoder wire.Decoder
	for _, c := range []struct{ kind, doc, want string }{
		{"Failed", `{"hostname":"h1","rolloutId":"stable@r1","event":{"kind":"DispatchAck","seq":1,"currentClosureAtDispatch":"c1","receivedAt":"2026-01-01T00:00:00Z"}}`, "the event is DispatchAck"},
		{"resumed", `{}`, "rollout_id: is missing"},
		{"opened", `{"rollout_id":"a@b"}`, "is missing"},
		{"sung", `{}`, "is missing"},
		{"offered", `{"hostname":"h1"}`, "rollout_id: is missing"},
		{"offer_ended", `{"hostname":"h1"}`, "rollout_id: is missing"},
		{"paused", `{"rollout_id":"a@b"}`, "act: is missing"},
	} {
		e := plane.Entry{Kind: wire.Name(c.kind)}
		if err := e.DecodeInput(&decoder, []byte(c.doc)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v; want an error with %q", c.kind, c.doc, err, c.want)
		}
	}
}

// TestStepsDoNotWaitForWhatIsDurable carries entries over to later batches, as a
// driver does that steps on while it makes entries durable.
func TestStepsDoNotWaitForWhatIsDurable(t *testing.T) { // PROTOCOL E2
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	b.out.Reset()
	b.add(event("h1", "stable@r1", 1, acked))
	b.out.BeginBatch()
	equal(t, "replies after Next", len(b.out.Replies), 0)
	equal(t, "a duplicate in the next batch", b.add(event("h1", "stable@r1", 1, acked)).AfterEntries, 1)
	b.out.BeginBatch()
	b.add(event("h2", "stable@r1", 1, acked))
	equal(t, "a heartbeat while entries are under way", b.add(heartbeat("h3", "", "c1")).AfterEntries, 0)
	b.out.MarkDurable(1)
	b.out.BeginBatch()
	equal(t, "a duplicate of what is durable", b.add(event("h1", "stable@r1", 1, acked)).AfterEntries, 0)
	equal(t, "a duplicate of what is not", b.add(event("h2", "stable@r1", 1, acked)).AfterEntries, 1)
	equal(t, "the entry that is left", b.out.Entries[0].Hostname, "h2")
	b.out.MarkDurable(1)
	equal(t, "entries left", len(b.out.Entries), 0)
}
