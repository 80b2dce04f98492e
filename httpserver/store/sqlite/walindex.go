package sqlite

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
)

// walIndex reads the index of the write-ahead log, whose format is fixed
// (https://sqlite.org/walformat.html#the_wal_index_file_format). SQLite has locks
// on the file that closing any descriptor of it releases, so it is closed after
// the connections.
type walIndex struct {
	file *os.File
	walState
}

// walState is how far the write-ahead log is.
type walState struct {
	frames     uint32  // in use
	salt       [8]byte // changes whenever the log begins anew
	backfilled uint32  // frames that are copied into the database
}

// The places of its fields in the index.
const (
	atFrames     = 16
	atSalt       = 32
	atBackfilled = 96
	walIndexHead = 100
)

func openWALIndex(path string) (*walIndex, error) {
	file, err := os.Open(path + dbfile.IndexSuffix)
	if err != nil {
		return nil, err
	}
	return &walIndex{file: file}, nil
}

func (x *walIndex) close() { _ = x.file.Close() }

// read reads how far the log is now.
func (x *walIndex) read() (err error) {
	x.walState, err = x.now()
	return err
}

func (x *walIndex) now() (s walState, err error) {
	head := make([]byte, walIndexHead)
	if _, err := x.file.ReadAt(head, 0); err != nil {
		return s, fmt.Errorf("read the index of the write-ahead log: %w", err)
	}
	s.frames = binary.NativeEndian.Uint32(head[atFrames:])
	s.backfilled = binary.NativeEndian.Uint32(head[atBackfilled:])
	copy(s.salt[:], head[atSalt:])
	return s, nil
}

// advanced reports whether the log was copied into the database since read.
func (x *walIndex) advanced() bool {
	now, err := x.now()
	return err == nil && (now.salt != x.salt || now.backfilled > x.backfilled)
}
