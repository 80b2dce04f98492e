//go:build e2e

package page

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// These tests look at the page in a real browser, which 'make e2e' installs if there is
// none.

// patience is for what the page does by itself; nothing is timed.
const browserPatience = 3 * time.Minute

// The browser is started by the first test that wants one, and serves all.
var shared struct {
	once  sync.Once
	ctx   context.Context
	close []context.CancelFunc
	err   error
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, cancel := range shared.close {
		cancel()
	}
	os.Exit(code)
}

func browser(t *testing.T) context.Context {
	t.Helper()
	shared.once.Do(func() {
		path, err := browserPath()
		if err != nil {
			shared.err = err
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true))
		if os.Geteuid() == 0 {
			options = append(options, chromedp.NoSandbox) // root has no sandbox; the pages are our own
		}
		ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
		shared.close = append(shared.close, cancel)
		ctx, cancel = chromedp.NewContext(ctx)
		shared.close = append([]context.CancelFunc{cancel}, shared.close...)
		shared.ctx, shared.err = ctx, chromedp.Do(ctx)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ctx
}

func browserPath() (string, error) {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path, nil
		}
	}
	return "", errors.New("no chromium on the PATH; 'make e2e' installs Debian's, or set CHROMIUM to a browser of that family")
}

// tab is the page of a fleet in a browser, and whatever it complained of.
type tab struct {
	*testing.T
	*fleet
	ctx context.Context
	url string

	mu    sync.Mutex
	wrong []string
	asked map[string]int // by path
	// endOfServer says that the test ends the server: that is no complaint.
	endOfServer bool
}

// show serves the page of a fleet and opens it.
func show(t *testing.T, f *fleet) *tab {
	t.Helper()
	server := httptest.NewServer(f.page)
	running, stop := context.WithCancel(context.Background())
	go f.page.Run(running)
	t.Cleanup(func() { stop(); f.page.Close(); server.CloseClientConnections(); server.Close() })

	ctx, cancel := context.WithTimeout(browser(t), browserPatience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{T: t, fleet: f, ctx: ctx, url: server.URL + "/", asked: make(map[string]int)}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, wrong := range b.wrong {
			t.Errorf("the page complains: %s", wrong)
		}
		if b.asked["/"] == 0 {
			t.Error("nothing was seen to be asked for, not even the page")
		}
	})
	err := chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.wrong = append(b.wrong, "an exception: "+e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
		case *runtime.EventConsoleAPICalled:
			b.wrong = append(b.wrong, "on the console: "+string(e.Args[0].Value))
		case *cdplog.EventEntryAdded:
			if !b.endOfServer {
				b.wrong = append(b.wrong, "in the log: "+e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			path, own := strings.CutPrefix(e.Request.URL, server.URL)
			if !own {
				b.wrong = append(b.wrong, "it asks for "+e.Request.URL)
			}
			path, _, _ = strings.Cut(path, "?")
			b.asked[path]++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, cdplog.Enable, cdp.Empty{})
	measure, err := os.ReadFile("../../sim/picture/testdata/measure.js")
	if err != nil {
		t.Fatal(err)
	}
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: string(measure)})
	b.prefer("light")
	b.do(chromedp.EmulateViewport(1600, 1000), chromedp.Navigate(b.url))
	b.until(`document.getElementById("connected").textContent === "live"`)
	return b
}

// prefer sets what the system prefers.
func (b *tab) prefer(scheme string) {
	b.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// value is what an expression gives.
func value[T any](b *tab, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// want fails the test unless an expression is true.
func (b *tab) want(expression string) {
	b.Helper()
	if !value[bool](b, expression) {
		b.Errorf("not so: %s", expression)
	}
}

// until waits until an expression is true.
func (b *tab) until(expression string) {
	b.Helper()
	for deadline := time.Now().Add(browserPatience / 6); ; time.Sleep(20 * time.Millisecond) {
		// While a page is being loaded there is nothing to ask.
		if v, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression)); err == nil && v {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("it does not become so: %s\n%s", expression, value[string](b, `document.body.innerText`))
		}
	}
}

// press presses a key, or types a text.
func (b *tab) press(keys string) { b.Helper(); b.do(chromedp.KeyEvent(keys)) }

// click clicks in the middle of the first element that a selector finds.
func (b *tab) click(selector string) {
	b.Helper()
	type point struct{ X, Y float64 }
	p := value[point](b, `(() => { const e = document.querySelector(`+"`"+selector+"`"+`); e.scrollIntoView({ block: "center" }); const r = e.getClientRects()[0]; return { X: r.left + r.width / 2, Y: r.top + r.height / 2 }; })()`)
	b.do(chromedp.MouseClickXY(p.X, p.Y))
}

// keep writes a picture of the whole page to the directory that SCREENSHOTS names.
func (b *tab) keep(name string) {
	b.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	b.write(filepath.Join(dir, name+".png"), page.CaptureScreenshotParams{CaptureBeyondViewport: new(true), Clip: b.whole()})
}

// whole is the page, as far as anything is on it.
func (b *tab) whole() *page.Viewport {
	b.Helper()
	size := value[[]float64](b, `[document.documentElement.clientWidth, document.body.scrollHeight]`)
	return &page.Viewport{Width: size[0], Height: size[1], Scale: 1}
}

func (b *tab) write(path string, params page.CaptureScreenshotParams) {
	b.Helper()
	shot, err := chromedp.Call(b.ctx, page.CaptureScreenshot, params)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, shot.Data, 0o600); err != nil {
		b.Fatal(err)
	}
}

// busyNow is a busy fleet whose page has the system's clock.
func busyNow(t *testing.T, hosts int) *fleet { return busy(t, clock.New(), hosts) }
