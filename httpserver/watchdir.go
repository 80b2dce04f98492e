package httpserver

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/fsnotify/fsnotify"
)

const (
	// dirSettle is the delay between a change of a directory and reading it, so that
	// a file that is being written is usually complete by then.
	dirSettle = 200 * time.Millisecond
	// dirPoll is how often a directory is read in any case: not every file system
	// reports changes, and a symbolic link may get a new target.
	dirPoll = 30 * time.Second
)

// watchedDir is a directory whose files are read at start and whenever it changes.
type watchedDir struct {
	name string // what it is the directory of, for the log
	dir  string
	// below are directories in it that count as well; each may be missing.
	below []string
	// again has the directory read; nil if nothing but its changes does.
	again <-chan struct{}
	log   *slog.Logger
	clock clock.Clock
}

// run calls scan at once, after each change and at each poll, until ctx ends.
func (w *watchedDir) run(ctx context.Context, scan func(context.Context)) {
	var events <-chan fsnotify.Event
	var errs <-chan error
	watcher := w.watch()
	if watcher != nil {
		defer watcher.Close()
		events, errs = watcher.Events, watcher.Errors
	}
	poll := w.clock.Ticker(dirPoll)
	defer poll.Stop()
	var settled <-chan time.Time
	for scan(ctx); ; {
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			if settled == nil && w.concerns(event.Name) {
				settled = w.clock.After(dirSettle)
			}
		case err := <-errs: // for instance, some events were lost
			w.log.Debug("error while watching the "+w.name+" directory", "dir", w.dir, "error", err)
		case <-w.again:
			scan(ctx)
		case <-settled:
			settled = nil
			w.rewatch(watcher)
			scan(ctx)
		case <-poll.C:
			w.rewatch(watcher)
			scan(ctx)
		}
	}
}

// watch subscribes to changes of the directory, and of its parent, since the
// directory may be a symbolic link that gets a new target. It returns nil if the
// system does not support it; the poll remains.
func (w *watchedDir) watch() *fsnotify.Watcher {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		if err = watcher.Add(w.dir); err == nil {
			// Without the parent, the poll notices a new target.
			_ = watcher.Add(filepath.Dir(w.dir))
			w.rewatch(watcher)
			return watcher
		}
		_ = watcher.Close()
	}
	w.log.Warn("cannot watch the "+w.name+" directory; polling it instead", "dir", w.dir, "every", dirPoll, "error", err)
	return nil
}

// rewatch subscribes to the directories again, which may be others now. It has no
// effect if they are the same.
func (w *watchedDir) rewatch(watcher *fsnotify.Watcher) {
	if watcher == nil {
		return
	}
	_ = watcher.Add(w.dir) // the directory may be missing, which scan reports
	for _, dir := range w.below {
		_ = watcher.Add(dir)
	}
}

// concerns reports whether a changed path is one of the directories or in one: the
// watched parent may have many other files.
func (w *watchedDir) concerns(path string) bool {
	return path == w.dir || filepath.Dir(path) == w.dir || slices.Contains(w.below, filepath.Dir(path))
}
