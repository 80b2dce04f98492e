package pki

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// member is a pair to be written, and the stem of its file names.
type member struct {
	name string
	pair tls.Certificate
}

// write writes pairs into dir, or into its subdirectory sub, all or none.
func write(dir, sub string, members []member, suffix string, options Options) ([]Issued, error) {
	if err := checkDirectory(dir); err != nil {
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()

	target := filepath.Join(dir, sub)
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	present, err := survey(target, names, options.Force)
	if err != nil {
		return nil, err
	}
	var changes batch
	issued := make([]Issued, 0, len(members))
	for _, m := range members {
		certificate, key, err := EncodePair(m.pair)
		if err != nil {
			return nil, err
		}
		leaf, stem := m.pair.Leaf, filepath.Join(target, m.name)
		issued = append(issued, Issued{
			Name: m.name, CommonName: leaf.Subject.CommonName, Suffix: suffix,
			Certificate: stem + ".crt", Key: stem + ".key",
			NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
			Replaced: present[m.name],
		})
		// The key first: a crash between the two leaves a key without a
		// certificate, which the next run reports, and no certificate that looks
		// usable.
		changes.add(stem+".key", key, 0o600)
		changes.add(stem+".crt", certificate, 0o644)
	}
	made := false
	if sub != "" {
		if err := os.Mkdir(target, 0o700); err == nil {
			made = true
		} else if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("directory: %w", err)
		}
	}
	if err := changes.commit(os.Rename); err != nil {
		if made {
			os.Remove(target)
		}
		return nil, err
	}
	syncDirectories(dir, target)
	return issued, nil
}

// survey checks the files where the pairs of names are to be written. The error
// joins everything that prevents it; present has the names that have files
// already.
func survey(target string, names []string, force bool) (present map[string]bool, err error) {
	if _, err := os.Lstat(target); err == nil {
		if err := checkDirectory(target); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("directory: %w", err)
	}
	present = make(map[string]bool)
	var problems []error
	for _, name := range names {
		certificate := filepath.Join(target, name+".crt")
		key := filepath.Join(target, name+".key")
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
		present[name] = hasCertificate || hasKey
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
