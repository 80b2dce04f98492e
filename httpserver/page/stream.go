package page

import (
	"cmp"
	"errors"
	"net/http"
	"os"
	"time"
)

const (
	// keepAlive is how often a stream without news sends a comment, so that one whose
	// viewer is gone ends.
	keepAlive = 15 * time.Second
	// writeTimeout is how long a viewer may take to read what was sent.
	writeTimeout = 10 * time.Second
)

// events answers with the stream of what changes. It begins with what is newer than the
// version that the viewer has.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	given, ok := p.parameters(w, r, "since")
	if !ok {
		return
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	viewer := p.feed.join()
	if viewer == nil {
		w.Header().Set("Retry-After", "10")
		p.refuse(w, http.StatusServiceUnavailable, "As many pages as may be are open, or the server is stopping. This one is not updated by itself; reload it.")
		return
	}
	dropped := false
	defer func() { p.feed.leave(viewer, dropped) }()

	stream := http.NewResponseController(w)
	_ = stream.SetReadDeadline(time.Time{}) // else net/http takes the viewer for gone
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy passes on what comes as it comes
	send := func(frames ...[]byte) bool {
		_ = stream.SetWriteDeadline(time.Now().Add(writeTimeout))
		var err error
		for _, frame := range frames {
			if _, err = w.Write(frame); err != nil {
				break
			}
		}
		err = cmp.Or(err, stream.Flush())
		dropped = errors.Is(err, os.ErrDeadlineExceeded)
		return err == nil
	}
	if !send([]byte("retry: 2000\n\n")) {
		return
	}
	// A browser that connects again by itself says what it had last.
	seen := p.feed.numbered(cmp.Or(r.Header.Get("Last-Event-ID"), given["since"]))
	ticker := p.cfg.Clock.Ticker(keepAlive)
	defer ticker.Stop()
	for {
		frames, now := p.feed.since(seen)
		if len(frames) > 0 {
			if !p.cfg.Allowed(r) || !send(append(frames, versionFrame(p.feed.named(now)))...) {
				return
			}
			seen = now
		}
		select {
		case <-viewer.wake:
		case <-ticker.C:
			if !p.cfg.Allowed(r) || !send([]byte(": nothing new\n\n")) {
				return
			}
		case <-r.Context().Done():
			return
		case <-p.feed.closed:
			return
		}
	}
}

// versionFrame ends what belongs together: the viewer has this version now.
func versionFrame(version string) []byte {
	return []byte("id: " + version + "\nevent: version\ndata: " + version + "\n\n")
}
