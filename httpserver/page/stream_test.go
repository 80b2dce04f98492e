package page

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"
)

// watched is a fleet whose page is served over HTTP, rendered while it is watched.
type watched struct {
	*fleet
	clock *clock.Mock
	url   string
}

func watch(t *testing.T, hosts int) *watched {
	t.Helper()
	before := goleak.IgnoreCurrent()
	clk := stopped()
	f := busy(t, clk, hosts)
	server := httptest.NewServer(f.page)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.page.Run(ctx) })
	t.Cleanup(func() {
		f.page.Close()
		server.CloseClientConnections()
		server.Close()
		stop()
		running.Wait()
		goleak.VerifyNone(t, before)
	})
	return &watched{f, clk, server.URL}
}

// stream is an open stream of a viewer.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	body  interface{ Close() error }
	// version is that of the last events.
	version string
}

func (w *watched) stream(since string, lines ...string) (*stream, *http.Response) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, w.url+"/events?since="+since, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	return &stream{t: w.t.(*testing.T), lines: bufio.NewScanner(resp.Body), body: resp.Body}, resp
}

// next reads the events of one version and returns the parts that they replace; nil at
// the end of the stream.
func (s *stream) next() (parts map[string]string) {
	var event string
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "event":
			event = value
		case "data":
			if event == "version" {
				s.version = value
				return parts
			}
			if parts == nil {
				parts = make(map[string]string)
			}
			parts[event] += value + "\n"
		}
	}
	return nil
}

func names(parts map[string]string) string {
	var list []string
	for name := range parts { // order-free: it is sorted
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func (w *watched) eventually(what string, happened func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: it does not happen", what)
		}
	}
}

const everyPart = "asof fleet plane quarantine rollouts silent slow summary"

func TestAStreamHasThePartsThatChanged(t *testing.T) {
	w := watch(t, 200)
	s, resp := w.stream("")
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("the media type is %q", got)
	}
	if got := names(s.next()); got != everyPart {
		t.Errorf("a viewer that has nothing gets %q", got)
	}
	w.clock.Add(every)
	if got := names(s.next()); got != "asof" {
		t.Errorf("when only time passes a viewer gets %q", got)
	}
	w.edit(func() { w.inbox.Depth = 500 })
	w.clock.Add(every)
	parts := s.next()
	if got := names(parts); got != "asof plane" {
		t.Errorf("when the inbox fills a viewer gets %q", got)
	}
	wantTexts(t, parts["plane"], "500 of 1\u202f024 places taken")
	w.beat(197, 198)
	w.clock.Add(every)
	parts = s.next()
	if got := names(parts); got != "asof fleet silent summary" {
		t.Errorf("when a host comes back a viewer gets %q", got)
	}
	wantTexts(t, parts["summary"], "6 hosts are unreachable")

	// Who comes back has what it had.
	again, _ := w.stream("", "Last-Event-ID: "+s.version)
	w.edit(func() { w.inbox.Depth = 1 })
	w.clock.Add(every)
	if got := names(again.next()); got != "asof plane" {
		t.Errorf("a viewer that has all but one gets %q", got)
	}
	other, _ := w.stream("OTHERONE-4")
	if got := names(other.next()); got != everyPart {
		t.Errorf("a viewer of another process's page gets %q", got)
	}
}

// However many pages are open, the plane is asked and the page rendered once a second.
func TestTenPagesCostAsMuchOfThePlaneAsOne(t *testing.T) {
	w := watch(t, 200)
	var streams []*stream
	for range 10 {
		s, _ := w.stream("")
		s.next()
		streams = append(streams, s)
	}
	asked, rendered := w.asks(), w.page.Counts().Renderings
	for range 5 {
		w.clock.Add(every)
		for _, s := range streams {
			s.next()
		}
	}
	if got := w.asks() - asked; got != 5 {
		t.Errorf("the plane was asked %d times in 5 s", got)
	}
	if got := w.page.Counts().Renderings - rendered; got != 5 {
		t.Errorf("%d renderings in 5 s", got)
	}
}

func (f *fleet) asks() int { f.mu.Lock(); defer f.mu.Unlock(); return f.asked }

func TestAPageThatNobodyWatchesIsNotRendered(t *testing.T) {
	w := watch(t, 20)
	s, _ := w.stream("")
	s.next()
	s.body.Close()
	w.eventually("the viewer is gone", func() bool { return w.page.Counts().Viewers == 0 })
	asked := w.asks()
	w.clock.Add(time.Minute)
	if got := w.asks(); got != asked {
		t.Errorf("the plane was asked %d times for nobody", got-asked)
	}
}

func TestAViewerTooManyIsRefused(t *testing.T) {
	w := watch(t, 0)
	for range w.page.cfg.MaxViewers {
		s, _ := w.stream("")
		s.next()
	}
	_, resp := w.stream("")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if c := w.page.Counts(); c.Viewers != w.page.cfg.MaxViewers || c.TurnedAway != 1 {
		t.Errorf("counted: %+v", c)
	}
}

func TestAStreamEndsWithItsPermission(t *testing.T) {
	w := watch(t, 20)
	s, _ := w.stream("")
	s.next()
	w.edit(func() { w.allowed = false })
	w.clock.Add(every)
	if parts := s.next(); parts != nil {
		t.Errorf("it gets %q", names(parts))
	}
}

func TestCloseEndsTheStreamsAndLetsNoneBegin(t *testing.T) {
	w := watch(t, 20)
	s, _ := w.stream("")
	s.next()
	w.page.Close()
	if parts := s.next(); parts != nil {
		t.Errorf("it gets %q", names(parts))
	}
	if _, resp := w.stream(""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a stream begins: %d", resp.StatusCode)
	}
	// The page itself is there until the server is gone.
	if got := w.get("/").Code; got != http.StatusOK {
		t.Errorf("the page is %d", got)
	}
}

// deaf is a viewer that does not read: what is written to it is not taken in time.
type deaf struct{ *httptest.ResponseRecorder }

func (deaf) Write([]byte) (int, error)         { return 0, os.ErrDeadlineExceeded }
func (deaf) SetWriteDeadline(time.Time) error  { return nil }
func (deaf) SetReadDeadline(t time.Time) error { return nil }

func TestAViewerThatDoesNotReadIsDropped(t *testing.T) {
	f := busy(t, stopped(), 20)
	f.page.ServeHTTP(deaf{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/events", nil))
	if c := f.page.Counts(); c.Dropped != 1 || c.Viewers != 0 {
		t.Errorf("counted: %+v", c)
	}
	// The connection of one that is closed is no viewer that does not read.
	f.page.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/events", nil))
	if c := f.page.Counts(); c.Dropped != 1 || c.Viewers != 0 {
		t.Errorf("counted: %+v", c)
	}
}

type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error)         { return 0, http.ErrAbortHandler }
func (gone) SetWriteDeadline(time.Time) error  { return nil }
func (gone) SetReadDeadline(t time.Time) error { return nil }
