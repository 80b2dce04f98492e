package httpserver

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/httpserver/store"
)

// storeHealth is what a store says about itself, for probes, metrics and the log.
type storeHealth struct {
	// now is nil for a store that does not report.
	now func() store.Health
	// readOnly: the plane goes on with what needs no disk (PROTOCOL G9).
	readOnly atomic.Bool
	// scarce: less disk is free than the reserve, which is reserve bytes (G11).
	scarce  atomic.Bool
	reserve int64
	// saidFailing and saidWarning are what was logged last. The loop's.
	saidFailing, saidWarning string
}

func newStoreHealth(s store.Store, reserve int64) *storeHealth {
	if r, ok := s.(store.Reporter); ok {
		return &storeHealth{now: r.Health, reserve: max(reserve, 0)}
	}
	return &storeHealth{reserve: max(reserve, 0), now: func() store.Health { return store.Health{Sizes: store.UnknownSizes} }}
}

// addStoreChecks adds the checks of the store to /readyz.
func (s *Server) addStoreChecks() {
	s.AddCheck(Check{Name: "store", Problem: func() string {
		if why := s.store.now().Failing; why != "" && !s.store.readOnly.Load() {
			return "store failing: " + why
		}
		return ""
	}})
	// A balancer that took the plane away for this would take the heartbeats with it.
	s.AddCheck(Check{Name: "store-commits", Advisory: true, Problem: func() string {
		if !s.store.readOnly.Load() {
			return ""
		}
		return "commits fail, and what needs the disk is refused store_unavailable: " + s.store.now().Failing
	}})
	s.AddCheck(Check{Name: "disk-reserve", Advisory: true, Problem: func() string {
		if !s.store.scarce.Load() {
			return ""
		}
		return fmt.Sprintf("%d bytes of the database's file system are free, and the reserve is %d: events that only observe are refused store_unavailable", s.store.now().FreeBytes, s.store.reserve)
	}})
	s.AddCheck(Check{Name: "store-history", Advisory: true, Problem: func() string { return s.store.now().Warning }})
}

// logStore logs what the store says about itself, when that has changed.
func (l *loop) logStore() {
	h := l.health
	now := h.now()
	if now.Failing != h.saidFailing {
		h.saidFailing = now.Failing
		if now.Failing != "" {
			l.log.Error("the store fails: requests are answered 503", "error", now.Failing)
		} else {
			l.log.Info("the store works again")
		}
	}
	if now.Warning != h.saidWarning {
		h.saidWarning = now.Warning
		if now.Warning != "" {
			l.log.Error("the store lost what was acknowledged", "lost_entries", now.Lost, "detail", now.Warning)
		}
	}
}

var (
	descDatabaseBytes = describe("refrain_database_bytes", "Size of the database file.")
	descWALBytes      = describe("refrain_database_wal_bytes", "Size of the database's write-ahead log.")
	descFreeBytes     = describe("refrain_database_free_bytes", "Free space on the file system of the database.")
	descLostEntries   = describe("refrain_store_lost_entries", "Log entries that had been acknowledged and were missing when the database was opened.")
)

var descStoreAvailable = describe("refrain_store_available", "1 if commits succeed; 0 while what needs the disk is refused store_unavailable.")

var (
	descDiskScarce  = describe("refrain_disk_scarce", "1 while less of the database's file system is free than the reserve, and events that only observe are refused store_unavailable.")
	descDiskReserve = describe("refrain_disk_reserve_bytes", "The reserve of free space on the file system of the database; 0 for none.")
)

var storeDescs = []*prometheus.Desc{descStoreAvailable, descDiskScarce, descDiskReserve, descDatabaseBytes, descWALBytes, descFreeBytes, descLostEntries}

// collect hands out the store's figures; those that it does not know are left out.
func (h *storeHealth) collect(gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	now := h.now()
	for desc, bytes := range map[*prometheus.Desc]int64{
		descDatabaseBytes: now.DatabaseBytes, descWALBytes: now.LogBytes, descFreeBytes: now.FreeBytes,
	} {
		if bytes >= 0 {
			gauge(desc, float64(bytes))
		}
	}
	gauge(descLostEntries, float64(now.Lost))
	gauge(descStoreAvailable, map[bool]float64{false: 1}[h.readOnly.Load()])
	gauge(descDiskScarce, map[bool]float64{true: 1}[h.scarce.Load()])
	gauge(descDiskReserve, float64(h.reserve))
}

// logDisk logs that disk has become scarce, or is no longer (PROTOCOL G11).
func (l *loop) logDisk(scarce bool) {
	h := l.health
	if scarce {
		l.log.Warn("free disk space is below the reserve: events that only observe are refused store_unavailable", "free_bytes", h.now().FreeBytes, "reserve_bytes", h.reserve)
	} else {
		l.log.Info("free disk space is above the reserve again: every event is taken", "free_bytes", h.now().FreeBytes, "reserve_bytes", h.reserve)
	}
}
