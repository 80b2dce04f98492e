package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// applicationID marks refrain's files in the header of the database: "Rfrn".
const applicationID = 0x5266726e

// migrations bring a file from one schema version to the next: the first one
// brings an empty file to version 1. A migration that was released never changes.
var migrations = []string{schemaV1, schemaV2, schemaV3}

const schemaV1 = `
CREATE TABLE event_log (
	number     INTEGER PRIMARY KEY,
	at         TEXT NOT NULL,
	kind       TEXT NOT NULL,
	hostname   TEXT NOT NULL,
	rollout_id TEXT NOT NULL,
	outcome    TEXT NOT NULL,
	input      TEXT NOT NULL,
	checksum   INTEGER NOT NULL
) STRICT;
CREATE INDEX event_log_by_rollout ON event_log (rollout_id);

CREATE TABLE rollouts (
	position         INTEGER PRIMARY KEY,
	rollout_id       TEXT NOT NULL UNIQUE,
	document         TEXT NOT NULL,
	opened_at        TEXT AS (document ->> '$.opened_at'),
	waves_dispatched INTEGER AS (document ->> '$.waves_dispatched'),
	superseded_by    TEXT AS (document ->> '$.superseded_by'),
	halted_by        TEXT AS (document ->> '$.halted_by')
) STRICT;

CREATE TABLE host_rollout_records (
	rollout_id      TEXT NOT NULL,
	hostname        TEXT NOT NULL,
	document        TEXT NOT NULL,
	state           TEXT AS (document ->> '$.record.state'),
	last_event_seq  INTEGER AS (document ->> '$.record.lastEventSeq'),
	target_closure  TEXT AS (document ->> '$.record.targetClosure'),
	current_closure TEXT AS (document ->> '$.record.currentClosure'),
	dispatched_at   TEXT AS (document ->> '$.record.dispatchedAt'),
	soak_due_at     TEXT AS (document ->> '$.record.soakDueAt'),
	ended_at        TEXT AS (document ->> '$.record.endedAt'),
	PRIMARY KEY (rollout_id, hostname)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantined_closures (
	channel  TEXT NOT NULL,
	closure  TEXT NOT NULL,
	document TEXT NOT NULL,
	PRIMARY KEY (channel, closure)
) STRICT, WITHOUT ROWID;

CREATE TABLE revocations (
	common_name TEXT PRIMARY KEY,
	document    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE retired_rollouts (
	rollout_id TEXT PRIMARY KEY,
	document   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE plane_settings (
	name     TEXT PRIMARY KEY,
	document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
	line     INTEGER PRIMARY KEY,
	word     TEXT NOT NULL,
	document TEXT NOT NULL
) STRICT;

CREATE VIEW dispatches AS
	SELECT rec.hostname, rec.rollout_id, rec.target_closure, rec.dispatched_at, rec.soak_due_at
	FROM host_rollout_records AS rec JOIN rollouts AS r USING (rollout_id)
	WHERE rec.state = 'Pending' AND rec.dispatched_at IS NOT NULL
	AND r.superseded_by IS NULL AND r.halted_by IS NULL
	AND NOT EXISTS (
		SELECT 1 FROM quarantined_closures AS q
		WHERE q.channel = substr(rec.rollout_id, 1, instr(rec.rollout_id, '@') - 1) AND q.closure = rec.target_closure
	);
`

// schemaV2 adds the nonces that were used to enrol.
const schemaV2 = `
CREATE TABLE enrolments (
	nonce    TEXT PRIMARY KEY,
	document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`

// schemaV3 adds the chain of operators' acts: the act of an entry, the head of the chain,
// what is left of acts that were removed, and the restores; and what operators have said
// of hosts.
const schemaV3 = `
ALTER TABLE event_log ADD COLUMN act TEXT NOT NULL DEFAULT '';
CREATE INDEX event_log_by_act ON event_log (number) WHERE act <> '';

CREATE TABLE act_chain (
	name     TEXT PRIMARY KEY,
	document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE removed_acts (
	number   INTEGER PRIMARY KEY,
	document TEXT NOT NULL
) STRICT;

CREATE TABLE restorations (
	at       TEXT PRIMARY KEY,
	document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE host_holds (
	hostname TEXT NOT NULL,
	hold     TEXT NOT NULL,
	document TEXT NOT NULL,
	PRIMARY KEY (hostname, hold)
) STRICT, WITHOUT ROWID;
`

// ErrForeign means that a file is not a database of refrain.
var ErrForeign = errors.New("not a refrain database")

// ErrNewer means that a newer build of refrain wrote a file.
var ErrNewer = errors.New("written by a newer build of refrain")

// identify returns the schema version of a database, 0 if it is empty, without
// writing to it.
func identify(ctx context.Context, conn *sql.Conn) (version int, err error) {
	var id, objects int
	for pragma, into := range map[string]*int{"application_id": &id, "user_version": &version} {
		if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(into); err != nil {
			if isNotADatabase(err) {
				return 0, ErrForeign
			}
			return 0, err
		}
	}
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&objects); err != nil {
		return 0, err
	}
	switch {
	case id == 0 && version == 0 && objects == 0:
		return 0, nil
	case id != applicationID:
		return 0, fmt.Errorf("%w: its application_id is %#x, want %#x", ErrForeign, id, applicationID)
	case version < 1:
		return 0, fmt.Errorf("%w: its schema version is %d", ErrForeign, version)
	case version > len(migrations):
		return 0, fmt.Errorf("%w: its schema version is %d, this build supports up to %d; run the newer build, or restore a backup", ErrNewer, version, len(migrations))
	}
	return version, nil
}

// migrate runs the steps that follow a version, each in a transaction of its own.
func migrate(ctx context.Context, conn *sql.Conn, version int, steps []string) error {
	for ; version < len(steps); version++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\nCOMMIT;",
			steps[version], applicationID, version+1)
		if _, err := conn.ExecContext(ctx, script); err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK") // fails if there is no transaction
			return fmt.Errorf("migrate the schema from version %d to %d: %w", version, version+1, err)
		}
	}
	return nil
}
