package page

import (
	"bytes"
	"context"
	"html/template"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

const (
	// every is how often the plane is asked and the page rendered, at most.
	every = time.Second
	// patience is how long a rendering waits for the plane. A plane that takes longer is
	// shown as it was, with what the server knows of its inbox.
	patience = 300 * time.Millisecond
)

// partNames are the parts of the page that are replaced one by one. Each is a template,
// and an element of the page with its name.
var partNames = []string{"asof", "summary", "fleet", "plane", "rollouts", "slow", "silent", "quarantine"}

// part is one part of the page, as it was rendered last.
type part struct {
	html    string
	frame   []byte // the event that replaces it
	changed uint64 // the version in which it became so
}

// feed renders the page for all of its viewers.
type feed struct {
	cfg    *Config
	boot   string        // names this process in versions
	closed chan struct{} // no stream goes on
	first  chan struct{} // rings when there is a viewer again

	// refreshing lets one refresh at a time happen; it guards what follows.
	refreshing sync.Mutex
	rendered   time.Time
	answer     chan wire.Outcome // of the query under way; nil if there is none
	known      knowledge

	mu      sync.Mutex // guards what follows
	parts   []part
	version uint64
	viewers map[*viewer]struct{}
	ended   bool
	tally   Counts
}

// viewer is one open stream.
type viewer struct {
	wake chan struct{} // has room for one: something changed
}

func newFeed(cfg *Config, boot string) *feed {
	return &feed{
		cfg: cfg, boot: boot, closed: make(chan struct{}), first: make(chan struct{}, 1),
		parts: make([]part, len(partNames)), viewers: make(map[*viewer]struct{}),
	}
}

// Run renders the page while it is watched, until ctx ends.
func (p *Page) Run(ctx context.Context) {
	f := p.feed
	ticker := f.cfg.Clock.Ticker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.first:
			f.refresh(every)
		case <-ticker.C:
			if f.counts().Viewers > 0 {
				f.refresh(every / 2) // ticks may come a little earlier than a second apart
			}
		}
	}
}

// current makes what is rendered current enough for a page that is loaded. While the page
// is watched the next rendering comes by itself.
func (f *feed) current() {
	if f.counts().Viewers > 0 {
		f.refresh(2 * every)
	} else {
		f.refresh(every)
	}
}

// refresh looks at the plane and renders the page, unless that was done less than apart
// ago.
func (f *feed) refresh(apart time.Duration) {
	f.refreshing.Lock()
	defer f.refreshing.Unlock()
	now := f.cfg.Clock.Now()
	if !f.rendered.IsZero() && now.Sub(f.rendered) < apart {
		return
	}
	f.ask()
	f.known.inbox(f.cfg.Inbox(), now)
	f.publish(f.known.view(now))
	f.rendered = now
}

// ask asks the plane, if no query is under way, and waits a little for the answer.
func (f *feed) ask() {
	if f.answer == nil {
		answer, in := make(chan wire.Outcome, 1), &plane.QueryOverview{From: f.known.from}
		f.answer = answer
		go func() { answer <- f.cfg.Ask(in) }()
	}
	timer := f.cfg.Clock.Timer(patience)
	defer timer.Stop()
	select {
	case o := <-f.answer:
		f.answer = nil
		f.known.take(o)
	case <-timer.C:
		f.known.late = true
	case <-f.closed:
	}
}

// publish renders the parts and wakes the viewers if one of them changed.
func (f *feed) publish(v *view) {
	html := make([]string, len(partNames))
	for i, name := range partNames {
		var text strings.Builder
		if err := templates.ExecuteTemplate(&text, name, v); err != nil {
			panic(err) // a defect of the template
		}
		html[i] = strings.TrimSpace(text.String())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tally.Renderings++
	next := f.version + 1
	for i := range f.parts {
		if p := &f.parts[i]; p.html != html[i] || p.changed == 0 {
			*p = part{html: html[i], frame: frameOf(partNames[i], html[i]), changed: next}
			f.version = next
		}
	}
	if f.version == next {
		for v := range f.viewers { // order-free: each is woken
			v.ring()
		}
	}
}

// frameOf is the server-sent event that replaces a part.
func frameOf(name, html string) []byte {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\n")
	for line := range strings.Lines(html) {
		b.WriteString("data: " + strings.TrimSpace(line) + "\n")
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func (v *viewer) ring() {
	select {
	case v.wake <- struct{}{}:
	default: // it rings already
	}
}

// whole returns every part, and the version of the page.
func (f *feed) whole() (parts map[string]template.HTML, version string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	parts = make(map[string]template.HTML)
	for i, name := range partNames {
		parts[name] = template.HTML(f.parts[i].html) // a template has made it
	}
	return parts, f.named(f.version)
}

// named is the text of a version: that of another process means another page.
func (f *feed) named(version uint64) string { return f.boot + "-" + strconv.FormatUint(version, 10) }

// numbered reads the text of a version. One of another process is 0: all is newer.
func (f *feed) numbered(name string) uint64 {
	boot, number, _ := strings.Cut(name, "-")
	if n, err := strconv.ParseUint(number, 10, 64); err == nil && boot == f.boot {
		return n
	}
	return 0
}

// since returns the events for a viewer that has a version, and the version it has then.
func (f *feed) since(version uint64) (frames [][]byte, now uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.parts {
		if f.parts[i].changed > version {
			frames = append(frames, f.parts[i].frame)
		}
	}
	return frames, f.version
}

// join adds a viewer; nil if there are as many as may be.
func (f *feed) join() *viewer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended || len(f.viewers) >= f.cfg.MaxViewers {
		f.tally.TurnedAway++
		return nil
	}
	v := &viewer{wake: make(chan struct{}, 1)}
	f.viewers[v] = struct{}{}
	select {
	case f.first <- struct{}{}:
	default: // it rings already
	}
	return v
}

// leave removes a viewer. dropped says that it did not read.
func (f *feed) leave(v *viewer, dropped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.viewers, v)
	if dropped {
		f.tally.Dropped++
	}
}

func (f *feed) counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.tally
	c.Viewers = len(f.viewers)
	return c
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		close(f.closed)
	}
}
