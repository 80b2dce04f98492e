package world

import (
	"errors"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The modelled disk: a commit takes a while, and then has succeeded, has failed, or
// the process has died around it.

// errDisk is how a commit fails.
var errDisk = errors.New("sim: the disk has failed")

// beginCommit gives a group to the disk.
func (p *planeNode) beginCommit(w *World) {
	if p.crashPhase == scenario.BeforeCommit {
		p.crashAtPhase(w, scenario.EffectCrashBeforeCommit)
		return
	}
	group := p.worker.BeginCommit()
	w.emitSection(driver.Commit, nil, len(group.Entries))
	p.flying, p.flyingRows, p.group = group.Entries, group.AllRows(), len(group.Entries)
	latency := p.disk.Between(w.scenario.Plane.Commit.Min, w.scenario.Plane.Commit.Max)
	if slow := w.faults.each(scenario.DiskSlow, 0, 0); slow > 0 {
		w.effect(scenario.EffectSlowDisk)
		latency += slow
	}
	w.push(dueCommit, planeNodeID, w.now+latency, p.epoch)
}

// committed comes when the disk has taken a group, or has not.
func (p *planeNode) committed(w *World) {
	if p.asleep(w, dueCommit, 0) {
		return
	}
	if p.crashPhase == scenario.InsideCommit {
		p.crashAtPhase(w, scenario.EffectCrashInsideCommit)
		return
	}
	entries := p.flying
	p.flying = nil
	fault := w.faults.striking(scenario.DiskFail, 0, 0)
	failed := fault != nil
	stored := !failed || fault.After
	if failed {
		w.effect(scenario.EffectDiskFailed)
	}
	if failed {
		w.emit(Event{Kind: EventCommitFailed, Count: len(entries), Stored: stored})
	}
	if stored && !p.store(w, entries, failed) {
		return
	}
	if !failed && p.crashPhase == scenario.AfterCommit {
		p.crashAtPhase(w, scenario.EffectCrashAfterCommit)
		return
	}
	var err error
	if failed {
		err = errDisk
	}
	p.worker.CommitEnded(err)
	p.proceed(w)
}

// store puts entries on the disk. lost says that the loop is not told so. It
// reports false if they do not follow from what is there.
func (p *planeNode) store(w *World, entries []plane.Entry, lost bool) bool {
	for _, e := range entries {
		if err := p.walked.Walk(e, &p.walkOut); err != nil {
			w.Violate("S1", "the log cannot be walked: %v", err)
			return false
		}
	}
	if lost {
		w.effect(scenario.EffectStoredAfterAll)
	}
	p.log = append(p.log, entries...)
	p.rows.commit(p.flyingRows, entries)
	p.backUp(w)
	w.emit(Event{Kind: EventCommitted, Entries: entries, ReplyLost: lost || p.crashPhase == scenario.AfterCommit})
	return true
}
