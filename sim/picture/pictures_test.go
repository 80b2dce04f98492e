//go:build e2e

package picture

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPicturesOfTheDocuments draws the picture of the README, into the directory that
// PICTURES names; 'make pictures' runs it.
func TestPicturesOfTheDocuments(t *testing.T) {
	dir := os.Getenv("PICTURES")
	if dir == "" {
		t.Skip("PICTURES names no directory")
	}
	b := open(t, drawn(t, broken(t, tenHosts, 1700, "m812, a heartbeat of h3 in stable@r1, is answered with Replay-From 2; want none")), "picture")
	b.do(chromedp.EmulateViewport(1060, 680))
	value[bool](b, "true")
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run.png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}
