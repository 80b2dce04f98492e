package certfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// maxSize bounds a file, in bytes. The largest bundles, those of every public CA,
// have 250 KiB.
const maxSize = 4 << 20

// maxReadings is how often Read tries to see the same content twice.
const maxReadings = 5

// Texts are the contents of files that were read together.
type Texts [][]byte

// Equal reports whether the contents are the same.
func (t Texts) Equal(other Texts) bool { return slices.EqualFunc(t, other, bytes.Equal) }

// Read reads files that belong together. It reads until two readings in a row are
// the same, so that a change of all files at once, such as a symbolic link that
// gets a new target, is seen either completely or not at all. Files that are
// replaced one after the other with a pause between them need a check of their own:
// [Pair] refuses a key of another certificate.
//
// known is what was read before, or nil; if the files have it still, one reading is
// enough. A pipe is read once, since it has nothing to read again; see [Regular].
func Read(known Texts, paths ...string) (Texts, error) {
	before, err := readOnce(paths)
	if err != nil || known != nil && before.Equal(known) || !Regular(paths...) {
		return before, err
	}
	for range maxReadings - 1 {
		texts, err := readOnce(paths)
		if err != nil {
			return nil, err
		}
		if texts.Equal(before) {
			return texts, nil
		}
		before = texts
	}
	return nil, fmt.Errorf("%s: changed between any two of %d readings; want files that are replaced as a whole", paths[0], maxReadings)
}

func readOnce(paths []string) (Texts, error) {
	texts := make(Texts, len(paths))
	for i, path := range paths {
		text, err := readFile(path)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("larger than 4 MiB; want a PEM file")}
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

// FileOf returns the path of the file that an error of [Read] is about; empty for none
// in particular.
func FileOf(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Path
	}
	return ""
}

// Regular reports whether every path leads to a regular file, so that it can be
// read again. Symbolic links are followed.
func Regular(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && !info.Mode().IsRegular()
	})
}

// KeyWarning says what is wrong with the permissions of a key's file; it is empty
// if nothing is. A group that may read it is no problem: service managers and
// orchestrators hand keys to a process by its group.
func KeyWarning(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o022 != 0:
		return fmt.Sprintf("%s: other users can write the key (mode %04o); want 0600: chmod 600 %s", path, mode, path)
	case mode&0o004 != 0:
		return fmt.Sprintf("%s: every user can read the key (mode %04o); want 0600: chmod 600 %s", path, mode, path)
	}
	return ""
}
