package sqlite

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// The layouts: https://sqlite.org/fileformat2.html.
const (
	headerBytes      = 100
	walHeaderBytes   = 32
	frameHeaderBytes = 24
)

// headerSum returns the checksum of a database's header. The header has the size
// of the database and the counters of its changes, so a copy of another moment
// has another one, unless it has the same pages.
func headerSum(file io.ReaderAt) (uint32, error) {
	header := make([]byte, headerBytes)
	if n, err := file.ReadAt(header, 0); err != nil && !(errors.Is(err, io.EOF) && n == 0) {
		return 0, err
	}
	return crc32.Checksum(header, castagnoli), nil
}

// walHeaderSums returns the checksums of the database headers that a write-ahead
// log has: those of the copies of page 1 in it. A checkpoint that was interrupted
// has left one of them in the database.
func walHeaderSums(path string) (sums []uint32, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, walHeaderBytes)
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, nil // too short to have a page
	}
	frame := int64(frameHeaderBytes + binary.BigEndian.Uint32(head[8:]))
	about := make([]byte, frameHeaderBytes+headerBytes)
	for at := int64(walHeaderBytes); ; at += frame {
		if _, err := file.ReadAt(about, at); err != nil {
			return sums, nil // the end
		}
		if sum := crc32.Checksum(about[frameHeaderBytes:], castagnoli); binary.BigEndian.Uint32(about) == 1 && !slices.Contains(sums, sum) {
			sums = append(sums, sum)
		}
	}
}
