package plane

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Table is one of the tables that a store keeps the durable state in. The
// lines of [Plane.AppendDurable] are their rows.
type Table uint8

// The tables, in the order of the lines of a state.
const (
	// TableRollouts has a row per rollout; its key is the rollout's ID.
	TableRollouts Table = iota + 1
	// TableRecords has a row per record; its keys are the rollout's ID and the
	// hostname.
	TableRecords
	// TableQuarantine has a row per quarantined closure; its keys are the
	// channel and the closure.
	TableQuarantine
	// TableRevocations has a row per revoked name; its key is the common name.
	TableRevocations
	// TableRetired has a row per retired rollout; its key is the rollout's ID.
	TableRetired
	// TableEnrolments has a row per nonce that was used to enrol; its key is the nonce.
	TableEnrolments
	// TableActs has one row, the head of the chain of operators' acts.
	TableActs
	// TableHolds has a row per host that an operator has said something of; its keys are
	// the hostname and what was said.
	TableHolds

	// LastTable is the last of them.
	LastTable = TableHolds
)

// tableWords are the words of the tables' lines.
var tableWords = [...]string{
	0:             "?",
	TableRollouts: "rollout", TableRecords: "record", TableQuarantine: "quarantine",
	TableRevocations: "revocation", TableRetired: "retired",
	TableEnrolments: "enrolment",
	TableActs:       "acts",
	TableHolds:      "hold",
}

// String returns the word that the table's lines in a state start with.
func (t Table) String() string { return wire.WordOf(tableWords[:], t) }

// Change names a row of the durable state that a step has changed, made or
// taken away. A row may be named more than once in a batch, and also without
// having changed in the end.
type Change struct {
	Table Table
	// Key and Sub are the row's key; Sub is empty where the table has one key.
	Key, Sub string
}

func compareChanges(a, b Change) int {
	if c := cmp.Compare(a.Table, b.Table); c != 0 {
		return c
	}
	if c := strings.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	return strings.Compare(a.Sub, b.Sub)
}

// Row is a row of a table as a store keeps it.
type Row struct {
	Change
	// Position is a rollout's place in the order of opening, from 0; it is 0 in
	// the other tables.
	Position int
	// Document is the canonical JSON of the row's line in the state, without
	// the word before it; nil if there is no such row any more.
	Document []byte
}

// AppendRows appends the rows that changes name, each once and as it is now,
// in the order of table and keys; changes are put into that order. A store that
// writes them together with the entries of the batches that made the changes
// has the tables of the state after these entries.
func (p *Plane) AppendRows(dst []Row, changes []Change) []Row {
	slices.SortFunc(changes, compareChanges)
	buffer := make([]byte, 0, 512*len(changes))
	for i, c := range changes {
		if i > 0 && changes[i-1] == c {
			continue
		}
		// A document stays where it is when a later one makes the buffer move.
		start := len(buffer)
		row := Row{Change: c}
		buffer, row.Position = p.appendRow(buffer, c)
		if len(buffer) > start {
			row.Document = buffer[start:len(buffer):len(buffer)]
		}
		dst = append(dst, row)
	}
	return dst
}

// Rows calls yield with every row of the durable state, in the order of the
// lines of [Plane.AppendDurable], until it returns false. A row's document is
// yield's until it returns.
func (p *Plane) Rows(yield func(Row) bool) {
	var buffer []byte
	row := func(c Change) bool {
		var r Row
		r.Change = c
		buffer, r.Position = p.appendRow(buffer[:0], c)
		r.Document = buffer
		return yield(r)
	}
	for _, r := range p.rollouts {
		if !row(Change{Table: TableRollouts, Key: string(r.id)}) {
			return
		}
		for i := range r.records {
			if !row(Change{Table: TableRecords, Key: string(r.id), Sub: string(r.records[i].Hostname)}) {
				return
			}
		}
	}
	for _, key := range p.quarantineKeys() {
		if !row(Change{Table: TableQuarantine, Key: string(key.channel), Sub: string(key.closure)}) {
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.revocations)) {
		if !row(Change{Table: TableRevocations, Key: string(name)}) {
			return
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.retired)) {
		if !row(Change{Table: TableRetired, Key: string(id)}) {
			return
		}
	}
	for _, nonce := range slices.Sorted(maps.Keys(p.enrolments)) {
		if !row(Change{Table: TableEnrolments, Key: string(nonce)}) {
			return
		}
	}
	if p.acts.Count > 0 {
		if !row(Change{Table: TableActs, Key: headKey}) {
			return
		}
	}
	for _, key := range p.holdKeys() {
		if !row(Change{Table: TableHolds, Key: string(key.host), Sub: key.hold.String()}) {
			return
		}
	}
}

// appendRow appends the document of a row, or nothing if there is none.
func (p *Plane) appendRow(dst []byte, c Change) (document []byte, position int) {
	switch c.Table {
	case TableRollouts:
		if r := p.byID[wire.RolloutID(c.Key)]; r != nil {
			line := r.line()
			return rolloutLineSchema.Append(dst, &line), r.order
		}
	case TableRecords:
		if r := p.byID[wire.RolloutID(c.Key)]; r != nil {
			if i, known := r.find(wire.Hostname(c.Sub)); known {
				return recordLineSchema.Append(dst, r.recordLine(i)), 0
			}
		}
	case TableQuarantine:
		if entry, there := p.quarantine[quarantineKey{wire.Channel(c.Key), wire.Closure(c.Sub)}]; there {
			return wire.QuarantineEntrySchema.Append(dst, &entry), 0
		}
	case TableRevocations:
		if before, there := p.revocations[wire.CommonName(c.Key)]; there {
			return wire.RevocationSchema.Append(dst, &wire.Revocation{CommonName: wire.CommonName(c.Key), RevokedBefore: before}), 0
		}
	case TableRetired:
		if line, there := p.retired[wire.RolloutID(c.Key)]; there {
			return retiredLineSchema.Append(dst, &line), 0
		}
	case TableEnrolments:
		if line, there := p.enrolments[wire.Name(c.Key)]; there {
			return enrolmentLineSchema.Append(dst, &line), 0
		}
	case TableActs:
		if p.acts.Count > 0 {
			return wire.ActHeadSchema.Append(dst, &p.acts), 0
		}
	case TableHolds:
		for hold := Cordoned; hold <= Forgotten; hold++ {
			key := holdKey{wire.Hostname(c.Key), hold}
			if mark, there := p.holds[key]; there && hold.String() == c.Sub {
				return holdLineSchema.Append(dst, &holdLine{key.host, hold, mark}), 0
			}
		}
	}
	return dst, 0
}

// The steps say what they change with these.

func (o *Output) changedRollout(r *rolloutState) {
	o.Changes = append(o.Changes, Change{Table: TableRollouts, Key: string(r.id)})
}

func (o *Output) changedRecord(ref recordRef) { o.changedRecordAt(ref.rollout, ref.index) }

func (o *Output) changedRecordAt(r *rolloutState, i int) {
	o.Changes = append(o.Changes, Change{Table: TableRecords, Key: string(r.id), Sub: string(r.records[i].Hostname)})
}

func (o *Output) changedQuarantine(key quarantineKey) {
	o.Changes = append(o.Changes, Change{Table: TableQuarantine, Key: string(key.channel), Sub: string(key.closure)})
}

func (o *Output) changedRevocation(name wire.CommonName) {
	o.Changes = append(o.Changes, Change{Table: TableRevocations, Key: string(name)})
}

func (o *Output) changedActs() {
	o.Changes = append(o.Changes, Change{Table: TableActs, Key: headKey})
}
