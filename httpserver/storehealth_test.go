package httpserver

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// measuredStore is a store whose disk has as much free as a test says.
type measuredStore struct {
	store.Store
	free atomic.Int64
}

func (s *measuredStore) Health() store.Health {
	h := store.Health{Sizes: store.UnknownSizes}
	h.FreeBytes = s.free.Load()
	return h
}

func TestDiskReserve_RefusesWhatOnlyObserves(t *testing.T) { // PROTOCOL G11
	disk := &measuredStore{Store: memory.New(0)}
	disk.free.Store(2000)
	h := start(t, func(c *Config) { c.Store, c.DiskReserve = disk, 1000 })
	id := string(h.openRollout("stable", "r1", "c1", "h1"))
	c := h.agent("h1")
	send := func(seq int) answer { return c.do(http.MethodPost, eventsPath, eventBody("h1", id, seq-1)) }
	send(1).want(t, wire.NoContent)
	send(2).want(t, wire.NoContent) // ActivationStarted, and from here on again
	send(3).want(t, wire.NoContent)
	verbose := func() string { _, text := h.ops("/readyz?verbose"); return text }
	scarce := func(want float64, free int64) {
		t.Helper()
		disk.free.Store(free)
		c.heartbeat("h1").want(t, wire.OK) // the loop looks at the disk with each section
		c.heartbeat("h1").want(t, wire.OK)
		if got := h.metric("refrain_disk_scarce"); got != want {
			t.Errorf("with %d bytes free refrain_disk_scarce is %v, want %v", free, got, want)
		}
		if status, _ := h.ops("/readyz"); status != http.StatusOK {
			t.Errorf("with %d bytes free /readyz is %d, want 200", free, status)
		}
		if got := strings.Contains(verbose(), fmt.Sprintf("%d bytes of the database's file system are free, and the reserve is 1000", free)); got != (want == 1) {
			t.Errorf("with %d bytes free the warning is there: %v; want %v", free, got, want == 1)
		}
	}
	scarce(0, 1000)
	scarce(1, 999)
	send(4).want(t, wire.StoreUnavailable)
	h.openRollout("edge", "r1", "c1", "h1")
	scarce(1, 1249)
	send(4).want(t, wire.StoreUnavailable)
	scarce(0, 1250)
	send(4).want(t, wire.NoContent)
	for level, line := range map[string]string{"level=WARN": "below the reserve", "level=INFO": "above the reserve again"} {
		if lines := h.logs.matching(level, line); len(lines) != 1 {
			t.Errorf("%d log lines with %q, want 1", len(lines), line)
		}
	}
}
