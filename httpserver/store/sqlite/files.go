package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
)

// ErrReplaced means that the file at the database's path is not the one that is
// open, or that another program wrote over it. What is committed then goes to a
// file that the next start does not find, so nothing is acknowledged.
var ErrReplaced = errors.New("the database was replaced or removed while it is in use; nothing is acknowledged. Stop the plane, then refrain db restore BACKUP; or put the file back")

// errWritten means that the file is the one that is open, and was written to since
// this process did so last; its size and its header are the same.
var errWritten = errors.New("another program wrote to the database file")

// files are the database and what is beside it, as this process left them. What
// another program does to them shows as a difference.
type files struct {
	path string
	held *dbfile.Held
	mark *dbfile.MarkFile
	// main and wal are as the last write of this process left them, header is the
	// checksum of the database's header; acked is the last entry that was
	// acknowledged.
	main, wal dbfile.Identity
	header    uint32
	acked     wire.Seq
	// index is open while the database is; nil without a write-ahead log.
	index *walIndex
}

// holdFiles locks the database at a resolved path.
func holdFiles(path string) (*files, error) {
	if err := dbfile.Suitable(path); err != nil {
		return nil, err
	}
	held, err := dbfile.Lock(path)
	if err != nil {
		return nil, err
	}
	f := &files{path: path, held: held}
	if f.mark, err = dbfile.OpenMark(path); err == nil {
		f.main, err = held.Identity()
	}
	if err != nil {
		_ = f.release()
		return nil, err
	}
	return f, nil
}

func (f *files) release() error {
	err := f.held.Close()
	if f.mark != nil {
		err = errors.Join(err, f.mark.Close())
	}
	return err
}

// verifyFormat refuses a file that is no SQLite database before SQLite opens it.
// An empty file becomes one.
func (f *files) verifyFormat() error {
	const magic = "SQLite format 3\x00"
	header := make([]byte, len(magic))
	if n, _ := f.held.File.ReadAt(header, 0); n > 0 && string(header[:n]) != magic {
		return ErrForeign
	}
	return nil
}

// connected notes the files of connections that were just made.
func (f *files) connected() (err error) {
	if f.wal, err = dbfile.Look(f.path + dbfile.WALSuffix); err != nil {
		return err
	}
	if f.index, err = openWALIndex(f.path); err != nil {
		return err
	}
	return f.wrote()
}

// disconnected comes after the connections were closed.
func (f *files) disconnected() {
	if f.index != nil {
		f.index.close()
		f.index = nil
	}
}

// wrote notes the database as this process has left it.
func (f *files) wrote() (err error) {
	if f.main, err = dbfile.Look(f.path); err != nil {
		return err
	}
	if f.header, err = headerSum(f.held.File); err != nil {
		return err
	}
	if f.index != nil {
		return f.index.read()
	}
	return nil
}

// acknowledge writes the mark. Its errors are not the caller's: the entries are
// durable, and a mark that is too old only notices less.
func (f *files) acknowledge(last wire.Seq) {
	f.acked = last
	_ = f.mark.Write(f.newMark())
}

func (f *files) newMark() dbfile.Mark {
	return dbfile.Mark{Entry: uint64(f.acked), File: f.main, Header: f.header}
}

// check compares the files with what this process left: nil if they are the same,
// and otherwise [ErrReplaced] or errWritten.
func (f *files) check() error {
	main, err := dbfile.Look(f.path)
	if err := f.checkFile("", main, f.main, err); err != nil {
		return err
	}
	if f.index == nil {
		return nil
	}
	wal, err := dbfile.Look(f.path + dbfile.WALSuffix)
	if err := f.checkFile(dbfile.WALSuffix, wal, f.wal, err); err != nil {
		return err
	}
	if main == f.main {
		return nil
	}
	if f.index.advanced() {
		// Another program copied the write-ahead log into the database, as SQLite
		// does in any connection.
		return f.wrote()
	}
	header, err := headerSum(f.held.File)
	if err != nil {
		return err
	}
	if main.Size != f.main.Size || header != f.header {
		return fmt.Errorf("%s has another content (%d bytes, it had %d): %w", filepath.Base(f.path), main.Size, f.main.Size, ErrReplaced)
	}
	return errWritten
}

func (f *files) checkFile(suffix string, has, want dbfile.Identity, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s%s is gone: %w", filepath.Base(f.path), suffix, ErrReplaced)
	case err != nil:
		return err
	case !has.SameFile(want):
		return fmt.Errorf("%s%s is another file (inode %d, the open one has %d): %w", filepath.Base(f.path), suffix, has.Inode, want.Inode, ErrReplaced)
	}
	return nil
}

// verify is check, and walks the log if another program wrote to the database: it
// goes on if the tables match the log, and the log has what was acknowledged. The
// connections stay open meanwhile: closing the last one would copy the write-ahead
// log into a file that it may not belong to.
func (f *files) verify(ctx context.Context) error {
	err := f.check()
	if !errors.Is(err, errWritten) {
		return err
	}
	if err := auditFor(ctx, f.path, f.acked); err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%s was written over by another program (%w): %w", filepath.Base(f.path), err, ErrReplaced)
		}
		return err
	}
	return f.wrote()
}

// auditFor audits the file at path, which has to have the entries up to last.
func auditFor(ctx context.Context, path string, last wire.Seq) error {
	r, err := OpenReader(ctx, path)
	if err != nil {
		return err
	}
	defer r.Close()
	report, err := r.Audit(ctx, nil)
	switch {
	case err != nil:
		return err
	case report.Difference != nil:
		return report.Difference
	case report.Last < last:
		return fmt.Errorf("its log ends at entry %d, and entry %d was acknowledged", report.Last, last)
	}
	return nil
}

// asideFormat dates what is kept beside a database.
const asideFormat = "20060102T150405Z"

// keepWAL gives the write-ahead log of this process another name, so that it is
// not applied to a database that took the place of the one it belongs to.
func (f *files) keepWAL() (kept string, err error) {
	wal := f.path + dbfile.WALSuffix
	if has, err := dbfile.Look(wal); err != nil || !has.SameFile(f.wal) {
		return "", nil // SQLite removed it, or it is another one
	}
	kept = fmt.Sprintf("%s.%s", wal, time.Now().UTC().Format(asideFormat))
	if err := os.Rename(wal, kept); err != nil {
		return "", err
	}
	if err := os.Remove(f.path + dbfile.IndexSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	return kept, syncFile(filepath.Dir(f.path))
}

// Reasons for which a file is not opened.
var (
	// ErrInUse means that another process has the file open for writing.
	ErrInUse = dbfile.ErrInUse
	// ErrMountPoint means that the file is mounted without its directory.
	ErrMountPoint = dbfile.ErrMountPoint
	// ErrHardLinks means that the file has several names.
	ErrHardLinks = dbfile.ErrHardLinks
)
