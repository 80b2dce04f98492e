package plane_test

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// steering is what operators have decided, in the model (PROTOCOL O).
type steering struct {
	paused, aborted     map[wire.RolloutID]wire.Mark
	cordoned, forgotten map[wire.Hostname]wire.Mark
}

func newSteering() steering {
	return steering{map[wire.RolloutID]wire.Mark{}, map[wire.RolloutID]wire.Mark{}, map[wire.Hostname]wire.Mark{}, map[wire.Hostname]wire.Mark{}}
}

func (s *steering) clone() steering {
	return steering{maps.Clone(s.paused), maps.Clone(s.aborted), maps.Clone(s.cordoned), maps.Clone(s.forgotten)}
}

func (s *steering) isAborted(id wire.RolloutID) bool { _, is := s.aborted[id]; return is }
func (s *steering) isForgotten(h wire.Hostname) bool { _, is := s.forgotten[h]; return is }

// queued reports whether a record has a dispatch that its rollout would offer.
func (m *model) queued(rec *rollout.Record) bool {
	id := rec.RolloutID
	return rec.State == wire.Pending && rec.DispatchedAt.IsSet() && m.inForce(id) && !m.halted(id) && !m.steering.isAborted(id) && !m.isQuarantined(rec)
}

// steeredBack is what an operator holds back of a record that is queued.
func (m *model) steeredBack(rec *rollout.Record) wire.Blocked {
	id, h := rec.RolloutID, rec.Hostname
	_, paused := m.steering.paused[id]
	_, cordoned := m.steering.cordoned[h]
	switch {
	case !m.queued(rec):
		return wire.Blocked{}
	case paused:
		return wire.Blocked{Gate: wire.GatePaused, By: wire.Name(id.Channel())}
	case m.rollouts[id].excused[h]:
		return wire.Blocked{Gate: wire.GateSkipped, By: wire.Name(h)}
	case cordoned:
		return wire.Blocked{Gate: wire.GateCordoned, By: wire.Name(h)}
	}
	return wire.Blocked{}
}

// heldBack are the records that operators hold back, of rollouts without gates: those
// with gates count from the offer (W1).
func (m *model) heldBack() map[offerOf]bool {
	held := map[offerOf]bool{}
	for id, r := range m.rollouts {
		for h, rec := range r.records {
			if r.manifest.Gates.IsUnset() && m.steeredBack(rec).Gate != 0 {
				held[offerOf{h, id}] = true
			}
		}
	}
	return held
}

// letGo has what was held back soak from now on (O1).
func (m *model) letGo(before map[offerOf]bool, now wire.Time) {
	for of := range before {
		if rec := m.rollouts[of.id].records[of.host]; m.queued(rec) && m.steeredBack(rec).Gate == 0 {
			rec.Offer(now)
		}
	}
}

// excuse lets a host pass.
func (m *model) excuse(id wire.RolloutID, h wire.Hostname) {
	r := m.rollouts[id]
	r.excused[h] = true
	if r.haltedBy == h {
		r.haltedBy = ""
		if failed := r.failed(); len(failed) > 0 {
			r.haltedBy = failed[0]
		}
	}
}

// steer is PROTOCOL O.
func (m *model) steer(now wire.Time, in *plane.Steer) wire.Outcome {
	s, mark := &m.steering, wire.Mark{Since: now, Reason: in.Reason}
	id, h := in.RolloutID, in.Hostname
	switch in.Act {
	case plane.Pause, plane.Abort, plane.Skip:
		r := m.rollouts[id]
		switch {
		case r == nil:
			return wire.Outcome{Code: wire.UnknownRollout}
		case m.by[id] != "":
			return wire.Outcome{Code: wire.RolloutSuperseded}
		case m.held[id]:
			return wire.Outcome{Code: wire.RolloutHeld}
		case s.isAborted(id) && in.Act != plane.Abort:
			return wire.Outcome{Code: wire.RolloutAborted}
		case in.Act == plane.Skip && r.records[h] == nil:
			return wire.Outcome{Code: wire.UnknownHost}
		}
		_, paused := s.paused[id]
		done := in.Act == plane.Pause && paused || in.Act == plane.Abort && s.isAborted(id) ||
			in.Act == plane.Skip && (r.excused[h] || r.records[h].State == wire.Converged)
		switch {
		case done:
		case m.readOnly:
			return wire.Outcome{Code: wire.StoreUnavailable}
		case in.Act == plane.Pause:
			s.paused[id] = mark
		case in.Act == plane.Abort:
			s.aborted[id] = mark
		default:
			m.excuse(id, h)
		}
		m.settle(now, "")
		return wire.Outcome{Code: wire.OK, Document: m.status(id, false)}
	}
	_, known := m.hosts[h]
	_, cordoned := s.cordoned[h]
	if !known || s.isForgotten(h) && in.Act != plane.Forget {
		return wire.Outcome{Code: wire.UnknownHost}
	}
	switch {
	case in.Act == plane.Cordon && cordoned, in.Act == plane.Uncordon && !cordoned, in.Act == plane.Forget && s.isForgotten(h):
	case m.readOnly:
		return wire.Outcome{Code: wire.StoreUnavailable}
	case in.Act == plane.Cordon:
		s.cordoned[h] = mark
	case in.Act == plane.Uncordon:
		delete(s.cordoned, h)
	case in.Act == plane.Forget:
		s.forgotten[h] = mark
		for _, id := range m.order {
			if rec := m.rollouts[id].records[h]; rec != nil && m.by[id] == "" && rec.State != wire.Converged {
				m.excuse(id, h)
			}
		}
		m.settle(now, "")
	}
	return wire.Outcome{Code: wire.NoContent}
}

// steer draws an act of an operator about a rollout or a host that there may be.
func (f *fleet) steer() []request {
	in := &plane.Steer{
		Act:    rapid.SampledFrom([]plane.SteerAct{plane.Cordon, plane.Skip, plane.Pause, plane.Uncordon, plane.Forget, plane.Abort}).Draw(f.t, "act"),
		Reason: rapid.SampledFrom([]wire.Text{"", "disk"}).Draw(f.t, "reason"),
	}
	if slices.Contains([]plane.SteerAct{plane.Pause, plane.Abort, plane.Skip}, in.Act) {
		in.RolloutID = f.anyID()
	}
	if in.Act != plane.Pause && in.Act != plane.Abort {
		in.Hostname = f.anyAgent().name
	}
	if rapid.IntRange(0, 19).Draw(f.t, "unknown") == 7 {
		if in.RolloutID != "" {
			in.RolloutID += "x"
		} else {
			in.Hostname += "x"
		}
	}
	return []request{{in: in}}
}
