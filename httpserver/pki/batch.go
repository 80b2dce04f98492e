package pki

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// member is a pair to be written: its subdirectory, empty for none, and the stem of
// its file names.
type member struct {
	sub, name string
	pair      tls.Certificate
}

// write writes pairs into dir and its subdirectories, all or none.
func write(dir string, members []member, suffix string, options Options) ([]Issued, error) {
	if err := checkDirectory(dir); err != nil {
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()

	present, err := survey(dir, members, options.Force)
	if err != nil {
		return nil, err
	}
	var changes batch
	issued := make([]Issued, 0, len(members))
	for _, m := range members {
		one, err := changes.addPair(filepath.Join(dir, m.sub), m, present[m.stem()], options.Clock.Now())
		if err != nil {
			return nil, err
		}
		one.Suffix = suffix
		issued = append(issued, one)
	}
	made, err := makeSubdirectories(dir, members)
	if err == nil {
		err = changes.commit(os.Rename)
	}
	if err != nil {
		for _, sub := range made {
			os.Remove(sub)
		}
		return nil, err
	}
	syncDirectories(dir)
	for _, m := range members {
		if m.sub != "" {
			syncDirectories(filepath.Join(dir, m.sub))
		}
	}
	return issued, nil
}

func (m *member) stem() string { return filepath.Join(m.sub, m.name) }

// makeSubdirectories makes the subdirectories that are missing, and returns those.
func makeSubdirectories(dir string, members []member) (made []string, err error) {
	for _, m := range members {
		target := filepath.Join(dir, m.sub)
		if m.sub == "" || slices.Contains(made, target) {
			continue
		}
		switch err := os.Mkdir(target, 0o700); {
		case err == nil:
			made = append(made, target)
		case !errors.Is(err, fs.ErrExist):
			return made, fmt.Errorf("directory: %w", err)
		}
	}
	return made, nil
}

// addPair adds the two files of a pair, and what keeps those that are there.
func (b *batch) addPair(target string, m member, present bool, now time.Time) (Issued, error) {
	certificate, key, err := EncodePair(m.pair)
	if err != nil {
		return Issued{}, err
	}
	leaf, stem := m.pair.Leaf, filepath.Join(target, m.name)
	issued := Issued{
		Name: m.name, CommonName: leaf.Subject.CommonName,
		Certificate: stem + ".crt", Key: stem + ".key",
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Replaced: present,
	}
	if present {
		kept := b.keptStem(target, m.name, now)
		issued.Kept = kept + ".crt"
		for _, file := range []struct {
			ending string
			mode   fs.FileMode
		}{{".key", 0o600}, {".crt", 0o644}} {
			switch text, err := os.ReadFile(stem + file.ending); {
			case err == nil:
				b.add(kept+file.ending, text, file.mode)
			case !errors.Is(err, fs.ErrNotExist):
				return Issued{}, err
			}
		}
	}
	// The key first: a crash between the two leaves a key without a certificate,
	// which the next run reports, and no certificate that looks usable.
	b.add(stem+".key", key, 0o600)
	b.add(stem+".crt", certificate, 0o644)
	return issued, nil
}

// keptMark separates the name of a pair that was replaced from the instant of that. No
// host and no operator has it in its name.
const keptMark = "~"

// keptStem is the stem of the file names under which a replaced pair is kept.
func (b *batch) keptStem(target, name string, now time.Time) string {
	mark := keptMark + now.UTC().Format("20060102T150405Z")
	stem := filepath.Join(target, name[:min(len(name), maxFileStem-len(mark)-len("-99"))]+mark)
	for n := 2; ; n++ {
		if !b.taken(stem+".crt") && !b.taken(stem+".key") {
			return stem
		}
		stem = fmt.Sprintf("%s-%d", strings.TrimSuffix(stem, fmt.Sprintf("-%d", n-1)), n)
	}
}

// taken reports whether there is a file, or will be.
func (b *batch) taken(path string) bool {
	_, err := os.Lstat(path)
	return err == nil || slices.ContainsFunc(b.changes, func(c change) bool { return c.path == path })
}

// survey checks the files where pairs are to be written. The error joins everything
// that prevents it; present has the stems of which there are files already.
func survey(dir string, members []member, force bool) (present map[string]bool, err error) {
	present = make(map[string]bool)
	var problems []error
	for i := range members {
		stem := members[i].stem()
		if err := checkTarget(filepath.Join(dir, members[i].sub)); err != nil {
			return nil, err
		}
		certificate, key := filepath.Join(dir, stem+".crt"), filepath.Join(dir, stem+".key")
		hasCertificate, err := regular(certificate)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		hasKey, err := regular(key)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		present[stem] = hasCertificate || hasKey
		switch {
		case force:
		case hasCertificate && hasKey:
			problems = append(problems, fmt.Errorf("%s %w, and so does its key", certificate, ErrExists))
		case hasCertificate:
			problems = append(problems, fmt.Errorf("%s %w: %s", certificate, ErrHalfPresent, halfAdvice(key)))
		case hasKey:
			problems = append(problems, fmt.Errorf("%s %w: %s", key, ErrHalfPresent, halfAdvice(certificate)))
		}
	}
	return present, errors.Join(problems...)
}

// checkTarget checks a directory that may be missing.
func checkTarget(target string) error {
	switch _, err := os.Lstat(target); {
	case err == nil:
		return checkDirectory(target)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("directory: %w", err)
	}
	return nil
}

// regular reports whether a regular file exists at path. Anything else is an error,
// even with Force: a symbolic link means that the file is kept elsewhere, and a
// rename would replace the link.
func regular(path string) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is not a regular file (%s); want a regular file, or none", path, info.Mode().Type())
	}
	return true, nil
}

// A batch replaces files, all or none: what is likely to fail, such as writing to
// a full disk, happens before the first rename; if a rename fails, the earlier
// ones are undone. A crash in between leaves some files new and some old.
type batch struct{ changes []change }

type change struct {
	path string
	data []byte
	mode fs.FileMode
	temp string // holds data until the rename
	old  []byte // what was at path, nil for no file
}

func (b *batch) add(path string, data []byte, mode fs.FileMode) {
	b.changes = append(b.changes, change{path: path, data: data, mode: mode})
}

func (b *batch) commit(rename func(from, to string) error) (err error) {
	renamed := 0
	defer func() {
		if err == nil {
			return
		}
		for i := range b.changes {
			c := &b.changes[i]
			if i >= renamed {
				if c.temp != "" {
					os.Remove(c.temp)
				}
				continue
			}
			if undoErr := c.undo(); undoErr != nil {
				err = errors.Join(err, fmt.Errorf("%s: could not be restored: %w", c.path, undoErr))
			}
		}
	}()
	for i := range b.changes {
		c := &b.changes[i]
		if c.old, err = os.ReadFile(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if c.temp, err = writeTemp(c.path, c.data, c.mode); err != nil {
			return err
		}
	}
	for i := range b.changes {
		c := &b.changes[i]
		if err := rename(c.temp, c.path); err != nil {
			return err
		}
		renamed = i + 1
	}
	return nil
}

func (c *change) undo() error {
	if c.old == nil {
		return os.Remove(c.path)
	}
	temp, err := writeTemp(c.path, c.old, c.mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, c.path); err != nil {
		os.Remove(temp)
		return err
	}
	return nil
}

// writeTemp writes data to a new file beside path and makes it durable.
func writeTemp(path string, data []byte, mode fs.FileMode) (temp string, err error) {
	// A short name, since that of path may have the maximal length already.
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	defer func() { err = errors.Join(err, file.Close()) }()
	// CreateTemp's mode is 0600 less the umask.
	if err := file.Chmod(mode); err != nil {
		return "", err
	}
	if _, err := file.Write(data); err != nil {
		return "", err
	}
	if err := file.Sync(); err != nil {
		return "", err
	}
	return file.Name(), nil
}

// syncDirectories makes the renames durable. Some file systems cannot sync a
// directory; there a power failure may lose a pair, which has to be issued again.
func syncDirectories(dirs ...string) {
	for _, dir := range dirs {
		if file, err := os.Open(dir); err == nil {
			_ = file.Sync()
			file.Close()
		}
	}
}
