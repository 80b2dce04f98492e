package driver

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// What the plane is told of the store: that nothing can be made durable, or that
// disk is scarce.

// Broken reports whether the last commit has failed, so that nothing can be made
// durable (PROTOCOL G9).
func (w *Worker[T]) Broken() bool { return w.broken }

// FreeDisk says how many bytes of disk are free; a negative number is unknown. It is
// called before [Worker.Next], as often as the caller likes. Below the reserve the
// plane is told that disk is scarce, and it is no longer once a quarter more than
// the reserve is free.
func (w *Worker[T]) FreeDisk(bytes int64) {
	reserve := w.cfg.DiskReserve
	switch {
	case bytes < 0:
		w.scarce = false
	case bytes < reserve:
		w.scarce = true
	case bytes >= reserve+reserve/4:
		w.scarce = false
	}
}

// Scarce reports whether less disk is free than the reserve (PROTOCOL G11).
func (w *Worker[T]) Scarce() bool { return w.scarce }

// TellStorage tells the plane whether anything can be made durable (PROTOCOL G9), and
// whether disk is scarce (G11).
func (w *Worker[T]) TellStorage(now wire.Instant) {
	w.storage = plane.Storage{Unavailable: w.broken, Scarce: w.scarce}
	w.alone.Reset()
	w.plane.Step(now, &w.storage, &w.alone)
	w.bring(&w.alone)
}
