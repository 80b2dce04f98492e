package world

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// planeRows are the tables that a store keeps beside its log: of each commit the rows
// that its batches named, as they were then. A start reads them, and not the log, as
// that of sqlite.DB does. In one run of four the plane's disk has them; in the others
// a start takes a copy of what a walk over the log gives, which is cheaper.
type planeRows struct {
	kept map[plane.Change]plane.Row // nil: the disk has none
	// logged is the number of the last entry that they go with.
	logged wire.Seq
}

// rowsOneIn is how many runs there are to one whose plane starts from rows.
const rowsOneIn = 4

// systemdRestart is how long systemd waits until it starts a process that ended again
// (RestartSec of deploy/refrain.service).
const systemdRestart = time.Second

// maxRowHosts bounds the fleets of those runs: a row takes more memory than a record.
const maxRowHosts = 1000

// drawRows says whether the plane of a world has rows.
func (w *World) drawRows() bool {
	s := random.New(w.scenario.Seed, "plane/rows", 0)
	return w.scenario.Fleet.Hosts <= maxRowHosts && s.IntN(rowsOneIn) == 0
}

// keepRows gives the plane's disk rows.
func (p *planeNode) keepRows() {
	p.rows.kept = make(map[plane.Change]plane.Row)
	p.rows.replace(p.walked)
}

// replace puts the rows of a plane in place of all.
func (r *planeRows) replace(p *plane.Plane) {
	if r.kept == nil {
		return
	}
	clear(r.kept)
	r.logged = p.Stats().Logged
	p.Rows(func(row plane.Row) bool {
		row.Document = bytes.Clone(row.Document)
		r.kept[row.Change] = row
		return true
	})
}

// rowsOf yields the rows of a group ([driver.Group.AllRows]).
type rowsOf = func(yield func(plane.Row) bool)

// commit takes the rows of a group.
func (r *planeRows) commit(rows rowsOf, entries []plane.Entry) {
	if r.kept == nil {
		return
	}
	for row := range rows {
		if row.Document == nil {
			delete(r.kept, row.Change)
		} else {
			row.Document = bytes.Clone(row.Document) // it is the driver's again with the next one
			r.kept[row.Change] = row
		}
	}
	if n := len(entries); n > 0 {
		r.logged = entries[n-1].Number
	}
}

// read makes a plane of the rows.
func (r *planeRows) read(cfg plane.Config) (*plane.Plane, error) {
	rd, err := plane.NewRestorer(cfg)
	if err != nil {
		return nil, err
	}
	if err := rd.Line("log", fmt.Appendf(nil, `{"logged":%d}`, r.logged)); err != nil {
		return nil, err
	}
	for _, row := range r.inOrder() {
		if err := rd.Line(row.Table.String(), row.Document); err != nil {
			return nil, fmt.Errorf("%v %s %s: %w", row.Table, row.Key, row.Sub, err)
		}
	}
	return rd.Plane()
}

// inOrder returns the rows in the order of the lines of a state: rollouts by their
// positions, each followed by its records.
func (r *planeRows) inOrder() []plane.Row {
	rows := make([]plane.Row, 0, len(r.kept))
	for _, row := range r.kept { // order-free: sorted below
		rows = append(rows, row)
	}
	position := func(row *plane.Row) int {
		if row.Table == plane.TableRecords {
			return r.kept[plane.Change{Table: plane.TableRollouts, Key: row.Key}].Position
		}
		return row.Position
	}
	slices.SortFunc(rows, func(a, b plane.Row) int {
		tableA, tableB := max(a.Table, plane.TableRecords), max(b.Table, plane.TableRecords)
		return cmp.Or(cmp.Compare(tableA, tableB), cmp.Compare(position(&a), position(&b)), cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Table, b.Table), cmp.Compare(a.Sub, b.Sub))
	})
	return rows
}

// load makes the plane of what is on the disk, if that can be read; otherwise
// the worker says when to try again.
func (p *planeNode) load(w *World, now wire.Instant) {
	unreadable := w.faults.unreadable()
	if unreadable && !p.opened {
		// A process that cannot load its log at its start ends; systemd starts it again.
		w.effect(scenario.EffectStartFailed)
		p.crash(w, systemdRestart, false)
		return
	}
	if unreadable {
		w.emitPlain(EventRebuildFailed)
		p.worker.LoadFailed(now)
		return
	}
	loaded := p.walked.Clone()
	if w.wire { // through its text, as through that of every document
		restored, err := plane.Restore(p.cfg, p.walked.AppendState(nil))
		if err != nil {
			panic(err)
		}
		loaded = restored
	}
	if p.rows.kept != nil {
		read, err := p.rows.read(p.cfg)
		if err != nil {
			w.Violate("S1", "the rows of the plane's tables give no plane: %v; want what the log gives", err)
			return
		}
		loaded = read
	}
	if p.older(w) {
		loaded.RequestReplays() // as the store does
	}
	p.worker.Loaded(now, loaded)
	p.revoked = p.worker.Plane().Revocations()
	w.emitSection(driver.Load, nil, 1)
}
