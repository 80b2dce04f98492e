//go:build unix

package releasefile_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/refrain-fleet/refrain/internal/releasefile"
)

func TestRead_DoesNotWaitForAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "fleet.resolved.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := releasefile.Read(dir); err == nil || !strings.HasSuffix(err.Error(), "fleet.resolved.json: not a regular file") {
		t.Errorf("got %v; want it refused", err)
	}
}
