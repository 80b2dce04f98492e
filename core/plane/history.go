package plane

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/refrain-fleet/refrain/core/wire"
)

// History calls yield with the entries of a log that are about a rollout and have a
// number above after, in order, until it returns false (PROTOCOL R5). The entries are
// in order of their numbers.
func History(entries []Entry, id wire.RolloutID, after wire.Seq, yield func(*wire.LoggedEvent) bool) {
	start, found := slices.BinarySearchFunc(entries, after, func(e Entry, n wire.Seq) int { return cmp.Compare(e.Number, n) })
	if found {
		start++
	}
	for i := start; i < len(entries); i++ {
		if e := &entries[i]; e.RolloutID == id {
			if logged := e.Logged(); !yield(&logged) {
				return
			}
		}
	}
}

// ActHistory is [History] of the operators' acts, whatever rollout they are about
// (PROTOCOL T15).
func ActHistory(entries []Entry, after wire.Seq, yield func(*wire.LoggedEvent) bool) {
	for i := range entries {
		if e := &entries[i]; e.Number > after && e.Act != nil {
			if logged := e.LoggedAct(); !yield(&logged) {
				return
			}
		}
	}
}

// MaxHistoryPage bounds a page of a history in bytes (PROTOCOL R5). An event may
// have as many bytes as a body, and a page a thousand events.
const MaxHistoryPage = 1 << 20

// HistoryPage is a page of a rollout's history (PROTOCOL R5). Make one with
// [NewHistoryPage], and give it the entries that come after the one asked for.
type HistoryPage struct {
	wire.BoundedPage[wire.LoggedEvent]
	last wire.Seq
}

// NewHistoryPage returns a page of at most limit entries, 1 to [MaxLimit].
func NewHistoryPage(limit int) *HistoryPage {
	return &HistoryPage{BoundedPage: wire.BoundedPage[wire.LoggedEvent]{
		Name: "events", Schema: &wire.LoggedEventSchema, MaxItems: limit, MaxBytes: MaxHistoryPage,
	}}
}

// Take takes the next entry into the page. It reports false, and takes nothing, if
// the page is full; the page then says how to go on.
func (p *HistoryPage) Take(e *wire.LoggedEvent) bool {
	if !p.Add(e) {
		p.Next = strconv.FormatUint(uint64(p.last), 10)
		return false
	}
	p.last = e.Number
	return true
}
