package page

import (
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Config configures a page. Inbox, Ask and Allowed are required.
type Config struct {
	// Title names the fleet, such as the suffix of its certificates.
	Title string
	// Build names the build; empty for none.
	Build string
	// Inbox returns what the server knows without asking the plane. It must not block.
	Inbox func() Inbox
	// Ask asks the plane a query, and waits for its answer or its refusal.
	Ask func(plane.Input) wire.Outcome
	// Allowed reports whether the sender of a request that was handed over may still see
	// the page: its certificate may have expired or been revoked meanwhile.
	Allowed func(*http.Request) bool
	// MaxViewers is how many streams may be open. Default [DefaultMaxViewers].
	MaxViewers int
	// Clock is the source of time. Default: the system clock.
	Clock clock.Clock
}

// Inbox is what the server knows without asking the plane.
type Inbox struct {
	// Depth is the number of requests in the inbox, Capacity the most there may be.
	Depth, Capacity int
	// Oldest is the age of the oldest of them.
	Oldest time.Duration
	// Polls is how many dispatch polls wait for work.
	Polls int
	// Refused counts the requests refused with 503 since the start, by reason.
	Refused []Refused
	// Problems are the reasons of the checks of /readyz that fail or warn.
	Problems []string
}

// Refused counts requests refused with 503.
type Refused struct {
	Reason string
	Count  uint64
}

// Counts are figures of a page, for metrics.
type Counts struct {
	// Viewers is how many streams are open. Renderings counts renderings, Dropped the
	// streams that ended since their viewer did not read, TurnedAway those that were one
	// too many.
	Viewers                         int
	Renderings, Dropped, TurnedAway uint64
}

// DefaultMaxViewers is the default of Config.MaxViewers.
const DefaultMaxViewers = 64

// Page serves the live page. Make one with [New].
type Page struct {
	cfg   Config
	feed  *feed
	files map[string]file
}

// file is an embedded file as it is answered.
type file struct {
	media string
	text  []byte
}

//go:embed assets
var assets embed.FS

var templates = template.Must(template.New("page").Funcs(template.FuncMap{
	"number": number, "duration": duration, "instant": instant, "hostURL": hostURL, "rolloutURL": rolloutURL, "states": stateWords,
}).ParseFS(assets, "assets/*.html"))

// New makes a page.
func New(cfg Config) *Page {
	if cfg.Clock == nil {
		cfg.Clock = clock.New()
	}
	if cfg.MaxViewers == 0 {
		cfg.MaxViewers = DefaultMaxViewers
	}
	p := &Page{cfg: cfg, files: make(map[string]file)}
	p.feed = newFeed(&p.cfg, rand.Text()[:8])
	for name, media := range map[string]string{"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		p.files[name] = file{media, text}
	}
	return p
}

// Close ends every stream, and lets none begin.
func (p *Page) Close() { p.feed.close() }

// Counts returns the page's figures.
func (p *Page) Counts() Counts { return p.feed.counts() }

// policy allows what the page consists of, from its own origin, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// setHeaders sets what every answer has.
func setHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// ServeHTTP implements [http.Handler]. The paths begin with a slash.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		p.refuse(w, http.StatusMethodNotAllowed, "The page only reads: want GET or HEAD.")
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch name {
	case "":
		p.overview(w, r)
	case "events":
		p.events(w, r)
	case "host":
		p.host(w, r)
	case "rollout":
		p.rollout(w, r)
	default:
		f, there := p.files[name]
		if !there {
			p.refuse(w, http.StatusNotFound, "There is no such page.")
			return
		}
		w.Header().Set("Content-Type", f.media)
		_, _ = w.Write(f.text) // an error means that the client has disconnected
	}
}

// overview answers with the whole page.
func (p *Page) overview(w http.ResponseWriter, r *http.Request) {
	if _, ok := p.parameters(w, r); !ok {
		return
	}
	p.feed.current()
	parts, version := p.feed.whole()
	p.render(w, http.StatusOK, "overview", struct {
		Config  *Config
		Version string
		Parts   map[string]template.HTML
	}{&p.cfg, version, parts})
}

// parameters reads the query of a URL, which may have the given names, each once.
func (p *Page) parameters(w http.ResponseWriter, r *http.Request, known ...string) (map[string]string, bool) {
	values := make(map[string]string)
	for name, given := range r.URL.Query() {
		takes := false
		for _, k := range known {
			takes = takes || k == name
		}
		if !takes || len(given) != 1 {
			p.refuse(w, http.StatusBadRequest, fmt.Sprintf("The parameter %.40q is unknown or given twice; want %s.", name, strings.Join(append(known, "nothing else"), ", ")))
			return nil, false
		}
		values[name] = given[0]
	}
	return values, true
}

// refuse answers with a page that says what is wrong.
func (p *Page) refuse(w http.ResponseWriter, status int, problem string) {
	p.render(w, status, "refusal", struct {
		Config  *Config
		Title   string
		Problem string
	}{&p.cfg, http.StatusText(status), problem})
}

// refuseOutcome is refuse for what the plane has refused.
func (p *Page) refuseOutcome(w http.ResponseWriter, o *wire.Outcome) {
	if o.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(o.RetryAfter/time.Second)))
	}
	if o.Code.Unavailable() {
		p.refuse(w, o.Code.Status(), fmt.Sprintf("The plane is unavailable now (%s). Try again a little later.", o.Code.Reason()))
		return
	}
	p.refuse(w, o.Code.Status(), o.Detail)
}

func (p *Page) render(w http.ResponseWriter, status int, name string, data any) {
	var text strings.Builder
	if err := templates.ExecuteTemplate(&text, name, data); err != nil {
		panic(err) // a defect of the template
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text.String())) // an error means that the client has disconnected
}
