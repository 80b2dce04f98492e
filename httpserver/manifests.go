package httpserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// manifests opens what lies in the manifests directory (PROTOCOL R6): every
// *.json, in the order of the file names, at start and whenever the directory
// changes. A file goes the way of an operator's request: the same strict
// decoding, the same gate, the same reducer. Opening is idempotent; removing a
// file changes nothing.
//
// A file that cannot be opened is logged, once until it changes, and does not
// stop the others.
type manifests struct {
	dir       string
	limit     int64
	log       *slog.Logger
	clock     clock.Clock
	admission *admission
	refused   prometheus.Gauge

	decoder wire.Decoder
	seen    map[string]manifestFile
	trouble string // with the directory itself; logged once
}

// manifestFile is what was made of a file.
type manifestFile struct {
	sum [sha256.Size]byte
	bad bool
}

const (
	// manifestSettle is how long the directory must be quiet before it is read:
	// a file that is being written is not read half-way, mostly.
	manifestSettle = 200 * time.Millisecond
	// manifestPoll is how often the directory is read in any case: not every
	// file system tells of changes, and a symlink may be turned elsewhere.
	manifestPoll = 30 * time.Second
	// manifestCaller is who the gate counts the files for. No hostname has a
	// colon.
	manifestCaller gate.Caller = "manifests:"
)

// run reads the directory until ctx ends.
func (m *manifests) run(ctx context.Context) {
	var events <-chan fsnotify.Event
	var troubles <-chan error
	watcher := m.watch()
	if watcher != nil {
		defer watcher.Close()
		events, troubles = watcher.Events, watcher.Errors
	}
	poll := m.clock.Ticker(manifestPoll)
	defer poll.Stop()
	var settled <-chan time.Time
	for m.scan(ctx); ; {
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			if settled == nil && m.concerns(event.Name) {
				settled = m.clock.After(manifestSettle)
			}
		case err := <-troubles: // some events were lost, for instance
			m.log.Debug("trouble with watching the manifests directory", "dir", m.dir, "error", err)
		case <-settled:
			settled = nil
			m.rewatch(watcher)
			m.scan(ctx)
		case <-poll.C:
			m.rewatch(watcher)
			m.scan(ctx)
		}
	}
}

// watch asks the system to tell of changes of the directory, and of its parent:
// the directory may be a symlink that is turned elsewhere. It returns nil if
// the system cannot; then there is still the poll.
func (m *manifests) watch() *fsnotify.Watcher {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		if err = watcher.Add(m.dir); err == nil {
			// Without the parent a turned symlink is found by the poll.
			_ = watcher.Add(filepath.Dir(m.dir))
			return watcher
		}
		_ = watcher.Close()
	}
	m.log.Warn("the manifests directory cannot be watched; it is read now and then", "dir", m.dir, "every", manifestPoll, "error", err)
	return nil
}

// rewatch watches what is the directory now. Watching it twice is watching it
// once.
func (m *manifests) rewatch(watcher *fsnotify.Watcher) {
	if watcher != nil {
		_ = watcher.Add(m.dir) // the directory may be gone, which scan says
	}
}

// concerns reports whether a change of the path is one of the directory: the
// parent may be a busy place.
func (m *manifests) concerns(path string) bool {
	return path == m.dir || filepath.Dir(path) == m.dir
}

// scan reads the directory and opens what is new or has changed.
func (m *manifests) scan(ctx context.Context) {
	entries, err := os.ReadDir(m.dir) // sorted by name
	if err != nil {
		if m.trouble != err.Error() {
			m.trouble = err.Error()
			m.log.Error("the manifests directory cannot be read", "dir", m.dir, "error", err)
		}
		return
	}
	m.trouble = ""
	there := make(map[string]manifestFile, len(entries))
	bad := 0
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".json") || strings.HasPrefix(name, ".") {
			continue
		}
		file, err := m.file(ctx, name)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.log.Error("a manifest is not opened", "file", filepath.Join(m.dir, name), "error", err)
		}
		there[name] = file
		if file.bad {
			bad++
		}
	}
	m.seen = there
	m.refused.Set(float64(bad))
}

// file opens one file unless that was tried already with the same contents. The
// error is what is wrong with it, if that is news.
func (m *manifests) file(ctx context.Context, name string) (manifestFile, error) {
	before, known := m.seen[name]
	body, err := readLimited(filepath.Join(m.dir, name), m.limit)
	if err != nil {
		// Without contents, what is wrong stands for them.
		now := manifestFile{sum: sha256.Sum256([]byte(err.Error())), bad: true}
		if known && now == before {
			err = nil
		}
		return now, err
	}
	now := manifestFile{sum: sha256.Sum256(body)}
	if known && now.sum == before.sum {
		return before, nil
	}
	err = m.open(ctx, name, body)
	now.bad = err != nil
	return now, err
}

func readLimited(path string, limit int64) ([]byte, error) {
	// Before it is opened: a pipe without a writer would not let go again.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("is larger than %d bytes, the limit of a manifest", limit)
	}
	return body, err
}

// open puts a manifest through the gate, again and again until it is taken. The
// error says why it never will be as it is.
func (m *manifests) open(ctx context.Context, name string, body []byte) error {
	in := new(plane.OpenRollout)
	if err := wire.DecodeDocument(&m.decoder, &wire.ManifestSchema, body, &in.Manifest); err != nil {
		return err
	}
	for {
		// The loop may still have the input of an attempt that timed out.
		p, attempt := newPending(), *in
		m.admission.ask(p, &attempt, manifestCaller, gate.Bulk)
		outcome := &p.Outcome
		switch {
		case outcome.Code == wire.Created:
			m.log.Info("manifest opened", "file", name, "rollout", string(in.Manifest.ID()))
			return nil
		case outcome.Code == wire.OK:
			m.log.Debug("manifest was open already", "file", name, "rollout", string(in.Manifest.ID()))
			return nil
		case !outcome.Code.Unavailable():
			return errors.New(outcome.Field + ": " + outcome.Detail)
		}
		m.log.Debug("manifest waits for the plane", "file", name, "reason", outcome.Code.Reason())
		timer := m.clock.Timer(outcome.RetryAfter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
