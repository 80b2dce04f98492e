package driver

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Group commit: while the store makes one group of entries durable, the worker
// steps on, and what it logs meanwhile is the next group. So a disk is synced
// once for all requests that came during the sync before, and a request that
// needs nothing durable waits for none of it (PROTOCOL E2, H4).
//
// The entries of both groups stay in the worker's output, so that a reply that
// depends on any of them says so. If a group fails, the plane is ahead of the
// disk by it and by all that was stepped since: no caller was answered anything
// that depends on that, and all of it is discarded.

// Group is what one commit makes durable, all or none.
type Group struct {
	// Entries are the lines that the commit adds to the log.
	Entries []plane.Entry
	// Rows are the rows of the durable state that the entries changed, as they
	// are after them; empty unless [Config.Rows] is set. See [Group.AllRows].
	Rows []plane.Row

	opened *plane.Sealed // set if it is that of an opening in slices
	// revocations is what to publish once the group is durable, before any
	// reply that needs it; nil if it revokes nothing.
	revocations Revocations
	news        news
}

// AllRows yields the rows that the commit writes. A row is the caller's until it
// asks for the next one.
func (g *Group) AllRows() func(yield func(plane.Row) bool) {
	if g.opened != nil {
		return g.opened.Rows
	}
	return slices.Values(g.Rows)
}

// news is what is announced once nothing that it depends on can be lost.
type news struct {
	wakes   []wire.Hostname
	notices []plane.Notice
}

func (n *news) empty() bool { return len(n.wakes) == 0 && len(n.notices) == 0 }

func (n *news) add(wakes []wire.Hostname, notices []plane.Notice) {
	n.wakes = append(n.wakes, wakes...)
	n.notices = append(n.notices, notices...)
}

// reset empties the news and keeps the buffers.
func (n *news) reset() {
	clear(n.wakes)
	clear(n.notices)
	n.wakes, n.notices = n.wakes[:0], n.notices[:0]
}

// reset empties the group and keeps its buffers.
func (g *Group) reset() {
	clear(g.Rows)
	g.Entries, g.Rows, g.revocations, g.opened = nil, g.Rows[:0], nil, nil
	g.news.reset()
}

// parkedReply is a reply that waits for the disk.
type parkedReply[T any] struct {
	request *Request[T]
	taken   gate.Taken[*Request[T]]
	outcome wire.Outcome
	after   wire.Seq // the last entry of the log that has to be durable
	over    bool     // it was delivered or dropped
}
