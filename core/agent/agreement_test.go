package agent_test

import (
	"bytes"
	"fmt"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// planeRecords reads the plane's records of a host out of its durable state.
func (w *world) planeRecords() map[wire.Hostname]map[wire.RolloutID]rollout.Record {
	schema := wire.Schema[rollout.Record]{Fields: []wire.Field[rollout.Record]{
		{Name: "record", Of: func(r *rollout.Record) wire.Value {
			return wire.Nested[rollout.Record]{Doc: r, Schema: &rollout.RecordSchema}
		}},
	}}
	var d wire.Decoder
	all := map[wire.Hostname]map[wire.RolloutID]rollout.Record{}
	for line := range bytes.Lines(w.plane.AppendDurable(nil)) {
		doc, is := bytes.CutPrefix(line, []byte("record "))
		if !is {
			continue
		}
		var r rollout.Record
		if err := wire.DecodeDocument(&d, &schema, doc, &r); err != nil {
			w.t.Fatal(err)
		}
		if all[r.Hostname] == nil {
			all[r.Hostname] = map[wire.RolloutID]rollout.Record{}
		}
		all[r.Hostname][r.RolloutID] = r
	}
	return all
}

// newest returns the rollouts that are not superseded.
func (w *world) newest() []wire.Manifest {
	last := map[wire.Channel]int{}
	for i := range w.manifests {
		last[w.manifests[i].Channel] = i
	}
	var newest []wire.Manifest
	for i := range w.manifests {
		if last[w.manifests[i].Channel] == i {
			newest = append(newest, w.manifests[i])
		}
	}
	return newest
}

// disagreement says what has not settled yet: everywhere the newest rollout of
// every channel is at its end, plane and agent say the same of it, and nothing
// is outstanding. It is empty once that is so.
func (w *world) disagreement() string {
	all := w.planeRecords()
	for _, m := range w.hosts {
		if m.agent == nil {
			return fmt.Sprintf("%s is down", m.name)
		}
		if m.agent.Outstanding() {
			return fmt.Sprintf("%s: something is outstanding: %v", m.name, m.agent)
		}
		if m.agent.CurrentClosure() != m.closure {
			return fmt.Sprintf("%s runs %s, its agent says %s", m.name, m.closure, m.agent.CurrentClosure())
		}
		for _, f := range w.newest() {
			rec, known := all[m.name][f.ID()]
			if !known {
				return fmt.Sprintf("%s: the plane does not know %s", m.name, f.ID())
			}
			if rec.State == wire.Pending && halted(all, f.ID()) {
				continue // withheld (R2)
			}
			if rec.State.Active() {
				return fmt.Sprintf("%s: %s is %v", m.name, f.ID(), &rec)
			}
			if why := m.endedWell(&rec); why != "" {
				return why
			}
			for _, own := range m.agent.Views(nil) {
				if own.Record.RolloutID == f.ID() {
					if why := differ(&rec, own.Record, w.fellBack, m.forgetful); why != "" {
						return fmt.Sprintf("%s: %s: %s", m.name, f.ID(), why)
					}
				}
			}
		}
	}
	return ""
}

// halted reports whether a host's failure halts a rollout.
func halted(all map[wire.Hostname]map[wire.RolloutID]rollout.Record, id wire.RolloutID) bool {
	for _, records := range all {
		if s := records[id].State; s == wire.Failed || s == wire.Reverted {
			return true
		}
	}
	return false
}

// endedWell says why a record's end is not what the machine's fate calls for.
func (m *machine) endedWell(rec *rollout.Record) string {
	want, runs := wire.Converged, rec.TargetClosure
	switch m.fates[rec.TargetClosure] {
	case failing:
		want, runs = wire.Failed, ""
	case sick, stubborn:
		want, runs = wire.Reverted, rec.CurrentClosureAtDispatch
		if rec.State == wire.Failed {
			switch {
			case m.forgetful: // it may have lost the policy, or what it did
				want, runs = wire.Failed, ""
			case m.policies[rec.RolloutID] == wire.Halt:
				want, runs = wire.Failed, rec.TargetClosure
			case m.w.fellBack: // to before the way back
				want = wire.Failed
			}
		}
	}
	if rec.State != want {
		return fmt.Sprintf("%s: %v; want %v", m.name, rec, want)
	}
	if runs != "" && m.closure != runs && len(m.w.newest()) == 1 {
		return fmt.Sprintf("%s runs %s; want %s", m.name, m.closure, runs)
	}
	return ""
}
