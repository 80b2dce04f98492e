package page

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// knowledge is what the feed knows, from one look to the next.
type knowledge struct {
	// overview is the plane's last answer; nil before the first. refusal is why there was
	// none the last time, and late says that the plane has not answered yet.
	overview *plane.Overview
	refusal  *wire.Outcome
	late     bool

	// from is where the next query goes on. A large fleet is looked at in several: shown
	// are the hosts of the last whole round, round those of the one under way.
	from         wire.Count
	shown, round named
	whole        bool // there was a whole round

	now     Inbox
	samples []sample // of the last minute, the oldest first
}

// named are the hosts that an overview names.
type named struct {
	silent []plane.SilentHost
	slow   []plane.SlowHost
}

// sample is what was refused until an instant.
type sample struct {
	at      time.Time
	refused []Refused
}

// sampled is how far back refusals are counted as recent.
const sampled = time.Minute

// take takes over the plane's answer to a query.
func (k *knowledge) take(o wire.Outcome) {
	k.late = false
	v, is := o.Document.(*plane.Overview)
	if !is {
		k.refusal = &o
		return
	}
	k.overview, k.refusal = v, nil
	k.round.add(v)
	if k.from = v.Next; v.Next == 0 {
		k.shown, k.round, k.whole = k.round, named{}, true
	} else if !k.whole {
		k.shown = k.round
	}
}

// add merges what one query has found.
func (n *named) add(v *plane.Overview) {
	n.silent = slices.Concat(n.silent, v.Silent)
	slices.SortStableFunc(n.silent, func(a, b plane.SilentHost) int { return int(b.Seconds - a.Seconds) })
	n.silent = n.silent[:min(len(n.silent), plane.OverviewTop)]
	n.slow = slices.Concat(n.slow, v.Slow)
	slices.SortStableFunc(n.slow, func(a, b plane.SlowHost) int { return a.Since.Compare(b.Since) })
	n.slow = n.slow[:min(len(n.slow), plane.OverviewTop)]
}

// inbox takes over what the server knows by itself.
func (k *knowledge) inbox(in Inbox, now time.Time) {
	k.now = in
	k.samples = append(k.samples, sample{now, in.Refused})
	for len(k.samples) > 1 && now.Sub(k.samples[1].at) >= sampled {
		k.samples = k.samples[1:]
	}
}

// recent returns how many requests were refused for reason i in the last minute, as far as
// the page was watched in it.
func (k *knowledge) recent(i int) uint64 {
	return k.now.Refused[i].Count - k.samples[0].refused[i].Count
}
