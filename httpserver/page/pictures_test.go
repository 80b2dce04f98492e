//go:build e2e

package page

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestPicturesOfTheDocuments draws the picture of the README, into the directory that
// PICTURES names; 'make pictures' runs it.
func TestPicturesOfTheDocuments(t *testing.T) {
	dir := os.Getenv("PICTURES")
	if dir == "" {
		t.Skip("PICTURES names no directory")
	}
	b := show(t, busyNow(t, 2_000))
	b.do(chromedp.EmulateViewport(1200, 780))
	b.click("#rollouts li:nth-child(2) summary")
	value[bool](b, `(document.activeElement.blur(), scrollTo(0, 0), true)`)
	b.write(filepath.Join(dir, "live.png"), page.CaptureScreenshotParams{})
}
