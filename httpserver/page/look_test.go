//go:build e2e

package page

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// readable fails the test for every text that is cut off, overlaps another, leaves the
// window or has a contrast of less than 4.5 to 1. What is for screen readers alone is
// outside of the window on purpose.
func (b *tab) readable(shown string) {
	b.Helper()
	b.want(`measure.documentTexts().length > 20`)
	if wrong := value[[]string](b, `measure.documentTexts().filter((t) => t.wrong.length && !/skip|head/.test(t.where)).map((t) => t.where + ": " + JSON.stringify(t.text) + " " + t.wrong.join(", "))`); len(wrong) > 0 {
		b.Errorf("%s:\n\t%s", shown, strings.Join(wrong, "\n\t"))
	}
	b.want(`document.documentElement.scrollWidth <= innerWidth`)
}

// From no host to 100,000, on a telephone and on a screen, in light and dark, everything
// on the page can be read.
func TestEverythingOnThePageCanBeRead(t *testing.T) {
	for _, hosts := range []int{0, 5, 2_000, 100_000} {
		t.Run(fmt.Sprintf("hosts=%d", hosts), func(t *testing.T) {
			b := show(t, busyNow(t, hosts))
			b.until(`performance.getEntriesByName("first-contentful-paint").length === 1`)
			t.Logf("first picture after %.0f ms", value[float64](b, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
			b.until(`!document.body.textContent.includes("still being looked through")`)
			for _, width := range []int64{3840, 1600, 360} {
				for _, scheme := range []string{"light", "dark"} {
					b.prefer(scheme)
					b.do(chromedp.EmulateViewport(width, 900))
					shown := fmt.Sprintf("%d-%d-%s", hosts, width, scheme)
					b.readable(shown)
					b.keep(shown)
				}
			}
		})
	}
	t.Run("details", func(t *testing.T) {
		b := show(t, busyNow(t, 200))
		for name, path := range map[string]string{"host": "host?name=web-00000", "rollout": "rollout?id=canary%402026-01-31"} {
			b.do(chromedp.Navigate(b.url + path))
			for _, width := range []int64{360, 1600} {
				for _, scheme := range []string{"light", "dark"} {
					b.prefer(scheme)
					b.do(chromedp.EmulateViewport(width, 900))
					shown := fmt.Sprintf("%s-%d-%s", name, width, scheme)
					b.readable(shown)
					b.keep(shown)
				}
			}
		}
	})
}

func TestThePageIsUsedWithKeys(t *testing.T) {
	b := show(t, busyNow(t, 200))
	b.press(kb.Tab)
	b.want(`document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().left >= 0`)
	b.want(`getComputedStyle(document.activeElement).outlineStyle === "solid"`)
	b.press(kb.Enter)
	b.want(`document.activeElement.id === "main"`)
	// Tab goes through every link, and the last is no trap.
	b.do(chromedp.Navigate(b.url))
	b.until(`document.getElementById("connected").textContent === "live"`)
	all := value[int](b, `document.querySelectorAll("a, button, input, summary").length`)
	seen := map[string]bool{}
	left := false
	for range all + 2 {
		b.press(kb.Tab)
		if value[bool](b, `document.activeElement === document.body || document.activeElement === null`) {
			left = true
			break
		}
		if !value[bool](b, `((s) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))`) {
			b.Errorf("the focus on %s is not seen", value[string](b, `document.activeElement.outerHTML`))
		}
		seen[value[string](b, `String([...document.querySelectorAll("a, button, input, summary")].indexOf(document.activeElement))`)] = true
	}
	if !left && len(seen) != all || len(seen) != all {
		b.Errorf("tab comes to %d of %d links, buttons and fields", len(seen), all)
	}
	// A host is looked up, and its page leads back.
	b.click("#name")
	b.press("web-00000")
	b.press(kb.Enter)
	b.until(`document.querySelector("h1") && document.querySelector("h1").textContent === "web-00000"`)
	b.want(`document.body.innerText.includes("gone back to")`)
	b.click("nav a")
	b.until(`!!document.getElementById("connected") && document.getElementById("connected").textContent === "live"`)
}

func TestLinksLeadToARolloutAndItsHosts(t *testing.T) {
	b := show(t, busyNow(t, 2_000))
	b.click(`#rollouts a[href*="stable"]`)
	b.until(`document.querySelector("h1").textContent.startsWith("stable@2026-01-31")`)
	b.click(`.filter a[href$="Soaking"]`)
	b.until(`document.querySelector("[aria-current]").textContent === "Soaking"`)
	b.want(`[...document.querySelectorAll("tbody tr")].length === 83`)
	b.click("tbody a")
	b.until(`document.querySelector("h1").textContent === "web-00750"`)
	b.want(`document.querySelector(".why li").innerText.length > 10`)
}

// What changes is replaced; what has the focus, and what is folded open, stays.
func TestThePageFollowsTheFleet(t *testing.T) {
	b := show(t, busyNow(t, 200))
	b.want(`document.querySelector(".unreachable dd").textContent === "7"`)
	b.click("#rollouts details summary")
	b.want(`document.querySelector("#rollouts details").open`)
	value[bool](b, `(document.querySelectorAll("#silent a")[2].focus(), true)`)
	focused := value[string](b, `document.activeElement.textContent`)
	value[bool](b, `(window.mark = document.querySelector("#rollouts details"), true)`)
	b.beat(193, 194) // the first of the silent hosts comes back
	b.until(`document.querySelector(".unreachable dd").textContent === "6"`)
	b.until(`!document.getElementById("silent").textContent.includes("web-00193")`)
	if now := value[string](b, `document.activeElement.textContent`); now != focused {
		b.Errorf("the focus was on %s, and is on %s", focused, now)
	}
	b.want(`document.querySelector("#rollouts details") === window.mark && window.mark.open`)
	b.until(`document.getElementById("summary").textContent.includes("6 hosts are unreachable")`)

	b.click("#pause")
	b.want(`document.getElementById("connected").textContent.startsWith("paused") && document.getElementById("pause").textContent === "Go on"`)
	rendered := b.page.Counts().Renderings
	b.until(fmt.Sprintf(`%d > -1`, rendered))
	b.eventuallyGone()
	b.beat(194, 195)
	b.press(" ") // the button has the focus
	b.until(`document.getElementById("connected").textContent === "live"`)
	b.until(`document.querySelector(".unreachable dd").textContent === "5"`)
	if n := b.requests("/"); n != 1 {
		b.Errorf("the page was loaded %d times", n)
	}
}

// eventuallyGone waits until no stream is open.
func (b *tab) eventuallyGone() {
	b.Helper()
	for b.page.Counts().Viewers != 0 {
		b.want(`true`)
	}
}

func (b *tab) requests(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[path]
}

func TestAPageThatLosesItsServerSaysSo(t *testing.T) {
	b := show(t, busyNow(t, 5))
	b.mu.Lock()
	b.endOfServer = true
	b.mu.Unlock()
	b.page.Close()
	b.until(`document.getElementById("connected").textContent.startsWith("no connection")`)
	b.want(`document.getElementById("connection").dataset.state === "lost"`)
}

func TestWithoutAScriptThePageIsWholeAndLoadsItselfAgain(t *testing.T) {
	b := show(t, busyNow(t, 200))
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.do(chromedp.Navigate(b.url))
	b.want(`document.querySelector(".unreachable dd").textContent === "7" && document.getElementById("connection").hidden`)
	b.beat(193, 194)
	b.until(`document.querySelector(".unreachable dd") !== null && document.querySelector(".unreachable dd").textContent === "6"`)
}

// What a screen reader needs: landmarks, headings, headers of tables, names.
func TestThePageHasWhatAScreenReaderNeeds(t *testing.T) {
	b := show(t, busyNow(t, 2_000))
	for _, path := range []string{"", "host?name=web-00000", "rollout?id=stable%402026-01-31"} {
		b.do(chromedp.Navigate(b.url + path))
		b.until(`document.readyState === "complete"`)
		for _, so := range []string{
			`document.documentElement.lang === "en" && document.title.endsWith("Refrain")`,
			`document.querySelectorAll("main").length === 1 && document.querySelectorAll("h1").length === 1 && document.querySelectorAll("header").length === 1`,
			`[...document.querySelectorAll("main > section")].every((s) => s.getAttribute("aria-label") || document.getElementById(s.getAttribute("aria-labelledby")))`,
			`[...document.querySelectorAll("th")].every((h) => h.scope === "row" || h.scope === "col")`,
			`[...document.querySelectorAll("table")].every((t) => t.tHead && [...t.tBodies[0].rows].every((r) => r.cells[0].scope === "row" && r.cells.length === t.tHead.rows[0].cells.length))`,
			`[...document.querySelectorAll("svg")].every((s) => s.getAttribute("role") === "img" && s.getAttribute("aria-label"))`,
			`[...document.querySelectorAll("input")].every((i) => i.labels.length === 1)`,
			`[...document.querySelectorAll("h1, h2, h3")].every((h, i, all) => i === 0 || +h.tagName[1] - +all[i - 1].tagName[1] <= 1)`,
			`new Set([...document.querySelectorAll("[id]")].map((e) => e.id)).size === document.querySelectorAll("[id]").length`,
		} {
			b.want(so)
		}
	}
	b.do(chromedp.Navigate(b.url))
	b.want(`document.querySelectorAll("[aria-live], [role=status], [role=alert]").length === 1 && document.getElementById("summary").getAttribute("aria-live") === "polite"`)
}

// Names and texts that agents send are texts on the page, whatever they contain.
func TestTextsOfAgentsAreNotMarkup(t *testing.T) {
	f := newFleet(t, nil)
	id := f.open("stable", "r1", 0, 1)
	f.acked(id, 0)
	f.tell(host(0), id, wire.ActivationCompleted{ObservedCurrentClosure: targetOf(id), CompletedAt: f.wall()},
		wire.ProbeResult{ProbeName: `<img src=x onerror="document.title='owned'">`, Mode: wire.Enforce, Status: wire.Fail, ObservedAt: f.wall()})
	f.step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: host(0), At: f.wall()}})
	b := show(t, f)
	b.do(chromedp.Navigate(b.url + "host?name=" + string(host(0))))
	b.until(`document.body.innerText.includes("onerror=")`)
	b.want(`document.querySelector("img") === null && !document.title.includes("owned")`)
}
