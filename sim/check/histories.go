package check

import (
	"encoding/json"
	"strconv"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// answered judges a page of a rollout's history, a part of S28: it has the entries of
// the log that are about the rollout and come after the one that it was asked for by,
// in order, up to its limit, and says how to go on exactly if there are more
// (PROTOCOL R5). What is asked for and what the log has is looked at when the answer
// goes out, as a server reads its store then.
func (c *operators) answered(e *world.Event) {
	in, is := e.Message.Operator().(*plane.QueryRollout)
	of := e.Message.History()
	if !is || of.Limit == 0 || e.Message.Outcome().Code != wire.OK {
		return
	}
	w := e.World
	var page struct {
		Events []struct {
			Number   wire.Seq
			Hostname wire.Hostname
			Kind     string
		}
		Next string
	}
	if err := json.Unmarshal(e.Message.Outcome().Document.AppendJSON(nil), &page); err != nil {
		w.Violate("S28", "the history of %s after %d cannot be read: %v; want a page of events", in.RolloutID, of.After, err)
		return
	}
	goesOn, n := "", 0
	for _, entry := range w.Log() {
		if entry.RolloutID != in.RolloutID || entry.Number <= of.After {
			continue
		}
		if n == of.Limit {
			goesOn = strconv.FormatUint(uint64(page.Events[n-1].Number), 10)
			break
		}
		if n == len(page.Events) {
			w.Violate("S28", "the history of %s after %d, at most %d entries, ends after %d; want entry %d, %s, next", in.RolloutID, of.After, of.Limit, n, entry.Number, entry.Kind)
			return
		}
		if got := &page.Events[n]; got.Number != entry.Number || got.Hostname != entry.Hostname || got.Kind != string(entry.Kind) {
			w.Violate("S28", "the history of %s after %d, at most %d entries, has at place %d entry %d, %s of %q; want entry %d, %s of %q", in.RolloutID, of.After, of.Limit, n+1,
				got.Number, got.Kind, got.Hostname, entry.Number, entry.Kind, entry.Hostname)
			return
		}
		n++
	}
	switch {
	case n < len(page.Events):
		w.Violate("S28", "the history of %s after %d has %d entries; want the %d that the log has, at most %d", in.RolloutID, of.After, len(page.Events), n, of.Limit)
	case page.Next != goesOn:
		w.Violate("S28", "the history of %s after %d is answered with next %q; want %q: the page has %d entries, and at most %d", in.RolloutID, of.After, page.Next, goesOn, n, of.Limit)
	}
}
