package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The files of a release, by their paths in its directory. Each has its signature
// beside it, with .sig at the end, and those of further signers with .sig. and the
// key's ID.
const (
	fleetFile       = "fleet.resolved.json"
	revocationsFile = "revocations.json"
	noncesFile      = "bootstrap-nonces.json"
	rolloutsDir     = "rollouts"
	signatureSuffix = ".sig"
)

func rolloutFile(id wire.RolloutID) string { return rolloutsDir + "/" + string(id) + ".json" }

// maxArtifact is the largest file of a release in bytes: a fleet of 100,000 hosts
// takes about 40 MiB.
const maxArtifact = 64 << 20

// release is the directory of a release, as it was read or will be written.
type release struct {
	dir string
	// files have the documents and signatures by their paths in dir, with slashes.
	files map[string][]byte
}

// readRelease reads the files of a release. Files that belong to none are left out.
func readRelease(dir string) (*release, error) {
	r := &release{dir: dir, files: make(map[string][]byte)}
	for _, sub := range []string{".", rolloutsDir} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if sub == rolloutsDir && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name := filepath.ToSlash(filepath.Join(sub, entry.Name()))
			if entry.IsDir() || !isReleaseFile(name) {
				continue
			}
			if r.files[name], err = readBounded(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
	}
	if r.files[fleetFile] == nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, fleetFile), fs.ErrNotExist)
	}
	return r, nil
}

// isReleaseFile reports whether a path is one of a release's documents or signatures.
func isReleaseFile(name string) bool {
	document, _, _ := strings.Cut(name, ".json.sig")
	document = strings.TrimSuffix(document, ".json") + ".json"
	return (strings.HasSuffix(name, ".json") || strings.Contains(name, ".json.sig")) && !strings.HasSuffix(name, ".part") &&
		(document == fleetFile || document == revocationsFile || document == noncesFile || strings.HasPrefix(document, rolloutsDir+"/"))
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxArtifact+1))
	if err == nil && len(text) > maxArtifact {
		err = fmt.Errorf("%s: has more than %d bytes", path, maxArtifact)
	}
	return text, err
}

// documents returns the paths of the documents: the fleet, the lists, the rollouts.
func (r *release) documents() []string {
	var names []string
	for name := range r.files {
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
	if i := slices.Index([]string{fleetFile, revocationsFile, noncesFile}, name); i >= 0 {
		return i
	}
	return 3
}

// further returns the paths of the signatures by further signers of a document.
func (r *release) further(name string) []string {
	var names []string
	for file := range r.files {
		if strings.HasPrefix(file, name+signatureSuffix+".") {
			names = append(names, file)
		}
	}
	slices.Sort(names)
	return names
}

// signed is a document with its signatures.
func (r *release) signed(name string) artifact.Signed {
	s := artifact.Signed{Document: r.files[name], Signature: r.files[name+signatureSuffix]}
	for _, file := range r.further(name) {
		s.Further = append(s.Further, r.files[file])
	}
	return s
}

// path is where a file of the release is.
func (r *release) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// write makes the directory have the files of the release and no other file of one.
// Each file is replaced as a whole; all are written before the first is replaced, so
// that the moment in which the directory has files of two releases is short.
func (r *release) write() (err error) {
	if err := os.MkdirAll(r.path(rolloutsDir), 0o755); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(r.files))
	defer func() {
		if err != nil {
			for _, name := range names {
				_ = os.Remove(r.path(name) + ".part")
			}
		}
	}()
	for _, name := range names {
		if err := os.WriteFile(r.path(name)+".part", r.files[name], 0o644); err != nil {
			return err
		}
	}
	old, err := readRelease(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if err := os.Rename(r.path(name)+".part", r.path(name)); err != nil {
			return err
		}
	}
	if old == nil {
		return nil
	}
	for name := range old.files {
		if r.files[name] == nil {
			if err := os.Remove(r.path(name)); err != nil {
				return err
			}
		}
	}
	return nil
}
