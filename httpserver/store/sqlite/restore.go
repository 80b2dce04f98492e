package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
)

// Restored is what a restore did.
type Restored struct {
	// Last is the last entry of the restored log, and LastAt its instant.
	Last   wire.Seq `json:"last_entry"`
	LastAt string   `json:"last_at,omitempty"`
	// Acknowledged is the last entry that the old database is known to have
	// acknowledged, 0 if that is not known.
	Acknowledged wire.Seq `json:"acknowledged"`
	// SchemaVersion is that of the backup; the restored file has that of this build.
	SchemaVersion int `json:"schema_version"`
	// Kept is where the old database is now, empty if there was none. Its
	// write-ahead log, if it had one, is beside it.
	Kept string `json:"kept,omitempty"`
}

// Restore puts a copy of a backup in the place of the database at path, which no
// process may have open for writing ([ErrInUse]). The copy is migrated to the schema of this build and
// audited before anything is changed: a backup that contradicts its log is a
// [Difference], returned as the error. The old database is kept under a dated name,
// with its write-ahead log. Whenever Restore is interrupted, the next start finds
// the old database, or the new one, or refuses and asks for the restore again.
func Restore(ctx context.Context, backup, path string, progress Progress) (r Restored, err error) {
	real, err := dbfile.Resolve(path)
	if err != nil {
		return r, fmt.Errorf("sqlite: %w", err)
	}
	if err := restorable(backup, real); err != nil {
		return r, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	_, statErr := os.Stat(real)
	held, err := dbfile.Lock(real) // creates it if it is missing
	if err != nil {
		return r, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	s := swap{path: real, part: real + ".restoring", existed: statErr == nil}
	if s.existed {
		s.replaced = headOfFile(ctx, real)
	}
	defer func() {
		if err != nil {
			_ = s.removePart()
			if info, statErr := held.File.Stat(); !s.existed && statErr == nil && info.Size() == 0 {
				_ = os.Remove(real)
			}
		}
		_ = held.Close()
	}()
	if r, err = s.prepare(ctx, backup, progress); err != nil {
		return r, fmt.Errorf("sqlite: %s: %w", backup, err)
	}
	for _, step := range s.steps(time.Now()) {
		if err := step(); err != nil {
			return r, fmt.Errorf("sqlite: restore %s: %w", path, err)
		}
	}
	r.Acknowledged, r.Kept = s.acked, s.kept
	return r, nil
}

// restorable refuses a place that a file cannot be put in, and a backup that is
// the database itself.
func restorable(backup, path string) error {
	if err := dbfile.Suitable(path); err != nil && !errors.Is(err, dbfile.ErrHardLinks) {
		return err // an interrupted restore leaves a hard link
	}
	from, err := os.Stat(backup)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup %s: %w", backup, ErrMissing)
	}
	if err != nil {
		return err
	}
	if to, err := os.Stat(path); err == nil && to.IsDir() {
		return errIsDirectory
	} else if err == nil && os.SameFile(from, to) {
		return fmt.Errorf("the backup %s is the database itself; want another file", backup)
	}
	return nil
}

// swap puts a prepared file in the place of a database.
type swap struct {
	path, part string
	existed    bool // there was a database
	last       wire.Seq
	acked      wire.Seq // of the old database
	kept       string
	replaced   *wire.ActHead // the head of the old database's chain of acts; nil if it is not known
}

// prepare makes the file that is to take the place of the database: a copy of the
// backup, migrated, marked for replays, and audited.
func (s *swap) prepare(ctx context.Context, backup string, progress Progress) (r Restored, err error) {
	if err := s.removePart(); err != nil {
		return r, err
	}
	from, err := openReader(ctx, backup, surroundingsOf, true)
	if err != nil {
		return r, err
	}
	defer from.Close()
	r.SchemaVersion = from.version
	if err := from.Backup(ctx, s.part); err != nil {
		return r, err
	}
	if err := bringUpToDate(ctx, s.part, s.replaced); err != nil {
		return r, err
	}
	copied, err := OpenReader(ctx, s.part)
	if err != nil {
		return r, err
	}
	defer copied.Close()
	report, err := copied.Audit(ctx, progress)
	if err != nil {
		return r, err
	}
	if report.Difference != nil {
		return r, report.Difference
	}
	stats, err := copied.Stats(ctx)
	r.Last, r.LastAt, s.last = stats.Last, stats.LastAt, stats.Last
	return r, err
}

// bringUpToDate migrates a copy to the schema of this build, and notes that it was
// restored and is older than what was acknowledged.
func bringUpToDate(ctx context.Context, path string, replaced *wire.ActHead) error {
	pool, err := sql.Open("sqlite", dsn(path, "rw", false))
	if err != nil {
		return err
	}
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	version, err := identify(ctx, conn)
	if err != nil {
		return err
	}
	if err := migrate(ctx, conn, version, migrations); err != nil {
		return err
	}
	if err := noteRestoration(ctx, conn, time.Now(), replaced); err != nil {
		return err
	}
	return requestReplays(ctx, conn, time.Now())
}

// steps are what the swap consists of. After each of them the files are such that
// a start finds a whole database or refuses: a database without its write-ahead
// log still has its second name then, which a start does not accept.
func (s *swap) steps(now time.Time) []func() error {
	sync := func() error { return syncFile(filepath.Dir(s.path)) }
	return []func() error{
		s.readMark,
		func() error { return s.keep(now) },
		sync,
		func() error { return removeIfThere(s.path + dbfile.WALSuffix) },
		func() error { return removeIfThere(s.path + dbfile.IndexSuffix) },
		sync,
		s.own,
		func() error { return syncFile(s.part) },
		func() error { return os.Rename(s.part, s.path) },
		sync,
		s.writeMark,
	}
}

func (s *swap) readMark() error {
	m, err := dbfile.OpenMark(s.path)
	if err != nil {
		return err
	}
	defer m.Close()
	mark, err := m.Read()
	if errors.Is(err, dbfile.ErrNoMark) {
		return nil
	}
	s.acked = wire.Seq(mark.Entry)
	return err
}

// keep gives the old database and its write-ahead log second names. A write-ahead
// log whose database is gone is kept as well.
func (s *swap) keep(now time.Time) error {
	if !s.existed {
		wal := s.path + dbfile.WALSuffix
		err := os.Link(wal, fmt.Sprintf("%s.%s", wal, now.UTC().Format(asideFormat)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for n := 0; ; n++ {
		kept := fmt.Sprintf("%s.replaced-%s", s.path, now.UTC().Format(asideFormat))
		if n > 0 {
			kept = fmt.Sprintf("%s-%d", kept, n)
		}
		err := os.Link(s.path, kept)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("keep the old database: %w", err)
		}
		s.kept = kept
		break
	}
	err := os.Link(s.path+dbfile.WALSuffix, s.kept+dbfile.WALSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the old write-ahead log: %w", err)
	}
	return nil
}

// own gives the new files the owner of the old database, or of its directory, so
// that a restore by root leaves no file that the service cannot open.
func (s *swap) own() error {
	model := filepath.Dir(s.path)
	if s.existed {
		model = s.path
	}
	for _, path := range []string{s.part, s.path + dbfile.LockSuffix, s.path + dbfile.MarkSuffix} {
		if err := dbfile.GiveTo(path, model); err != nil {
			return err
		}
	}
	return nil
}

func (s *swap) writeMark() error {
	m, err := dbfile.OpenMark(s.path)
	if err != nil {
		return err
	}
	defer m.Close()
	main, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer main.Close()
	mark := dbfile.Mark{Entry: uint64(s.last)}
	if mark.Header, err = headerSum(main); err != nil {
		return err
	}
	if mark.File, err = dbfile.Look(s.path); err == nil {
		err = m.Write(mark)
	}
	if err == nil {
		err = m.Sync()
	}
	return err
}

// removePart removes what an earlier attempt left.
func (s *swap) removePart() error {
	for _, suffix := range []string{"", ".part", "-journal", dbfile.WALSuffix, dbfile.IndexSuffix} {
		if err := removeIfThere(s.part + suffix); err != nil {
			return err
		}
	}
	return nil
}
