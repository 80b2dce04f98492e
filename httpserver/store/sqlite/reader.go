package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
)

// Reader is a database file that is open for reading, possibly while a plane has
// it open for writing. It sees one state of the file until it is closed, and
// changes nothing.
type Reader struct {
	path string
	// version is the schema version of the file.
	version int
	pool    *sql.DB
	conn    *sql.Conn
	tx      *sql.Tx
}

// ErrMissing means that there is no file at the path.
var ErrMissing = errors.New("no such file")

// errOlderSchema means that a file has to be migrated before it can be read.
var errOlderSchema = errors.New("written by an older build of refrain")

// OpenReader opens the database file at path for reading. It refuses a file that
// is not one of refrain's, or that has another schema than this build's. The file
// and its directory may be read-only, unless commits in the write-ahead log are
// missing in the file. An error names the file, and wraps [ErrMissing] or
// [ErrForeign] where one of these is the reason.
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	r, err := openReader(ctx, path, surroundingsOf, false)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return r, nil
}

// openReader is OpenReader; anyVersion accepts a file of an older schema, which can
// only be copied.
func openReader(ctx context.Context, path string, look func(string) (surroundings, error), anyVersion bool) (*Reader, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrMissing
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errIsDirectory
	}
	real, err := dbfile.Resolve(path)
	if err != nil {
		return nil, err
	}
	if err := dbfile.NotMounted(real); err != nil {
		return nil, err
	}
	if err := dbfile.MayRead(real); err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	around, err := look(real)
	if err != nil {
		return nil, err
	}
	immutable, err := around.immutable()
	if err != nil {
		return nil, err
	}
	r := &Reader{path: real}
	if r.pool, err = sql.Open("sqlite", dsn(real, "ro", immutable)); err != nil {
		return nil, err
	}
	if err := r.begin(ctx, anyVersion); err != nil {
		_ = r.Close()
		if around.readOnly && around.wal > 0 && cannotOpen(err) {
			return nil, around.unreadable()
		}
		return nil, explainOpen(real, err)
	}
	return r, nil
}

func (r *Reader) begin(ctx context.Context, anyVersion bool) (err error) {
	if r.conn, err = firstConn(ctx, r.pool); err != nil {
		return err
	}
	r.version, err = identify(ctx, r.conn)
	switch {
	case err != nil:
		return err
	case r.version == 0:
		return fmt.Errorf("%w: the file is empty", ErrForeign)
	case r.version < len(migrations) && !anyVersion:
		return fmt.Errorf("%w: its schema version is %d, this build needs %d; refrain serve migrates it at the next start", errOlderSchema, r.version, len(migrations))
	}
	// The transaction sees the state of its first read.
	if r.tx, err = r.conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
		return err
	}
	var one int
	return r.tx.QueryRowContext(ctx, "SELECT count(*) FROM plane_settings").Scan(&one)
}

// Close closes the file.
func (r *Reader) Close() error {
	if r.tx != nil {
		_ = r.tx.Rollback() // nothing was written
	}
	if r.conn != nil {
		_ = r.conn.Close()
	}
	return r.pool.Close()
}
