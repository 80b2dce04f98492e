package releasefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The files of a release, by their paths in its directory. Each has its signature
// beside it, with .sig at the end, and those of further signers with .sig. and the
// key's ID.
const (
	Fleet           = "fleet.resolved.json"
	Revocations     = "revocations.json"
	Nonces          = "bootstrap-nonces.json"
	RolloutsDir     = "rollouts"
	SignatureSuffix = ".sig"
)

// RolloutFile is the path of a rollout manifest.
func RolloutFile(id wire.RolloutID) string { return RolloutsDir + "/" + string(id) + ".json" }

// MaxSize is the largest file of a release in bytes.
const MaxSize = 64 << 20

// Release is the directory of a release, as it was read or will be written.
type Release struct {
	Dir string
	// Files have the documents and signatures by their paths in Dir, with slashes.
	Files map[string][]byte
}

// Read reads the files of a release. Files that belong to none are left out. Without a
// fleet document the error is [fs.ErrNotExist].
func Read(dir string) (*Release, error) {
	r := &Release{Dir: dir, Files: make(map[string][]byte)}
	for _, sub := range []string{".", RolloutsDir} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if sub == RolloutsDir && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := filepath.ToSlash(filepath.Join(sub, entry.Name()))
			if entry.IsDir() || !fileName.MatchString(name) {
				continue
			}
			if r.Files[name], err = ReadRegular(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
	}
	if r.Files[Fleet] == nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, Fleet), fs.ErrNotExist)
	}
	return r, nil
}

// fileName matches the paths of a release's documents and signatures.
var fileName = regexp.MustCompile(`^(fleet\.resolved|revocations|bootstrap-nonces|rollouts/[^/]+)\.json(\.sig(\.[0-9a-f]+)?)?$`)

// ReadRegular is ReadBounded for a file that may be anything: opening a pipe without a
// writer would block.
func ReadRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return ReadBounded(path)
}

// ReadBounded reads a file of at most [MaxSize] bytes.
func ReadBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err == nil && len(text) > MaxSize {
		err = fmt.Errorf("%s: has more than %d bytes", path, MaxSize)
	}
	return text, err
}

// Documents returns the paths of the documents: the fleet, the lists, the rollouts.
func (r *Release) Documents() []string {
	var names []string
	for name := range r.Files {
		if strings.HasSuffix(name, ".json") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if kind := rank(a) - rank(b); kind != 0 {
			return kind
		}
		return strings.Compare(a, b)
	})
	return names
}

func rank(name string) int {
	if i := slices.Index([]string{Fleet, Revocations, Nonces}, name); i >= 0 {
		return i
	}
	return 3
}

// further returns the paths of the signatures by further signers of a document.
func (r *Release) further(name string) []string {
	var names []string
	for file := range r.Files {
		if strings.HasPrefix(file, name+SignatureSuffix+".") {
			names = append(names, file)
		}
	}
	slices.Sort(names)
	return names
}

// Signed returns a document with its signatures.
func (r *Release) Signed(name string) artifact.Signed {
	s := artifact.Signed{Document: r.Files[name], Signature: r.Files[name+SignatureSuffix]}
	for _, file := range r.further(name) {
		s.Further = append(s.Further, r.Files[file])
	}
	return s
}

// Path is where a file of the release is.
func (r *Release) Path(name string) string { return filepath.Join(r.Dir, filepath.FromSlash(name)) }

// Write makes the directory have the files of the release and no other file of one.
// Each file is replaced as a whole; all are written before the first is replaced, so
// that the moment in which the directory has files of two releases is short.
func (r *Release) Write() (err error) {
	if err := os.MkdirAll(r.Path(RolloutsDir), 0o755); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(r.Files))
	defer func() {
		if err != nil {
			for _, name := range names {
				_ = os.Remove(r.Path(name) + ".part")
			}
		}
	}()
	for _, name := range names {
		if err := os.WriteFile(r.Path(name)+".part", r.Files[name], 0o644); err != nil {
			return err
		}
	}
	old, err := Read(r.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if err := os.Rename(r.Path(name)+".part", r.Path(name)); err != nil {
			return err
		}
	}
	if old == nil {
		return nil
	}
	for name := range old.Files {
		if r.Files[name] == nil {
			if err := os.Remove(r.Path(name)); err != nil {
				return err
			}
		}
	}
	return nil
}
