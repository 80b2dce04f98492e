package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// statements are prepared once, on the writer's connection.
type statements struct {
	begin, commit, rollback, entry, setting *sql.Stmt
	put, remove                             [plane.LastTable + 1]*sql.Stmt
	putRecords                              *sql.Stmt // recordsAtOnce of them
}

// recordsAtOnce is how many records one statement writes, if a commit has that many:
// most of what a row costs is the statement around it.
const recordsAtOnce = 64

const (
	putEntry = `INSERT INTO event_log (number, at, kind, hostname, rollout_id, outcome, input, act, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	// putSetting writes a row of plane_settings.
	putSetting = `INSERT INTO plane_settings (name, document) VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document`
)

// tableSQL has, for each table of the state, its name, its key columns, and the
// statements that write and remove a row.
var tableSQL = [...]struct {
	name        string
	keys        []string
	put, remove string
}{
	plane.TableRollouts: {
		name: "rollouts", keys: []string{"rollout_id"},
		put:    `INSERT INTO rollouts (rollout_id, document, position) VALUES (?, ?, ?) ON CONFLICT (rollout_id) DO UPDATE SET document = excluded.document`,
		remove: `DELETE FROM rollouts WHERE rollout_id = ?`,
	},
	plane.TableRecords: {
		name: "host_rollout_records", keys: []string{"rollout_id", "hostname"},
		put:    putRecord(1),
		remove: `DELETE FROM host_rollout_records WHERE rollout_id = ? AND hostname = ?`,
	},
	plane.TableQuarantine: {
		name: "quarantined_closures", keys: []string{"channel", "closure"},
		put:    `INSERT INTO quarantined_closures (channel, closure, document) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document`,
		remove: `DELETE FROM quarantined_closures WHERE channel = ? AND closure = ?`,
	},
	plane.TableRevocations: {
		name: "revocations", keys: []string{"common_name"},
		put:    `INSERT INTO revocations (common_name, document) VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document`,
		remove: `DELETE FROM revocations WHERE common_name = ?`,
	},
	plane.TableRetired: {
		name: "retired_rollouts", keys: []string{"rollout_id"},
		put:    `INSERT INTO retired_rollouts (rollout_id, document) VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document`,
		remove: `DELETE FROM retired_rollouts WHERE rollout_id = ?`,
	},
	plane.TableEnrolments: {
		name: "enrolments", keys: []string{"nonce"},
		put:    `INSERT INTO enrolments (nonce, document) VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document`,
		remove: `DELETE FROM enrolments WHERE nonce = ?`,
	},
	plane.TableActs: {
		name: "act_chain", keys: []string{"name"},
		put:    `INSERT INTO act_chain (name, document) VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document`,
		remove: `DELETE FROM act_chain WHERE name = ?`,
	},
	plane.TableHolds: {
		name: "host_holds", keys: []string{"hostname", "hold"},
		put:    `INSERT INTO host_holds (hostname, hold, document) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document`,
		remove: `DELETE FROM host_holds WHERE hostname = ? AND hold = ?`,
	},
}

// putRecord is the statement that writes n records.
func putRecord(n int) string {
	return `INSERT INTO host_rollout_records (rollout_id, hostname, document) VALUES ` +
		strings.Repeat("(?, ?, ?), ", n-1) + `(?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document`
}

func prepareStatements(ctx context.Context, conn *sql.Conn) (*statements, error) {
	s := new(statements)
	texts := map[**sql.Stmt]string{
		&s.begin: "BEGIN IMMEDIATE", &s.commit: "COMMIT", &s.rollback: "ROLLBACK", &s.entry: putEntry, &s.setting: putSetting,
		&s.putRecords: putRecord(recordsAtOnce),
	}
	for table := plane.TableRollouts; table <= plane.LastTable; table++ {
		texts[&s.put[table]], texts[&s.remove[table]] = tableSQL[table].put, tableSQL[table].remove
	}
	for into, text := range texts {
		stmt, err := conn.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		*into = stmt
	}
	return s, nil
}

func (s *statements) all() []*sql.Stmt {
	list := []*sql.Stmt{s.begin, s.commit, s.rollback, s.entry, s.setting, s.putRecords}
	return append(append(list, s.put[plane.TableRollouts:]...), s.remove[plane.TableRollouts:]...)
}

func (s *statements) close() {
	for _, stmt := range s.all() {
		_ = stmt.Close() // returns the statement's last error again
	}
}

// Commit implements [store.Store]. When it returns nil the entries and rows are
// on the disk. After an error it refuses every commit until [DB.Load] has
// returned nil.
func (db *DB) Commit(entries []plane.Entry, rows iter.Seq[plane.Row]) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(entries) == 0 {
		return db.trial()
	}
	if db.pool == nil || db.suspect || db.closed {
		return errors.New("sqlite: commit after a failure; call Load first")
	}
	// The files are compared after the commit as well: what went to a file that
	// was replaced meanwhile must not be acknowledged.
	err := db.files.check()
	if err == nil {
		if err = db.write(entries, rows); err == nil {
			err = db.files.check()
		}
	}
	if err != nil {
		db.suspect, db.failing = true, true
		err = fmt.Errorf("sqlite: %s: commit of entries %d to %d: %w", db.path, entries[0].Number, entries[len(entries)-1].Number, explainBusy(err))
		db.health.failed(err)
		return err
	}
	db.failing, db.durable = false, entries[len(entries)-1].Number
	db.files.acknowledge(entries[len(entries)-1].Number)
	db.checkpointIfLong()
	return nil
}

func (db *DB) write(entries []plane.Entry, rows iter.Seq[plane.Row]) error {
	p := db.prepped
	if _, err := p.begin.Exec(); err != nil {
		return err
	}
	err := p.writeAll(entries, rows)
	if err == nil {
		_, err = p.commit.Exec()
	}
	if err != nil {
		_, _ = p.rollback.Exec() // fails if SQLite has rolled back itself
	}
	return err
}

func (p *statements) writeAll(entries []plane.Entry, rows iter.Seq[plane.Row]) error {
	var input, act []byte
	for i := range entries {
		e := &entries[i]
		input, act = e.AppendInput(input[:0]), act[:0]
		if e.Act != nil {
			act = e.AppendAct(act)
		}
		if _, err := p.entry.Exec(int64(e.Number), e.At.String(), string(e.Kind), string(e.Hostname), string(e.RolloutID),
			string(e.Outcome), string(input), string(act), int64(checksum(e, input, act))); err != nil {
			return err
		}
	}
	if err := p.writeRows(rows); err != nil {
		return err
	}
	_, err := p.setting.Exec(settingLog, settingOf(entries[len(entries)-1].Number))
	return err
}

// writeRows writes rows, many records at a time.
func (p *statements) writeRows(rows iter.Seq[plane.Row]) error {
	var records []any
	for row := range rows {
		if row.Table != plane.TableRecords || row.Document == nil {
			if err := p.writeRow(&row); err != nil {
				return err
			}
			continue
		}
		if records = append(records, row.Key, row.Sub, string(row.Document)); len(records) == 3*recordsAtOnce {
			if _, err := p.putRecords.Exec(records...); err != nil {
				return err
			}
			records = records[:0]
		}
	}
	for record := range slices.Chunk(records, 3) {
		if _, err := p.put[plane.TableRecords].Exec(record...); err != nil {
			return err
		}
	}
	return nil
}

func (p *statements) writeRow(row *plane.Row) error {
	var err error
	keys := [...]any{row.Key, row.Sub}
	args := keys[:len(tableSQL[row.Table].keys):len(tableSQL[row.Table].keys)]
	switch {
	case row.Document == nil:
		_, err = p.remove[row.Table].Exec(args...)
	case row.Table == plane.TableRollouts:
		_, err = p.put[row.Table].Exec(row.Key, string(row.Document), row.Position)
	default:
		_, err = p.put[row.Table].Exec(append(args, string(row.Document))...)
	}
	return err
}

// The rows of plane_settings. The documents of log and checkpoint have the number
// of a log entry: the last one whose effects are in the tables, or in the
// checkpoint.
const (
	settingLog        = "log"
	settingCheckpoint = "checkpoint"
	// settingReplay exists for [replayFor] from when it was found that the file is
	// older than what was acknowledged. Its document has the instant.
	settingReplay = "replay"
	// settingProbe exists only while probe runs. After a crash in between it
	// stays, and means nothing.
	settingProbe = "probe"
	dropProbe    = "DELETE FROM plane_settings WHERE name = 'probe'"
)

func settingOf(number wire.Seq) string { return fmt.Sprintf(`{"logged":%d}`, number) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum returns the CRC-32C of an entry's row, with a zero byte after each
// column. A row that was damaged on the disk no longer matches it.
func checksum(e *plane.Entry, input, act []byte) uint32 {
	sum := uint32(0)
	for _, column := range [...]string{fmt.Sprint(uint64(e.Number)), e.At.String(), string(e.Kind), string(e.Hostname), string(e.RolloutID), string(e.Outcome)} {
		sum = crc32.Update(sum, castagnoli, []byte(column))
		sum = crc32.Update(sum, castagnoli, []byte{0})
	}
	sum = crc32.Update(sum, castagnoli, input)
	if len(act) == 0 { // of an entry that is no act, as older builds wrote all
		return sum
	}
	return crc32.Update(crc32.Update(sum, castagnoli, []byte{0}), castagnoli, act)
}
