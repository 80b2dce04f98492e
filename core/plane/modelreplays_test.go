package plane_test

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// modelReplays is PROTOCOL H9.
type modelReplays struct {
	limit    int
	interval time.Duration
	now      time.Duration
	list     []modelReplay
	// had are the hosts that had their turn; refused is when one that had not was
	// put off last, -1 if that is too long ago.
	had     map[wire.Hostname]bool
	refused time.Duration
}

type modelReplay struct {
	rec              *rollout.Record
	told             wire.HeartbeatRequest
	asked, last      time.Duration
	yields, finished bool
}

// ask reports whether the replay of a record is asked for.
func (m *modelReplays) ask(rec *rollout.Record, told wire.HeartbeatRequest) bool {
	m.drop()
	if m.refused >= 0 && m.now > m.refused+2*m.interval {
		m.had, m.refused = nil, -1
	}
	for i := range m.list {
		if m.list[i].rec == rec {
			return true
		}
	}
	had := m.had[rec.Hostname]
	if len(m.list) == m.limit {
		yields := slices.IndexFunc(m.list, func(x modelReplay) bool { return x.yields })
		if had {
			return false
		}
		if yields < 0 {
			if m.refused < 0 {
				m.had = map[wire.Hostname]bool{}
			}
			m.refused = m.now
			return false
		}
		m.list = slices.Delete(m.list, yields, yields+1)
	}
	m.list = append(m.list, modelReplay{rec: rec, told: told, asked: m.now, last: m.now, yields: had})
	if m.refused >= 0 {
		m.had[rec.Hostname] = true
	}
	return true
}

// drop leaves only what is under way.
func (m *modelReplays) drop() {
	m.list = slices.DeleteFunc(m.list, func(x modelReplay) bool {
		return x.finished || m.now >= x.last+m.interval/4 || m.now >= x.asked+m.interval
	})
}

// arrived notes an event that was answered 204, and whether it took the record
// further.
func (m *modelReplays) arrived(rec *rollout.Record, event wire.Event, further bool) {
	m.drop()
	for i := range m.list {
		x := &m.list[i]
		if x.rec != rec {
			continue
		}
		knows := !rec.State.Active()
		if x.told.RolloutID != "" {
			knows = rec.CurrentClosure == x.told.CurrentClosure || rec.CurrentClosure == "" && rec.CurrentClosureAtDispatch == x.told.CurrentClosure
		}
		x.finished = knows || x.told.At.Before(event.Body.At())
		if further {
			x.last = m.now
		}
	}
}

// forget drops those of a rollout.
func (m *modelReplays) forget(id wire.RolloutID) {
	m.list = slices.DeleteFunc(m.list, func(x modelReplay) bool { return x.rec.RolloutID == id })
}
