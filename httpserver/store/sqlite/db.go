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

// DB is an open file. Load and Commit are for one goroutine, and not at the
// same time; Events is for any. It is made with [Open].
type DB struct {
	path string // without symbolic links
	lock *os.File

	// reading is held by who reads beside the writer: the connections are not
	// closed meanwhile, and so no lock of SQLite's is lost with them.
	reading sync.RWMutex
	mu      sync.Mutex // guards what follows; db is written with both held
	db      *sql.DB
	writer  *sql.Conn
	prepped *statements
	// suspect says that a commit failed: what the connections believe is not
	// relied on any more.
	suspect bool
	closed  bool
}

// Open opens the store in the file at path, making it if there is none; the
// directory must be there. The file is this process's until [DB.Close], or
// until the process ends. The error names the file and is or wraps [ErrInUse],
// [ErrForeign] or [ErrNewer] where it is one of these.
func Open(ctx context.Context, path string) (*DB, error) {
	if path == "" {
		return nil, errors.New("sqlite: the path is empty; want a file")
	}
	real, err := realPath(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	held, err := lock(real)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	// It keeps what a commit promises and skips a journal entry for timestamps
	// that nobody reads. Where there is no such call, fsync stays.
	_, _ = driver.Fdatasync(true)
	s := &DB{path: real, lock: held}
	if err := s.connect(ctx); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return s, nil
}

// realPath returns the path without symbolic links, so that a file has one name
// and one lock. The file need not be there, its directory has to.
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
		return "", fmt.Errorf("the directory of %s: %w; make it first", path, err)
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// connect opens the database and sees to it that it is ours and up to date.
func (s *DB) connect(ctx context.Context) error {
	if err := ours(s.path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(s.path, "rw"))
	if err != nil {
		return err
	}
	if err := s.prepare(ctx, db); err != nil {
		_ = db.Close()
		return err
	}
	return nil
}

// ours makes the file if there is none, readable by its owner alone, and refuses
// one that is no database before SQLite looks at it.
func ours(path string) error {
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

// dsn is how the driver is told of a file. Every connection of the pool gets
// these pragmas; those that write to the file are not among them.
func dsn(path, mode string) string {
	query := url.Values{
		"mode":    {mode},
		"_pragma": {"busy_timeout(5000)", "synchronous(FULL)", "temp_store(MEMORY)"},
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// firstConn makes the first connection to a database, which finds out whether it
// is one.
func firstConn(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	conn, err := db.Conn(ctx)
	if isNotADatabase(err) {
		return nil, ErrForeign
	}
	return conn, err
}

func (s *DB) prepare(ctx context.Context, db *sql.DB) error {
	writer, err := firstConn(ctx, db)
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
		return fmt.Errorf("its file system takes no write-ahead log (the journal mode stays %s); want a local disk", mode)
	}
	if err := migrate(ctx, writer, version, migrations); err != nil {
		return err
	}
	prepped, err := prepareStatements(ctx, writer)
	if err != nil {
		return err
	}
	s.db, s.writer, s.prepped, s.suspect = db, writer, prepped, false
	return nil
}

// reconnect opens the database anew if a commit failed. What the file then says
// is what is so: half of a transaction is not in it, and a whole one may be even
// if its commit failed.
func (s *DB) reconnect(ctx context.Context) error {
	if s.closed {
		return errors.New("sqlite: it is closed")
	}
	if s.db != nil && !s.suspect {
		return nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	s.disconnect()
	err := s.connect(ctx)
	if err == nil {
		if err = s.probe(); err != nil {
			s.suspect = true // not before the disk takes something is it relied on
		}
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", s.path, err)
	}
	return nil
}

// probeBytes is how much a disk that has failed must take before the store serves
// again: as much as a large event, so that a full disk is not taken for a well
// one and back with every batch.
const probeBytes = 64 << 10

// probe writes something and takes it away again.
func (s *DB) probe() error {
	for _, step := range []func() error{
		func() error {
			_, err := s.prepped.setting.Exec(settingProbe, strings.Repeat(" ", probeBytes))
			return err
		},
		func() error { _, err := s.writer.ExecContext(context.Background(), dropProbe); return err },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("the disk takes nothing: %w", err)
		}
	}
	return nil
}

// disconnect closes the connections. The error is of the checkpoint that the
// last one makes, and loses nothing: it is made at the next start.
func (s *DB) disconnect() {
	if s.db == nil {
		return
	}
	s.prepped.close() // a connection with open statements would not end
	_ = s.writer.Close()
	_ = s.db.Close()
	s.db, s.writer, s.prepped = nil, nil, nil
}

// Path returns the file that the store is in, without symbolic links.
func (s *DB) Path() string { return s.path }

// Close ends the use of the store and lets another process have the file.
func (s *DB) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.reading.Lock()
	defer s.reading.Unlock()
	s.disconnect()
	return s.lock.Close()
}

// isNotADatabase reports whether SQLite found something else than a database.
func isNotADatabase(err error) bool {
	var known *driver.Error
	return errors.As(err, &known) && known.Code()&0xff == sqlite3.SQLITE_NOTADB
}
