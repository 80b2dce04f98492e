package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/refrain-fleet/refrain/httpserver/store"
)

var _ store.Store = (*DB)(nil)

// DB is a database file that this process has open for writing. It is made with
// [Open]. One goroutine calls Load, Commit, Repair, Compact and Close; Events is
// for any goroutine.
type DB struct {
	path string // without symbolic links
	lock *os.File

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
	closed  bool
}

// Open opens the database file at path and creates it if there is none; its
// directory has to exist. The file is locked for this process until [DB.Close],
// or until the process ends. An error names the file, and wraps [ErrInUse],
// [ErrForeign] or [ErrNewer] where one of these is the reason.
func Open(ctx context.Context, path string) (*DB, error) {
	if path == "" {
		return nil, errors.New("sqlite: path is empty; want a file")
	}
	real, err := realPath(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if info, err := os.Stat(real); err == nil && info.IsDir() {
		return nil, fmt.Errorf("sqlite: %s: %w", path, errIsDirectory)
	}
	held, err := lock(real)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	// fdatasync keeps the promise of a commit and skips a journal entry for
	// timestamps, which nothing reads. Where it does not exist, fsync is used.
	_, _ = driver.Fdatasync(true)
	db := &DB{path: real, lock: held}
	if err := db.connect(ctx); err != nil {
		db.lock.Close()
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return db, nil
}

// realPath returns the path without symbolic links, so that a file has one name
// and one lock. The file may be missing, its directory may not.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("the directory of %s: %w; create it first", path, err)
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// connect opens the database, verifies that it is one of refrain's and brings it
// to the current schema.
func (db *DB) connect(ctx context.Context) error {
	if err := createOrVerify(db.path); err != nil {
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
	return nil
}

// createOrVerify creates the file if there is none, readable by its owner alone,
// and refuses a file that is no SQLite database before SQLite opens it.
func createOrVerify(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	const magic = "SQLite format 3\x00"
	header := make([]byte, len(magic))
	if n, _ := file.ReadAt(header, 0); n > 0 && string(header[:n]) != magic {
		return ErrForeign
	}
	return nil
}

// dsn returns the driver's data source name for a file. Its pragmas apply to
// every connection of the pool; those that write to the file are not among them.
// An immutable file is read without locks and without a write-ahead log.
func dsn(path, mode string, immutable bool) string {
	query := url.Values{
		"mode":    {mode},
		"_pragma": {"busy_timeout(5000)", "synchronous(FULL)", "temp_store(MEMORY)"},
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
	db.reading.Lock()
	defer db.reading.Unlock()
	db.disconnect()
	err := db.connect(ctx)
	if err == nil {
		if err = db.probe(); err != nil {
			db.suspect = true // until a probe succeeds
		}
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", db.path, err)
	}
	return nil
}

// probeBytes is the size of the write that has to succeed after a failure before
// the database is used again: as much as a large event, so that a full disk does
// not alternate between working and failing with every batch.
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
			return fmt.Errorf("disk write probe failed: %w", err)
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
}

// Path returns the path of the file, without symbolic links.
func (db *DB) Path() string { return db.path }

// Close closes the file and releases its lock.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	db.reading.Lock()
	defer db.reading.Unlock()
	db.disconnect()
	return db.lock.Close()
}

// isNotADatabase reports whether SQLite found a file of another format.
func isNotADatabase(err error) bool {
	var known *driver.Error
	return errors.As(err, &known) && known.Code()&0xff == sqlite3.SQLITE_NOTADB
}
