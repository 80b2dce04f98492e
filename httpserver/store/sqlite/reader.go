package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Reader is a file that is opened to be read, beside a plane that may be using it.
// It sees one state of the file until it is closed, and changes nothing.
type Reader struct {
	path string
	db   *sql.DB
	conn *sql.Conn
	tx   *sql.Tx
}

// OpenReader opens the store in the file at path for reading. It is refused if it
// is not ours or of another schema than this build's.
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	l, err := openReader(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	return l, nil
}

func openReader(ctx context.Context, path string) (*Reader, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file")
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a directory; want the file")
	}
	real, err := realPath(path)
	if err != nil {
		return nil, err
	}
	l := &Reader{path: real}
	if l.db, err = sql.Open("sqlite", dsn(real, "ro")); err != nil {
		return nil, err
	}
	if err := l.begin(ctx); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Reader) begin(ctx context.Context) (err error) {
	if l.conn, err = firstConn(ctx, l.db); err != nil {
		return err
	}
	switch version, err := identify(ctx, l.conn); {
	case err != nil:
		return err
	case version == 0:
		return fmt.Errorf("%w: it is empty", ErrForeign)
	case version < len(migrations):
		return fmt.Errorf("its schema is version %d, this build's is %d; a start of refrain serve on it migrates it", version, len(migrations))
	}
	// The transaction sees what is there at its first read.
	if l.tx, err = l.conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
		return err
	}
	var one int
	return l.tx.QueryRowContext(ctx, "SELECT count(*) FROM plane_settings").Scan(&one)
}

// Close ends the look.
func (l *Reader) Close() error {
	if l.tx != nil {
		_ = l.tx.Rollback() // nothing was written
	}
	if l.conn != nil {
		_ = l.conn.Close()
	}
	return l.db.Close()
}
