package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
)

var _ store.Store = (*DB)(nil)

// DB is a database file that this process has open for writing. It is made with
// [Open]. One goroutine calls Load, Commit, Repair, Compact and Close; Events is
// for any goroutine.
type DB struct {
	path  string // without symbolic links
	files *files
	tasks *upkeep

	// reading is held by Events, which reads beside the writer: the connections
	// are not closed meanwhile, so that no lock of SQLite's is lost with them.
	reading sync.RWMutex
	mu      sync.Mutex // guards the fields below; pool is written with both held
	pool    *sql.DB
	writer  *sql.Conn
	prepped *statements
	// suspect means that a commit failed: the connections may disagree with the
	// file, so they are not used again.
	suspect bool
	// failing: a commit failed, and no trial has succeeded since.
	failing bool
	durable wire.Seq // the last entry that is known to be on the disk
	closed  bool
	// lost is how many acknowledged entries were missing when the file was
	// opened; replay is until when replays are requested at each start.
	lost   wire.Seq
	replay time.Time

	health healthState
}

// Open opens the database file at path and creates it if there is none; its
// directory has to exist. The file is locked for this process until [DB.Close],
// or until the process ends. An error names the file, and wraps [ErrInUse],
// [ErrForeign] or [ErrNewer] where one of these is the reason.
func Open(ctx context.Context, path string) (*DB, error) {
	if path == "" {
		return nil, errors.New("sqlite: path is empty; want a file")
	}
	real, err := dbfile.Resolve(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if info, err := os.Stat(real); err == nil && info.IsDir() {
		return nil, fmt.Errorf("sqlite: %s: %w", path, errIsDirectory)
	}
	held, err := holdFiles(real)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	// fdatasync keeps the promise of a commit and skips a journal entry for
	// timestamps, which nothing reads. Where it does not exist, fsync is used.
	_, _ = driver.Fdatasync(true)
	db := &DB{path: real, files: held}
	if err := db.begin(ctx); err != nil {
		_ = db.files.release()
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	db.tasks = startUpkeep(db.maintain)
	return db, nil
}

// begin opens the database for the first time, unless something is wrong that
// opening it would make worse.
func (db *DB) begin(ctx context.Context) error {
	if err := db.examine(ctx); err != nil {
		return err
	}
	return db.connect(ctx)
}

// connect opens the database, verifies that it is one of refrain's and brings it
// to the current schema.
func (db *DB) connect(ctx context.Context) error {
	main, err := dbfile.Look(db.path)
	if err := db.files.checkFile("", main, db.files.main, err); err != nil {
		return err
	}
	if err := db.files.verifyFormat(); err != nil {
		return err
	}
	pool, err := sql.Open("sqlite", dsn(db.path, "rw", false))
	if err != nil {
		return err
	}
	if err := db.prepare(ctx, pool); err != nil {
		_ = pool.Close()
		return explainOpen(db.path, err)
	}
	if err := db.settle(ctx); err != nil {
		db.disconnect()
		return err
	}
	return nil
}

// busyTimeout is how long a commit waits for another program that holds the write
// lock. It is well below the reply timeout, so that the requests are answered
// dropped_reply and the plane is not taken for wedged.
const busyTimeout = 2 * time.Second

var busyPragma = fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout.Milliseconds())

// dsn returns the driver's data source name for a file. Its pragmas apply to
// every connection of the pool; those that write to the file are not among them.
// An immutable file is read without locks and without a write-ahead log.
func dsn(path, mode string, immutable bool) string {
	query := url.Values{
		"mode": {mode},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "wal_autocheckpoint(0)",
			"synchronous(FULL)", "temp_store(MEMORY)",
		},
	}
	if immutable {
		query.Set("immutable", "1")
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// firstConn makes the first connection to a file, which shows whether it is a
// database.
func firstConn(ctx context.Context, pool *sql.DB) (*sql.Conn, error) {
	conn, err := pool.Conn(ctx)
	if isNotADatabase(err) {
		return nil, ErrForeign
	}
	return conn, err
}

func (db *DB) prepare(ctx context.Context, pool *sql.DB) error {
	writer, err := firstConn(ctx, pool)
	if err != nil {
		return err
	}
	version, err := identify(ctx, writer)
	if err != nil {
		return err
	}
	var mode string
	if err := writer.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return fmt.Errorf("switch to the write-ahead log: %w", err)
	}
	if mode != "wal" {
		return fmt.Errorf("its file system does not support a write-ahead log (the journal mode stays %s); want a local disk", mode)
	}
	if err := migrate(ctx, writer, version, migrations); err != nil {
		return err
	}
	prepped, err := prepareStatements(ctx, writer)
	if err != nil {
		return err
	}
	db.pool, db.writer, db.prepped, db.suspect = pool, writer, prepped, false
	return nil
}

// reconnect opens the database again if a commit failed. From then on the file
// is right: no part of a transaction is in it, and a whole one may be, even if
// its commit returned an error.
func (db *DB) reconnect(ctx context.Context) error {
	if db.closed {
		return errors.New("sqlite: the database is closed")
	}
	if db.pool != nil && !db.suspect {
		return nil
	}
	if db.pool != nil {
		if err := db.files.verify(ctx); err != nil {
			return fmt.Errorf("sqlite: %s: %w", db.path, err)
		}
	}
	db.reading.Lock()
	defer db.reading.Unlock()
	db.disconnect()
	if err := db.connect(ctx); err != nil {
		return fmt.Errorf("sqlite: %s: %w", db.path, err)
	}
	return nil
}

// trial is a commit without entries: it shows whether the next one would succeed.
func (db *DB) trial() error {
	err := db.reconnect(context.Background())
	for _, step := range []func() error{db.files.check, db.probe, db.files.check} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		db.suspect = true
		err = fmt.Errorf("sqlite: %s: %w", db.path, err)
		db.health.failed(err)
		return err
	}
	db.failing = false
	db.health.failed(nil)
	return nil
}

// probeBytes is the size of the write of a trial: as much as a large event, so that
// a full disk does not alternate between working and failing with every batch.
const probeBytes = 64 << 10

// probe writes a row and removes it.
func (db *DB) probe() error {
	for _, step := range []func() error{
		func() error {
			_, err := db.prepped.setting.Exec(settingProbe, strings.Repeat(" ", probeBytes))
			return err
		},
		func() error { _, err := db.writer.ExecContext(context.Background(), dropProbe); return err },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("disk write probe failed: %w", explainBusy(err))
		}
	}
	return nil
}

// disconnect closes the connections. The errors are those of the checkpoint that
// SQLite makes when the last connection closes; nothing is lost by them, since
// the next start makes it.
func (db *DB) disconnect() {
	if db.pool == nil {
		return
	}
	db.prepped.close() // a connection with open statements does not close
	_ = db.writer.Close()
	_ = db.pool.Close()
	db.pool, db.writer, db.prepped = nil, nil, nil
	db.files.disconnected()
	// Closing has copied the write-ahead log into the database.
	if main, err := dbfile.Look(db.path); err == nil && main.SameFile(db.files.main) {
		_ = db.files.wrote()
	}
}

// Path returns the path of the file, without symbolic links.
func (db *DB) Path() string { return db.path }

// Close closes the file and releases its lock. If the file was replaced meanwhile,
// the write-ahead log is kept under another name, which the error says, so that it
// is not applied to the new file.
func (db *DB) Close() error {
	db.tasks.stop()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	db.reading.Lock()
	defer db.reading.Unlock()
	var replaced error
	if db.pool != nil {
		replaced = db.files.verify(context.Background())
	}
	if replaced == nil {
		db.disconnect()
		_ = db.files.mark.Write(db.files.newMark())
		return errors.Join(db.files.mark.Sync(), db.files.release())
	}
	// The connections stay open until the process ends, since closing the last one
	// may copy the write-ahead log into the new file.
	kept, err := db.files.keepWAL()
	if kept != "" {
		replaced = fmt.Errorf("%w; its write-ahead log is kept as %s", replaced, kept)
	}
	return fmt.Errorf("sqlite: %s: %w", db.path, errors.Join(replaced, err, db.files.release()))
}

// isNotADatabase reports whether SQLite found a file of another format.
func isNotADatabase(err error) bool {
	var known *driver.Error
	return errors.As(err, &known) && known.Code()&0xff == sqlite3.SQLITE_NOTADB
}
