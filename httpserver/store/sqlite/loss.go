package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
)

// replayFor is how long each start asks the hosts for replays after a loss
// (PROTOCOL H8).
const replayFor = 7 * 24 * time.Hour

// examine compares the file with its mark before it is opened for writing. If the
// end of the log is missing, or the write-ahead log may belong to another file, the
// log is walked: a file that contradicts its log is left as it is. The connections
// that read it change nothing.
func (db *DB) examine(ctx context.Context) error {
	f := db.files
	if err := f.verifyFormat(); err != nil {
		return err
	}
	mark, err := f.mark.Read()
	if errors.Is(err, dbfile.ErrNoMark) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s%s: %w", filepath.Base(f.path), dbfile.MarkSuffix, err)
	}
	f.acked = wire.Seq(mark.Entry)
	wal, err := dbfile.Look(f.path + dbfile.WALSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.main.Size == 0 {
		// SQLite removes the write-ahead log of an empty file. It has commits.
		if f.wal = wal; wal.Size > 0 {
			_, err = f.keepWAL()
			return err
		}
		return nil
	}
	paired := true
	if wal.Size > 0 {
		if paired, err = f.paired(&mark); err != nil {
			return err
		}
	}
	last, err := lastLogged(ctx, f.path)
	switch {
	case errors.Is(err, errOlderSchema), errors.Is(err, ErrForeign), errors.Is(err, ErrNewer):
		return nil // connect migrates it, or says so
	case err == nil && last >= f.acked && paired:
		return nil
	case err == nil:
		err = auditFor(ctx, f.path, 0)
	}
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case !paired:
		return fmt.Errorf("%w (%w); nothing was changed", f.notPaired(), err)
	}
	return fmt.Errorf("its end is damaged: the last entry is %d, and entry %d was acknowledged (%w); nothing was changed", last, f.acked, errors.Join(ErrMismatch, err))
}

// paired reports whether the database is the one that the write-ahead log beside it
// is known to belong to. If it may belong to it, since a checkpoint was interrupted
// or both files were moved, that is no error, and an audit has to decide.
func (f *files) paired(mark *dbfile.Mark) (bool, error) {
	header, err := headerSum(f.held.File)
	if err != nil {
		return false, err
	}
	// The device number is left out: a machine may number its disks anew at a boot.
	is, was := f.main, mark.File
	if header == mark.Header {
		return is.Inode == was.Inode && is.Size == was.Size && is.Modified == was.Modified, nil
	}
	sums, err := walHeaderSums(f.path + dbfile.WALSuffix)
	if err == nil && !slices.Contains(sums, header) {
		err = fmt.Errorf("%w; nothing was changed", f.notPaired())
	}
	return false, err
}

func (f *files) notPaired() error {
	return fmt.Errorf("it is not the file that %s%s belongs to: it was replaced or written over while a plane used it: %w", filepath.Base(f.path), dbfile.WALSuffix, ErrMismatch)
}

// ErrMismatch means that the database and the write-ahead log beside it do not
// belong together.
var ErrMismatch = errors.New("the database with its write-ahead log contradicts itself")

// lastLogged returns the number of the last entry of the file at path.
func lastLogged(ctx context.Context, path string) (wire.Seq, error) {
	r, err := OpenReader(ctx, path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return lastEntry(ctx, r.tx)
}

// settle comes after the database was opened: it finds out whether entries are
// missing that were acknowledged, and writes down that the hosts have to be asked.
func (db *DB) settle(ctx context.Context) error {
	last, err := lastEntry(ctx, db.writer) // creates the write-ahead log
	if err != nil {
		return err
	}
	if err := db.files.connected(); err != nil {
		return err
	}
	if last < db.files.acked {
		db.lost = db.files.acked - last
		if err := requestReplays(ctx, db.writer, time.Now()); err != nil {
			return explainBusy(err)
		}
	}
	if db.replay, err = replaysUntil(ctx, db.writer); err != nil {
		return err
	}
	db.health.opened(db.lost, last, db.replay)
	db.health.measured(sizesOf(db.path))
	db.files.acknowledge(last)
	if err := db.files.mark.Sync(); err != nil && !db.failing {
		return err
	}
	// While commits fail, a mark that is not on the disk is no reason to load nothing:
	// it only notices less, and it is synced with the next checkpoint.
	return nil
}

// execer runs statements: a connection, or a transaction on one.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// requestReplays writes down that the file is older than what was acknowledged.
func requestReplays(ctx context.Context, q execer, now time.Time) error {
	_, err := q.ExecContext(ctx, putSetting, settingReplay, fmt.Sprintf(`{"since":"%s"}`, now.UTC().Format(time.RFC3339)))
	return err
}

// replaysUntil returns until when replays are requested, zero for not at all.
func replaysUntil(ctx context.Context, q querier) (time.Time, error) {
	var since string
	err := q.QueryRowContext(ctx, "SELECT document ->> '$.since' FROM plane_settings WHERE name = ?", settingReplay).Scan(&since)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, since)
	if err != nil {
		return time.Time{}, fmt.Errorf("plane_settings, %s: %w", settingReplay, err)
	}
	return at.Add(replayFor), nil
}

// removeIfThere removes a file that may be missing.
func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
