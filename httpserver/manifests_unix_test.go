//go:build unix

package httpserver

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAPipeAmongTheManifestsHoldsUpNeitherTheOthersNorTheShutdown(t *testing.T) { // PROTOCOL R6
	dir := writeManifests(t, map[string]string{"2-good.json": manifest("stable", "r1", "c1", "h1")})
	if err := syscall.Mkfifo(filepath.Join(dir, "1-pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, func(c *Config) { c.ManifestDir = dir })
	h.eventually("the other is open", func() bool { return strings.Contains(h.rollouts(), "stable@r1") })
	h.eventually("the pipe is counted", func() bool { return h.metric("refrain_manifests_refused") == 1 })
}
