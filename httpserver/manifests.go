package httpserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// manifests opens the files of the manifests directory (PROTOCOL R6): every
// *.json, at start and whenever the directory changes, in the order that
// [plane.Arrange] gives. A file is handled like an operator's request: the same
// strict decoding, the same gate, the same reducer. Opening is idempotent;
// removing a file changes nothing.
//
// A file that is refused is logged, once until it changes, and does not stop the
// others. A YAML file is named as ignored, once: it may be meant for a manifest.
type manifests struct {
	opener
	dir     string
	limit   int64
	refused prometheus.Gauge

	decoder wire.Decoder
	seen    map[string]manifestFile
	ignored map[string]bool // the YAML files that were logged
	failure string          // of reading the directory; logged once
}

// manifestFile is the result of handling a file.
type manifestFile struct {
	sum [sha256.Size]byte
	bad bool
}

// run reads the directory until ctx ends.
func (m *manifests) run(ctx context.Context) {
	w := watchedDir{name: "manifests", dir: m.dir, log: m.log, clock: m.clock}
	w.run(ctx, m.scan)
}

// scan reads the directory and opens files that are new or have changed.
func (m *manifests) scan(ctx context.Context) {
	entries, err := os.ReadDir(m.dir) // sorted by name
	if err != nil {
		if m.failure != err.Error() {
			m.failure = err.Error()
			m.log.Error("cannot read the manifests directory", "dir", m.dir, "error", err)
		}
		return
	}
	m.failure = ""
	seen, ignored := make(map[string]manifestFile, len(entries)), map[string]bool{}
	var files []*plane.FileManifest
	names := make(map[*plane.FileManifest]string)
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, ".") && isYAML(name) {
			if ignored[name] = true; !m.ignored[name] {
				m.log.Warn("file ignored: a manifest is JSON, in a file whose name ends in .json", "file", filepath.Join(m.dir, name))
			}
			continue
		}
		if !strings.HasSuffix(name, ".json") || strings.HasPrefix(name, ".") {
			continue
		}
		file, in, err := m.file(name)
		if err != nil {
			m.refuse(name, err)
		}
		if seen[name] = file; in != nil {
			files, names[in] = append(files, in), name
		}
	}
	plane.Arrange(files)
	for _, in := range files {
		name := names[in]
		err := m.open(ctx, name, in)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.refuse(name, err)
			seen[name] = manifestFile{sum: seen[name].sum, bad: true}
		}
	}
	bad := 0
	for _, file := range seen { // order-free: a count
		if file.bad {
			bad++
		}
	}
	m.seen, m.ignored = seen, ignored
	m.refused.Set(float64(bad))
}

func (m *manifests) refuse(name string, err error) {
	m.log.Error("manifest refused", "file", filepath.Join(m.dir, name), "error", err)
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// file reads one file. It returns its manifest, unless the file has the same
// content as the last time. The error says what is wrong with it, if that was not
// reported before.
func (m *manifests) file(name string) (manifestFile, *plane.FileManifest, error) {
	before, known := m.seen[name]
	body, err := readLimited(filepath.Join(m.dir, name), m.limit)
	if err != nil {
		// There is no content to compare, so the error takes its place.
		now := manifestFile{sum: sha256.Sum256([]byte(err.Error())), bad: true}
		if known && now == before {
			err = nil
		}
		return now, nil, err
	}
	now := manifestFile{sum: sha256.Sum256(body)}
	if known && now.sum == before.sum {
		return before, nil, nil
	}
	in := new(plane.FileManifest)
	if err := wire.DecodeOperatorDocument(&m.decoder, &wire.ManifestSchema, body, &in.Manifest); err != nil {
		now.bad = true
		return now, nil, err
	}
	in.Prepare()
	return now, in, nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	// Checked before opening: opening a pipe without a writer would block.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("larger than %d bytes, the limit for manifests", limit)
	}
	return body, err
}
