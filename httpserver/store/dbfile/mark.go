package dbfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
)

// Mark says what a database had at least when it was last written: it is kept in
// a file of its own, so that a database that lost its end, or was replaced, can be
// told from one that is whole.
//
// It is written before the caller is answered and not synced: it survives the
// death of the process. After a power failure it may be older than the database
// by as much as the kernel had not written yet (usually at most 30 s), and then a
// loss within that time is not noticed. It is never newer than what was durable.
type Mark struct {
	// Entry is the last log entry that was acknowledged.
	Entry uint64 `json:"entry"`
	// File is the database that has it, as the last checkpoint left it, and Header
	// the CRC-32C of its header.
	File   Identity `json:"file"`
	Header uint32   `json:"header"`
}

// markBytes is the size of a mark file, whatever it says, so that writing it needs
// no space on a full disk.
const markBytes = 256

// ErrNoMark means that there is no mark, or that it cannot be read.
var ErrNoMark = errors.New("no mark of what was acknowledged")

// MarkFile is the file of a [Mark].
type MarkFile struct{ file *os.File }

// OpenMark opens the mark of the database at a resolved path, and creates an empty
// one if there is none.
func OpenMark(path string) (*MarkFile, error) {
	file, err := os.OpenFile(path+MarkSuffix, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	return &MarkFile{file}, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Read returns the mark, or [ErrNoMark].
func (m *MarkFile) Read() (Mark, error) {
	text := make([]byte, markBytes)
	n, err := m.file.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Mark{}, err
	}
	doc, sum, _ := strings.Cut(strings.TrimRight(string(text[:n]), " \n\x00"), " ")
	var mark Mark
	if sum != checksum(doc) || json.Unmarshal([]byte(doc), &mark) != nil {
		return Mark{}, ErrNoMark
	}
	return mark, nil
}

func checksum(doc string) string {
	return fmt.Sprintf("%08x", crc32.Checksum([]byte(doc), castagnoli))
}

// Write replaces the mark.
func (m *MarkFile) Write(mark Mark) error {
	doc, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.NewOffsetWriter(m.file, 0), "%-*s\n", markBytes-1, string(doc)+" "+checksum(string(doc)))
	return err
}

// Sync makes the mark survive a power failure.
func (m *MarkFile) Sync() error { return m.file.Sync() }

// Close closes the file.
func (m *MarkFile) Close() error { return m.file.Close() }
