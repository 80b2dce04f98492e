//go:build e2e

package picture

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// These tests look at pages in a real browser. 'make e2e' runs them, and
// installs Debian's chromium first if there is none.

// patience bounds a test, so that a page that never comes up is an error and
// not a hang. Nothing is timed.
const patience = 3 * time.Minute

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
			chromedp.ExecPath(path), chromedp.WindowSize(1500, 950), chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true))
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

// tab is a page in a browser, and whatever it complained of or asked for.
type tab struct {
	*testing.T
	ctx context.Context

	mu    sync.Mutex
	wrong []string
	asked int
}

// open shows a page and waits until its script is done.
func open(t *testing.T, html string, object string) *tab {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(html), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(browser(t), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)

	b := &tab{T: t, ctx: ctx}
	url := "file://" + file
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, wrong := range b.wrong {
			t.Errorf("the page complains: %s", wrong)
		}
		if b.asked == 0 {
			t.Error("nothing was seen to be asked for, not even the page")
		}
	})
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complain("an exception: " + e.ExceptionDetails.Text + " " + e.ExceptionDetails.Exception.Description)
		case *runtime.EventConsoleAPICalled:
			if e.Type != runtime.ConsoleAPICalledTypeLog && len(e.Args) > 0 {
				b.complain("on the console: " + string(e.Args[0].Value))
			}
		case *cdplog.EventEntryAdded:
			b.complain("in the log: " + e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if e.Request.URL != url {
				b.complain("it asks for " + e.Request.URL)
			}
			b.asked++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, cdplog.Enable, cdp.Empty{})
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: measureScript(t)})
	b.prefer("light")
	b.do(chromedp.EmulateViewport(1500, 950), chromedp.Navigate(url))
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`!!(window.`+object+` && window.`+object+`.ready)`, chromedp.WithPollingTimeout(patience))); err != nil {
		t.Fatal(err)
	}
	return b
}

// prefer sets what the system prefers.
func (b *tab) prefer(scheme string) {
	b.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) complain(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, what)
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// value is what an expression gives. It is taken after the next frame was
// drawn, since the page draws once a frame.
func value[T any](b *tab, expression string) T {
	b.Helper()
	frame := `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(` + expression + `))))`
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](frame, chromedp.EvalAwaitPromise))
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

// point is a place on the page.
type point struct{ X, Y float64 }

// onLanes is a place on the canvas of the lanes, by an expression that gives x
// and y on it.
func (b *tab) onLanes(expression string) point {
	b.Helper()
	return value[point](b, `((p) => { const r = document.getElementById("lanes").getBoundingClientRect(); return { X: r.left + p.x, Y: r.top + p.y }; })(`+expression+`)`)
}

func (b *tab) click(p point) { b.Helper(); b.do(chromedp.MouseClickXY(p.X, p.Y)) }

func (b *tab) mouse(kind input.DispatchMouseEventType, p point, change func(*input.DispatchMouseEventParams)) {
	b.Helper()
	params := input.DispatchMouseEventParams{Type: kind, X: p.X, Y: p.Y}
	if change != nil {
		change(&params)
	}
	call(b, input.DispatchMouseEvent, params)
}

func (b *tab) move(p point) { b.Helper(); b.mouse(input.DispatchMouseEventTypeMouseMoved, p, nil) }

func (b *tab) wheel(p point, delta float64) {
	b.Helper()
	b.mouse(input.DispatchMouseEventTypeMouseWheel, p, func(e *input.DispatchMouseEventParams) {
		e.DeltaX, e.DeltaY = 0.01, delta // a delta of 0 would not be sent, and both have to be
	})
}

func (b *tab) drag(from, to point) {
	b.Helper()
	b.do(chromedp.DragAndDropXY(from.X, from.Y, to.X, to.Y))
}

// press presses a key, as if nothing had the focus but the page.
func (b *tab) press(keys string) { b.Helper(); b.do(chromedp.KeyEvent(keys)) }

// keep writes a screenshot to the directory that SCREENSHOTS names, for people
// to look at.
func (b *tab) keep(name string) {
	b.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	value[bool](b, "true")
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.Fatal(err)
	}
}

// colours counts the pixels of a canvas that have a colour of the style.
func (b *tab) colours(canvas, name string) int {
	b.Helper()
	return value[int](b, `(() => {
		const canvas = document.createElement("canvas"), shown = document.getElementById("`+canvas+`");
		canvas.width = shown.width; canvas.height = shown.height;
		canvas.getContext("2d", { willReadFrequently: true }).drawImage(shown, 0, 0);
		const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
		probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--`+name+`").trim(); probe.fillRect(0, 0, 1, 1);
		const [r, g, b] = probe.getImageData(0, 0, 1, 1).data, all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
		let n = 0;
		for (let i = 0; i < all.length; i += 4) if (Math.abs(all[i] - r) + Math.abs(all[i + 1] - g) + Math.abs(all[i + 2] - b) < 12) n++;
		return n;
	})()`)
}

// fill types a text into a field, in place of what is there.
func (b *tab) fill(selector, text string) {
	b.Helper()
	value[bool](b, `((field) => { field.focus(); field.select(); return true; })(document.querySelector("`+selector+`"))`)
	b.press(text)
}

// tenHosts ends in a violation after a few faults.
const tenHosts = `
seed 5
fleet 10 activation=20s..50s
rollout stable@r1 at=10s target=c1 waves=2m,30m
at 2m reducer wedge for=30s
at 4m net drop host=h2..h4 rate=500 for=90s
at 6m plane crash for=10s
at 7m agent crash host=h3 for=20s
at 8m reply drop host=h5 for=1m
converge within=10m
`

// broken is a run that ends with a violation of a safety rule after so many
// events.
func broken(t *testing.T, text string, after int, detail string) Run {
	t.Helper()
	s, err := scenario.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	r := record.NewRecorder(record.Limits{})
	w, err := sim.New(s, sim.Options{Record: r})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; w.Next(); n++ {
		if n == after {
			w.Violate("S8", "%s", detail)
		}
	}
	return Run{Recording: r.Recording(w.Verdict()), Profile: "swarm", Build: "a build", Again: "refrain sim run --seed 5 --profile swarm"}
}

func TestAPageOpensOnTheViolation(t *testing.T) {
	b := open(t, drawn(t, broken(t, tenHosts, 1700, "h3 in stable@r1 is answered with Replay-From 2; want none")), "picture")
	b.want(`document.getElementById("verdict").textContent === "✕ VIOLATED S8"`)
	b.want(`picture.view.t0 < picture.model.d.Broken.At && picture.model.d.Broken.At < picture.view.t1`)
	b.want(`picture.view.t1 - picture.view.t0 < picture.model.end`)
	b.want(`picture.model.d.Focus.Host === 3 && picture.view.story.host === picture.model.d.Focus.Host`)
	b.want(`document.querySelector("#story .now").textContent.includes("S8")`)
	b.want(`document.getElementById("step-title").textContent.includes("Step " + picture.model.d.Broken.Step)`)
	b.want(`document.getElementById("again").textContent.startsWith("refrain sim run")`)
	b.want(`document.querySelectorAll("#facts div").length >= 6`)
	b.want(`document.getElementById("scenario-text").textContent.includes("at 2m reducer wedge for=30s")`)
	if n := b.colours("lanes", "bad"); n < 100 {
		t.Errorf("the violation is drawn with %d pixels", n)
	}
	b.keep("violation")
}

func TestAPageHasALaneForEveryHostAndOneForThePlane(t *testing.T) {
	b := open(t, drawn(t, recorded(t, tenHosts)), "picture")
	b.press(kb.Home)
	b.want(`picture.targets.filter((t) => t.lane).length === 10 && picture.targets.some((t) => t.planeSpan)`)
	b.want(`picture.targets.filter((t) => t.band).length === 6`)
	b.want(`picture.view.drawn.lanes === 10 && !picture.place.strips`)
	for _, state := range []string{"state-2", "state-4"} { // Activating, Soaking
		if n := b.colours("lanes", state); n < 500 {
			t.Errorf("%s has %d pixels on the lanes", state, n)
		}
	}
	for _, chart := range []string{"accent", "reason-4", "state-4"} {
		if n := b.colours("charts", chart); n < 5 {
			t.Errorf("%s has %d pixels on the charts", chart, n)
		}
	}
	b.keep("ten-hosts")
}

func TestAPageZoomsAndPans(t *testing.T) {
	b := open(t, drawn(t, recorded(t, tenHosts)), "picture")
	width := func() float64 { return value[float64](b, `picture.view.t1 - picture.view.t0`) }
	left := func() float64 { return value[float64](b, `picture.view.t0`) }
	middle := b.onLanes(`({ x: 600, y: 200 })`)
	was := width()
	b.wheel(middle, -400)
	if now := width(); now > was*0.7 {
		t.Errorf("the wheel goes from %g to %g", was, now)
	}
	b.wheel(middle, 4000)
	if now := width(); now < was {
		t.Errorf("the wheel goes back to %g, it was %g", now, was)
	}
	was = width()
	b.press("+")
	if now := width(); now >= was {
		t.Errorf("+ goes from %g to %g", was, now)
	}
	was = left()
	b.press(kb.ArrowRight)
	if now := left(); now <= was {
		t.Errorf("the arrow moves from %g to %g", was, now)
	}
	was = left()
	b.drag(b.onLanes(`({ x: 400, y: 260 })`), b.onLanes(`({ x: 700, y: 260 })`))
	if now := left(); now >= was {
		t.Errorf("dragging to the right moves from %g to %g", was, now)
	}
	b.press(kb.Home)
	b.want(`picture.view.t0 <= 0 && picture.view.t1 >= picture.model.end`)
	// A new range is drawn on the overview, by moving one of its edges.
	edge := value[point](b, `(() => { const r = document.getElementById("overview").getBoundingClientRect(); return { X: r.right - 14, Y: r.top + 20 }; })()`)
	b.drag(edge, point{edge.X - 600, edge.Y})
	b.want(`picture.view.t1 - picture.view.t0 < picture.model.end`)
	b.press("v")
	b.want(`picture.view.t0 < picture.model.d.Broken.At && picture.model.d.Broken.At < picture.view.t1`)
}

// aChange is a target that leads to a step which changed a record.
const aChange = `picture.targets.find((t) => t.message && t.message.kind === 2 && t.x > 200 && t.x < picture.view.width - 40 && t.y > 0 && t.y < picture.place.h &&
	picture.model.recordsOf[t.message.host].some((r) => [...r.plane, ...r.agent].some((v) => v[0] === t.step)))`

func TestAClickShowsTheTraceAndTheRecordBeforeAndAfter(t *testing.T) {
	b := open(t, drawn(t, recorded(t, tenHosts)), "picture")
	value[bool](b, `(picture.setRange(8e9, 80e9), true)`)
	b.want(`!!(window.aim = ` + aChange + `)`)
	// Nothing else is nearer than what is aimed at, so that the click finds it.
	b.click(b.onLanes(`aim`))
	b.want(`!!picture.view.step && !!picture.view.message`)
	b.want(`document.getElementById("step-title").textContent.includes("Step " + picture.view.step.step)`)
	b.want(`document.querySelectorAll("#step .lines li").length === picture.view.step.lines.split("\n").length`)
	b.want(`document.querySelector("#step table thead").textContent === "planeagent"`)
	// The change is marked, with what was before it.
	value[bool](b, `(picture.selectNumber(aim.step, 0, aim.message.host, aim.message), true)`)
	b.want(`document.querySelectorAll("#step td.changed").length > 0`)
	b.want(`document.querySelector("#step td.changed s") !== null`)
	b.want(`document.querySelectorAll("#story .now").length === 1`)
	b.keep("step")

	step := value[float64](b, `picture.view.step.step`)
	b.press("]")
	if now := value[float64](b, `picture.view.step.step`); now <= step {
		t.Errorf("] goes from step %g to %g", step, now)
	}
	b.press("[")
	if now := value[float64](b, `picture.view.step.step`); now != step {
		t.Errorf("[ goes back to step %g, it was %g", now, step)
	}
	b.press("n")
	b.want(`picture.view.message.look !== "fine"`)
	// A line of the story leads to its step, too.
	value[bool](b, `(document.querySelectorAll("#story button")[3].click(), true)`)
	b.want(`document.querySelectorAll("#story li")[3].className === "now"`)
}

func TestHoveringTellsWhatIsThere(t *testing.T) {
	b := open(t, drawn(t, recorded(t, tenHosts)), "picture")
	value[bool](b, `(picture.setRange(8e9, 80e9), true)`)
	b.want(`!!(window.aim = ` + aChange + `)`)
	b.move(b.onLanes(`aim`))
	b.want(`!document.getElementById("tip").hidden && document.getElementById("tip").textContent.includes("sent")`)
	b.move(b.onLanes(`((l) => ({ x: 500, y: l.y0 + (l.y1 - l.y0) * 0.6 }))(picture.targets.findLast((t) => t.lane))`))
	b.want(`document.getElementById("tip").textContent.includes("plane says")`)
	b.move(b.onLanes(`((t) => ({ x: (t.x0 + t.x1) / 2, y: (t.y0 + t.y1) / 2 }))(picture.targets.find((t) => t.band))`))
	b.want(`/fault|operator/.test(document.getElementById("tip").textContent)`)
}

func TestFiltersChooseHostsAndKinds(t *testing.T) {
	b := open(t, drawn(t, recorded(t, tenHosts)), "picture")
	b.press("/")
	b.want(`document.activeElement.id === "hosts"`)
	b.fill("#hosts", "h2..h4, h9")
	b.want(`picture.view.hosts.join() === "2,3,4,9" && picture.targets.filter((t) => t.lane).length === 4`)
	b.fill("#hosts", "soaking")
	b.want(`picture.view.hosts.length > 0`)
	b.fill("#hosts", "nonsense")
	b.want(`document.getElementById("hosts").classList.contains("bad")`)
	b.do(chromedp.Click(chromedp.CSS(`#kinds button[data-kind="1"]`)))
	b.want(`!picture.view.kinds.has(1) && !picture.targets.some((t) => t.message && t.message.kind === 1)`)
	b.do(chromedp.Click(chromedp.CSS("#problems")))
	b.want(`picture.targets.every((t) => !t.message || t.message.look !== "fine")`)
}

func TestAPageIsLightOrDarkAsTheSystemIsUntilSomebodyChooses(t *testing.T) {
	b := open(t, drawn(t, recorded(t, tenHosts)), "picture")
	ground := func() string { return value[string](b, `getComputedStyle(document.body).backgroundColor`) }
	light := ground()
	b.prefer("dark")
	dark := ground()
	if light != "rgb(255, 255, 255)" || dark == light {
		t.Errorf("light is %s, dark %s", light, dark)
	}
	if n := b.colours("lanes", "state-4"); n < 500 {
		t.Errorf("in the dark, Soaking has %d pixels", n)
	}
	b.keep("dark")
	b.do(chromedp.Click(chromedp.CSS("#theme")))
	if now := ground(); now != light {
		t.Errorf("the button goes to %s", now)
	}
	b.press("t")
	if now := ground(); now != dark {
		t.Errorf("t goes to %s", now)
	}
}

func TestAPageOfFiveHundredHostsIsStillOfUse(t *testing.T) {
	run := broken(t, `
seed 4
fleet 500
rollout stable@r1 at=30s target=c1 waves=2m,2m
at 3m gate capacity for=2m size=16
at 6m plane crash for=30s
at 7m agent amnesia host=h300..h320 for=30s
at 8m net partition host=h100..h180 for=5m
`, 75_000, "h140: an event of stable@r1 is answered twice")
	b := open(t, drawn(t, run), "picture")
	b.want(`picture.view.hosts.length === 500 && picture.place.strips`)
	b.want(`picture.place.most === 0 || picture.place.hostsAt + picture.place.tallness > picture.place.h`)
	// The guilty host is drawn in full, above the strips.
	b.want(`picture.place.pinned[0] === picture.model.d.Focus.Host && picture.view.drawn.lanes === picture.place.pinned.length`)
	b.keep("five-hundred-violation")
	b.press(kb.Home)
	if n := b.colours("lanes", "state-5"); n < 10000 {
		t.Errorf("Converged has %d pixels", n)
	}
	b.keep("five-hundred")
	// A strip leads to its host.
	b.click(b.onLanes(`((t) => ({ x: 700, y: (t.y0 + t.y1) / 2 }))(picture.targets.filter((t) => t.lane && !t.lane.pinned)[40])`))
	b.want(`picture.place.pinned.length === 2 && picture.view.story.host === picture.place.pinned[1]`)
	b.fill("#hosts", "h100..h110")
	b.want(`!picture.place.strips && picture.targets.filter((t) => t.lane).length === 11`)
}

func TestAPageSaysWhatWasLeftOut(t *testing.T) {
	s, err := scenario.ParseScenario(tenHosts)
	if err != nil {
		t.Fatal(err)
	}
	r := record.NewRecorder(record.Limits{Messages: 200, Steps: 300})
	v, err := sim.Run(s, sim.Options{Record: r})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, drawn(t, Run{Recording: r.Recording(v)}), "picture")
	b.want(`document.querySelector(".notice").textContent.includes("left out")`)
	// A line of the story whose step is gone leads to the nearest that is kept.
	value[bool](b, `(document.querySelector("#story button").click(), true)`)
	b.want(`picture.view.step !== null`)
}

func TestAPageOfAWorldInWhichNothingHappensIsShown(t *testing.T) {
	s, err := scenario.ParseScenario("fleet 1")
	if err != nil {
		t.Fatal(err)
	}
	r := record.NewRecorder(record.Limits{})
	v, err := sim.Run(s, sim.Options{Record: r, Until: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, drawn(t, Run{Recording: r.Recording(v)}), "picture")
	b.want(`document.getElementById("verdict").textContent === "■ STOPPED"`)
	for _, key := range strings.Split("v n p [ ] + - t ?", " ") {
		b.press(key)
	}
	b.want(`document.getElementById("help").open`)
}

func TestAPageOfADifferenceShowsBothSides(t *testing.T) {
	var html bytes.Buffer
	if err := WriteDifference(&html, difference(t)); err != nil {
		t.Fatal(err)
	}
	b := open(t, html.String(), "difference")
	b.want(`document.getElementById("verdict").textContent === "≠ DIFFER"`)
	b.want(`document.querySelectorAll("tr[data-row]").length === difference.diff.Rows.length`)
	b.want(`document.querySelectorAll("tr.left, tr.right").length > 5 && document.querySelectorAll("tr.first").length === 1`)
	b.want(`document.querySelectorAll("tr.chosen").length === 1 && document.querySelectorAll("#step table").length === 2`)
	b.want(`document.querySelectorAll("#scenario-lines .removed, #scenario-lines .added").length === 2`)
	row := value[int](b, `+document.querySelector("tr.chosen").dataset.row`)
	b.press("n")
	if now := value[int](b, `+document.querySelector("tr.chosen").dataset.row`); now <= row {
		t.Errorf("n goes from row %d to %d", row, now)
	}
	b.keep("difference")
	b.do(chromedp.Click(chromedp.CSS("#only")))
	b.want(`document.querySelectorAll("tr[data-row]").length === difference.diff.Rows.filter((r) => r.Sign !== " ").length`)
	b.fill("#filter", "h3")
	b.want(`[...document.querySelectorAll("tr[data-row]")].every((tr) => tr.textContent.includes("h3"))`)
	b.do(chromedp.Click(chromedp.CSS("#theme")))
	b.want(`getComputedStyle(document.body).backgroundColor !== "rgb(255, 255, 255)"`)
	b.keep("difference-dark")
}
