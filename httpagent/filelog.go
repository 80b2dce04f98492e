package httpagent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/refrain-fleet/refrain/core/agent"
)

// ErrInUse says that another process, or another log of this one, has the file.
var ErrInUse = errors.New("the log is in use by another agent")

var errNotLoaded = errors.New("it is closed, or has failed and was not loaded again")

// FileLog is a log on disk: a text file with one entry a line. Beside it are a
// lock file, which keeps a second agent out, and during a compaction the file
// that will replace it.
type FileLog struct {
	path string
	log  *slog.Logger
	lock *os.File
	// file is open for appending; nil if the log failed, or is closed.
	file *os.File
	// sync makes a file durable. Tests make it fail.
	sync func(*os.File) error
}

// OpenFileLog opens the log at path, or makes an empty one in a directory that
// exists. It is [ErrInUse] if another agent has it. Notices go to logger; nil
// is [slog.Default].
func OpenFileLog(path string, logger *slog.Logger) (*FileLog, error) {
	if path == "" {
		return nil, errors.New("log file: the path is empty; want one")
	}
	if logger == nil {
		logger = slog.Default()
	}
	held, err := lock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("log file %s: %w", path, err)
	}
	return &FileLog{path: path, log: logger, lock: held, sync: (*os.File).Sync}, nil
}

func (l *FileLog) wrap(err error) error { return fmt.Errorf("log file: %w", err) }

// Load implements [Log]. An incomplete last line, left by a crash, is truncated
// with a notice.
func (l *FileLog) Load() ([]byte, error) {
	if l.lock == nil {
		return nil, l.wrap(os.ErrClosed)
	}
	data, err := os.ReadFile(l.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, l.wrap(err)
	}
	lines := data[:agent.WholeLines(data)]
	if torn := len(data) - len(lines); torn > 0 {
		l.log.Warn("truncated an incomplete line at the end of the agent's log, left by a crash; it was never durable, and nothing of it was sent",
			"file", l.path, "bytes", torn)
	}
	if l.file == nil {
		// What was read may be in memory only: it was written by a process that
		// died before its sync, or by one whose sync failed, after which a
		// second one proves nothing. So all of it is written again.
		if err := l.write(lines); err != nil {
			return nil, l.wrap(err)
		}
	}
	return lines, nil
}

// Append implements [Log].
func (l *FileLog) Append(lines []byte, sync bool) error {
	if l.file == nil {
		return l.wrap(errNotLoaded)
	}
	_, err := l.file.Write(lines)
	if err == nil && sync {
		err = l.sync(l.file)
	}
	if err != nil {
		l.fail()
		return l.wrap(err)
	}
	return nil
}

// Replace implements [Log].
func (l *FileLog) Replace(lines []byte) error {
	if l.file == nil {
		return l.wrap(errNotLoaded)
	}
	if err := l.write(lines); err != nil {
		return l.wrap(err)
	}
	return nil
}

// write writes a whole log, beside the old one until it is durable.
func (l *FileLog) write(lines []byte) error {
	temp := l.path + ".new"
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(lines)
	if err == nil {
		err = l.sync(file)
	}
	if err == nil {
		err = os.Rename(temp, l.path)
	}
	if err != nil {
		file.Close()
		os.Remove(temp)
		return err
	}
	l.fail()
	// A crash may bring the old file back until the directory is durable too,
	// and what is appended before would be lost with the new one.
	if err := l.syncDirectory(); err != nil {
		file.Close()
		return err
	}
	l.file = file
	return nil
}

func (l *FileLog) syncDirectory() error {
	dir, err := os.Open(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	return errors.Join(l.sync(dir), dir.Close())
}

// fail closes the log; Append fails until it is loaded again.
func (l *FileLog) fail() {
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// Close implements [Log].
func (l *FileLog) Close() error {
	if l.lock == nil {
		return nil
	}
	var err error
	if l.file != nil {
		err = l.sync(l.file)
	}
	l.fail()
	if err = errors.Join(err, unlock(l.lock)); err != nil {
		err = l.wrap(err)
	}
	l.lock = nil
	return err
}
