package check

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Retention is a part of S28: when a database is compacted, the rollouts that have been
// finished for longer than the age go, and everything else stays as it is: rollouts in
// force and those that a host is still in, the quarantine, the revocations.
//
// A rollout is finished if a newer one of its channel superseded it and each of its
// hosts has ended, never took the dispatch up, or has taken up a newer rollout of the
// same channel; what a host does for another channel does not count. It is finished
// since the last of these.

// stateLine is what is read here of a line of a plane's durable state.
type stateLine struct {
	RolloutID    wire.RolloutID `json:"rollout_id"`
	OpenedAt     time.Time      `json:"opened_at"`
	SupersededBy wire.RolloutID `json:"superseded_by"`
	Serial       wire.Serial    `json:"serial"`
	Signed       bool           `json:"signed"`
}

// rolloutLines are the lines of one rollout and its records.
type rolloutLines struct {
	stateLine
	text []byte
}

// readState splits a durable state into its rollouts, those that were retired, and
// everything else.
func readState(lines []byte) (rollouts, retired []rolloutLines, others []byte) {
	for line := range bytes.Lines(lines) {
		word, doc, _ := bytes.Cut(line, []byte(" "))
		var read stateLine
		switch string(word) {
		case "rollout":
			_ = json.Unmarshal(doc, &read) // what cannot be read has no ID, and is no rollout
			rollouts = append(rollouts, rolloutLines{read, slices.Clone(line)})
		case "record":
			last := &rollouts[len(rollouts)-1]
			last.text = append(last.text, line...)
		case "retired":
			_ = json.Unmarshal(doc, &read)
			retired = append(retired, rolloutLines{read, slices.Clone(line)})
		default:
			others = append(others, line...)
		}
	}
	return rollouts, retired, others
}

// compacted judges what is left of a copy that was compacted.
func (c *operators) compacted(e *world.Event) {
	w := e.World
	had, _, others := readState(w.Durable().AppendDurable(nil))
	left, retired, otherLeft := readState(e.Lines)
	if !bytes.Equal(others, otherLeft) {
		was, is := firstDifference(others, otherLeft)
		w.Violate("S28", "a compaction leaves, of what belongs to no rollout, %s; want it as it was: %s", is, was)
	}
	before := w.PlaneWall().Add(-e.For)
	for i := range had {
		o := &had[i]
		at := slices.IndexFunc(left, func(r rolloutLines) bool { return r.RolloutID == o.RolloutID })
		noted := slices.ContainsFunc(retired, func(r rolloutLines) bool { return r.RolloutID == o.RolloutID })
		mayGo, why := c.finished(w, had, o, before)
		switch {
		case at >= 0 && !bytes.Equal(left[at].text, o.text):
			was, is := firstDifference(o.text, left[at].text)
			w.Violate("S28", "a compaction leaves %s, and changes it to %s; want it as it was: %s", o.RolloutID, is, was)
		case at < 0 && !mayGo:
			w.Violate("S28", "a compaction retires %s; want it kept, since %s", o.RolloutID, why)
		case at >= 0 && mayGo:
			w.Violate("S28", "a compaction leaves %s, and it has been finished for longer than %v; want it retired", o.RolloutID, e.For)
		case at < 0 && !noted:
			w.Violate("S28", "a compaction retires %s and forgets its ID; want the ID kept, so that the rollout is not opened again", o.RolloutID)
		}
	}
}

// finished reports whether a rollout has been finished since before an instant, and if
// not, why.
func (c *operators) finished(w *world.World, all []rolloutLines, o *rolloutLines, before wire.Time) (is bool, why string) {
	by := func(id wire.RolloutID) *rolloutLines {
		if i := slices.IndexFunc(all, func(r rolloutLines) bool { return r.RolloutID == id }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	if o.SupersededBy == "" {
		return false, "no newer rollout of its channel superseded it"
	}
	next := by(o.SupersededBy)
	if !o.OpenedAt.Before(before.Std()) || next != nil && !next.OpenedAt.Before(before.Std()) {
		return false, "it was superseded not long enough ago"
	}
	known := c.l.durable.find(o.RolloutID)
	if known == nil {
		return false, "no entry of the log opened it"
	}
	for _, r := range known.records {
		name := c.l.names[r.host]
		rec, _ := w.Durable().Record(o.RolloutID, name)
		switch {
		case rec.State == wire.Pending:
		case !isActive(rec.State):
			if rec.EndedAt.IsSet() && !rec.EndedAt.Before(before) {
				return false, string(name) + " ended in it not long enough ago"
			}
		case !tookUpNewer(w, all, o, name):
			return false, string(name) + " is " + rec.State.String() + " in it, and has taken up none that is newer"
		}
	}
	return true, ""
}

// tookUpNewer reports whether a host has taken up a newer rollout of the channel:
// one that superseded another, or that superseded that one, or has a higher serial.
func tookUpNewer(w *world.World, all []rolloutLines, o *rolloutLines, name wire.Hostname) bool {
	superseders := make(map[wire.RolloutID]bool)
	for next := o; next != nil && next.SupersededBy != ""; {
		superseders[next.SupersededBy] = true
		at := slices.IndexFunc(all, func(r rolloutLines) bool { return r.RolloutID == next.SupersededBy })
		if next = nil; at >= 0 {
			next = &all[at]
		}
	}
	for i := range all {
		r := &all[i]
		newer := superseders[r.RolloutID] || r.RolloutID.Channel() == o.RolloutID.Channel() && r.Signed == o.Signed && o.Serial != 0 && r.Serial > o.Serial
		if !newer {
			continue
		}
		if rec, there := w.Durable().Record(r.RolloutID, name); there && rec.State != wire.Pending {
			return true
		}
	}
	return false
}
