//go:build e2e

package picture

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// measureScript measures the texts of a page; it has to be there before the
// page's own script.
func measureScript(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/measure.js")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fromFile runs a scenario with its expectations, as the command does.
func fromFile(t *testing.T, text string) Run {
	t.Helper()
	f, err := scenario.ParseFile("runs/incident-of-tuesday.scenario", text)
	if err != nil {
		t.Fatal(err)
	}
	r := record.NewRecorder(record.Limits{})
	v, err := sim.Run(f.Scenario, sim.Options{Record: r})
	if err != nil {
		t.Fatal(err)
	}
	return Run{Recording: r.Recording(v), File: f.Name, Source: f, Build: "b245f71321a0+changes go1.26.8 linux/amd64", Again: "refrain sim run runs/incident-of-tuesday.scenario"}
}

// The four ways in which a run ends, as people look at it.
const (
	passes = tenHosts + "active 40m\n"
	unmets = passes + `expect answer timeout host=h1 took=6s
expect record h3 stable@r1 Failed side=plane at=9m
expect plane serving at=7m
`
	expected = `seed 1
fleet 3 activation=5m..5m
rollout stable@r1 at=1s target=c1 waves=30m
at 2m reducer wedge for=30s
converge within=10m
expect violation L1
`
)

func endings(t *testing.T) map[string]Run {
	return map[string]Run{
		"failure":  broken(t, tenHosts, 1700, "m812, a heartbeat of h3 in stable@r1, is answered with Replay-From 2; want none"),
		"unmet":    fromFile(t, unmets),
		"pass":     fromFile(t, passes),
		"expected": fromFile(t, expected),
	}
}

// Everything that is written on a page can be read, at the widths of a small
// and of a common window, in light and in dark.
func TestEverythingOnAPageCanBeRead(t *testing.T) {
	for name, run := range endings(t) {
		t.Run(name, func(t *testing.T) {
			b := open(t, drawn(t, run), "picture")
			for _, width := range []int{800, 1400} {
				for _, scheme := range []string{"light", "dark"} {
					b.prefer(scheme)
					b.do(chromedp.EmulateViewport(int64(width), 900))
					shown := fmt.Sprintf("%s-%d-%s", name, width, scheme)
					b.readable(shown)
					b.keep(shown)
					b.press(kb.Home)
					b.readable(shown + ", the whole run")
					b.keep(shown + "-whole")
					b.press("v")
				}
			}
		})
	}
}

// readable fails the test for every text that is clipped, covered, overlaps
// another or has too little contrast.
func (b *tab) readable(shown string) {
	b.Helper()
	if n := value[int](b, `measure.canvasTexts().length`); n < 30 {
		b.Errorf("%s: %d texts on the canvases; the measuring does not work", shown, n)
	}
	if wrong := value[[]string](b, `measure.complaints()`); len(wrong) > 0 {
		b.Errorf("%s:\n\t%s", shown, strings.Join(wrong, "\n\t"))
	}
}

// The two runs of a difference can be read as well.
func TestEverythingOnAPageOfADifferenceCanBeRead(t *testing.T) {
	var html bytes.Buffer
	if err := WriteDifference(&html, difference(t)); err != nil {
		t.Fatal(err)
	}
	b := open(t, html.String(), "difference")
	for _, width := range []int64{800, 1400} {
		for _, scheme := range []string{"light", "dark"} {
			b.prefer(scheme)
			b.do(chromedp.EmulateViewport(width, 900))
			shown := fmt.Sprintf("difference-%d-%s", width, scheme)
			if wrong := value[[]string](b, `measure.complaints()`); len(wrong) > 0 {
				b.Errorf("%s:\n\t%s", shown, strings.Join(wrong, "\n\t"))
			}
			b.keep(shown)
		}
	}
}

// The verdict is the command's, in large letters on top of the page, and red
// exactly if the command's exit code is 1.
func TestTheVerdictIsSeenAtFirstGlance(t *testing.T) {
	for name, want := range map[string]struct{ text, colour, says string }{
		"failure":  {"✕ VIOLATED S8", "bad", "want none"},
		"unmet":    {"✕ FAILED", "bad", "2 of 3 expectations unmet"},
		"pass":     {"✓ PASSED", "good", "No rule was violated"},
		"expected": {"✓ PASSED", "good", "As expected, L1 is violated"},
	} {
		t.Run(name, func(t *testing.T) {
			run := endings(t)[name]
			if failed := run.Recording.Result.Failed(); failed != (want.colour == "bad") {
				t.Fatalf("the run failed: %v", failed)
			}
			b := open(t, drawn(t, run), "picture")
			for _, width := range []int64{800, 1400} {
				b.do(chromedp.EmulateViewport(width, 900))
				b.want(`document.getElementById("verdict").textContent === "` + want.text + `"`)
				b.want(`((r, s) => r.top >= 0 && r.bottom < 120 && r.left >= 0 && r.right <= innerWidth && parseFloat(s.fontSize) >= 16)(verdict.getBoundingClientRect(), getComputedStyle(verdict))`)
				b.want(`getComputedStyle(verdict).color === ((p) => { document.body.append(p); p.style.color = "var(--` + want.colour + `)"; const c = getComputedStyle(p).color; p.remove(); return c; })(document.createElement("i"))`)
				b.want(`document.getElementById("broken").textContent.includes("` + want.says + `")`)
			}
		})
	}
}

// An unmet expectation leads to its host and its time.
func TestAnUnmetExpectationLeadsToItsTime(t *testing.T) {
	b := open(t, drawn(t, endings(t)["unmet"]), "picture")
	const at9m = `picture.view.t0 < 540e9 && 540e9 < picture.view.t1 && picture.view.t1 - picture.view.t0 < picture.model.end / 4`
	b.want(at9m + ` && picture.view.story.host === 3`)
	b.want(`[...document.querySelectorAll("#story li")].some((li) => li.textContent.includes("unmet expect record h3"))`)
	b.press(kb.Home)
	b.want(`!(` + at9m + `)`)
	b.do(chromedp.Click(chromedp.CSS(`#broken a[data-unmet="1"]`)))
	b.want(at9m + ` && document.querySelector("#story .now") !== null`)
}

// The legend stays in sight, whatever is scrolled or zoomed.
func TestTheLegendIsAlwaysInSight(t *testing.T) {
	b := open(t, drawn(t, recorded(t, strings.Replace(tenHosts, "fleet 10", "fleet 60", 1))), "picture")
	const inSight = `((r) => r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight && r.right <= innerWidth && [0.1, 0.9].every((k) => document.elementFromPoint(r.left + r.width / 2, r.top + r.height * k).closest("#legend")))(document.getElementById("legend").getBoundingClientRect())`
	for _, size := range [][2]int64{{1400, 900}, {1400, 500}, {800, 900}, {800, 500}} {
		b.do(chromedp.EmulateViewport(size[0], size[1]))
		value[bool](b, `(scrollTo(0, 0), true)`)
		for _, move := range []string{
			`true`, `(picture.view.scroll = 1e6, picture.setRange(100e9, 130e9), true)`,
			`(scrollTo(0, document.documentElement.scrollHeight), true)`, `(story.scrollTop = 1e6, step.scrollTop = 1e6, true)`,
		} {
			value[bool](b, move)
			if !value[bool](b, inSight) {
				b.Errorf("%d × %d, after %s: the legend is not in sight", size[0], size[1], move)
			}
		}
	}
	for _, word := range []string{"Soaking", "agent", "plane", "process down", "unreachable", "lost", "late reply", "Replay-From", "saturated", "other requests"} {
		b.want(`document.getElementById("legend").textContent.includes("` + word + `")`)
	}
}

// A line that is a limit says of what, and how much it is; the limit of the
// time that is shown, if a fault changes it.
func TestTheLimitsOfChartsAreNamed(t *testing.T) {
	b := open(t, drawn(t, recorded(t, "seed 2\nfleet 40\nplane capacity=12\nrollout stable@r1 at=10s target=c1\nat 1m gate capacity for=1m size=5\nat 3m reducer wedge for=10s\nactive 5m\n")), "picture")
	for _, width := range []int64{800, 1400} {
		b.do(chromedp.EmulateViewport(width, 900))
		for _, c := range []struct{ from, to, texts string }{
			{"175e9", "200e9", "capacity 12, without heartbeats 9, all 40 hosts"},
			{"70e9", "110e9", "capacity 5, without heartbeats 3, all 40 hosts"},
		} {
			value[bool](b, `(picture.setRange(`+c.from+`, `+c.to+`), true)`)
			for _, text := range strings.Split(c.texts, ", ") {
				b.want(`measure.canvasTexts().some((t) => t.where === "charts" && t.text === "` + text + `" && !t.wrong.length)`)
			}
			b.keep(fmt.Sprintf("limits-%d-%s", width, c.from))
		}
	}
}

// Flags stand above the axis, where they cover none of its words; several at
// one instant stand in rows.
func TestFlagsCoverNoTickOfTheAxis(t *testing.T) {
	b := open(t, drawn(t, endings(t)["unmet"]), "picture")
	for _, width := range []int64{800, 1400} {
		b.do(chromedp.EmulateViewport(width, 900))
		for _, to := range []string{`picture.setRange(0, picture.model.end)`, `picture.setRange(2350e9, 2450e9)`, `picture.setRange(500e9, 580e9)`} {
			value[bool](b, `(`+to+`, true)`)
			b.want(`picture.flags.length > 0 && picture.flags.every((f) => (f.row + 1) * 18 <= picture.place.axisAt)`)
			b.want(`measure.canvasTexts().filter((t) => t.where === "lanes" && /^\d+:\d\d/.test(t.text)).length >= 2`)
			b.want(`!measure.canvasTexts().some((t) => t.where === "lanes" && t.box.y1 <= picture.place.bandsAt && t.wrong.length)`)
		}
	}
}

// A page opens on what led to the violation: where the story's last lines are
// close together and long after those before, they fill the lanes. The message
// that is named is chosen, with its times and its deadline.
func TestAPageOpensOnTheLastLinesBeforeTheViolation(t *testing.T) {
	b := open(t, drawn(t, broken(t, "seed 2\nfleet 9\nplane capacity=10\nrollout stable@r1 at=1m target=c1\n", 146, "m28, an event of h9, is admitted; want it refused saturated")), "picture")
	b.want(`picture.model.d.Broken.At > 60e9`)
	b.want(`picture.view.t0 > 59e9 && picture.view.t0 < picture.model.d.Broken.At && picture.view.t1 > picture.model.d.Broken.At`)
	b.want(`picture.view.message.id === 28 && document.querySelector("#step .times").textContent.includes("arrived")`)

	// The line of the violation stays in sight when the window changes.
	for _, width := range []int64{800, 1400} {
		b.do(chromedp.EmulateViewport(width, 760))
		b.want(`((line, list) => line.bottom > list.top + 8 && line.top < list.bottom - 8)(document.querySelector("#story .now").getBoundingClientRect(), story.getBoundingClientRect())`)
	}
	// It is there at once, and does not glide there from the whole run.
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	b.want(`!matchMedia("(prefers-reduced-motion: reduce)").matches`)
	b.do(chromedp.Reload())
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](`!!(window.picture && window.picture.ready)`, chromedp.WithPollingTimeout(patience))); err != nil {
		t.Fatal(err)
	}
	b.want(`measure.opened[0] > 59e9`)

	late := open(t, drawn(t, recorded(t, tenHosts)), "picture")
	late.want(`!!(window.aim = picture.model.messages.find((m) => m.look === "late"))`)
	value[bool](late, `(picture.selectNumber(aim.late, aim.lateAt, aim.host, aim), picture.setRange(aim.sentAt - 1e9, aim.lateAt + 1e9), true)`)
	late.want(`/deadline\+5\.\d+ s 5\.00 s after its arrival/.test(document.querySelector("#step .times").textContent)`)
	late.want(`/answered.*late reply done/.test(document.querySelector("#step .times").textContent)`)
	late.want(`measure.canvasTexts().some((t) => t.text === "deadline" && !t.wrong.length)`)
}
