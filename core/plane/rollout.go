package plane

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// rolloutState is a rollout with the records of its hosts (PROTOCOL R).
type rolloutState struct {
	id       wire.RolloutID
	order    int // place among the rollouts in the order of opening
	openedAt wire.Time
	serial   wire.Serial // zero if its manifest has none
	signed   bool        // it was opened from a signed release, first signed at its serial (V5)
	// backed: the release that is held says the same (V6). No durable state.
	backed bool
	policy wire.Policy

	records []rollout.Record // by hostname; never grows
	hosts   []int32          // of the records: where the plane's table has them
	staged  bool             // it is being opened: nothing of it can be seen
	// excused marks hosts that an operator lets pass, by resuming once they have failed
	// (R2) or by skipping them (O4): they neither halt the rollout nor hold back a wave.
	// Nil until the first of them.
	excused []bool
	// gates hold back dispatches beside the waves (W). offered marks Pending records whose
	// dispatch was offered, if there are gates; nil until the first.
	// idle marks Activating and Soaking ones of a superseded rollout whose host has nothing
	// to do any more (W1); nil until the first.
	gates   wire.Gates
	offered []bool
	idle    []bool
	pins    []wire.HostPin // by host; shown only (W7)
	// budgets has for each record when its event budget is full again, by the plane's
	// monotonic clock. Nil until the first event; no durable state.
	budgets []time.Duration

	wavesDispatched int
	supersededBy    wire.RolloutID
	haltedBy        wire.Hostname
	held            bool   // nothing says which of the channel is the newest (R6)
	unread          []Peer // manifests that lay in the directory when it was held; never changed
	// paused and aborted are what an operator has decided (O2, O3).
	paused, aborted wire.Mark

	// Derived from records and excused; verified by Check.
	counts  [wire.Reverted + 1]int
	skipped int                        // hosts that are Pending and excused
	waves   [][wire.Reverted + 1]int32 // counts by wave
	holding []int                      // by wave: hosts that hold back the next wave

	// Derived from the gates and from what operators hold back; verified by Check. blocked
	// is by record, nil if none is. stale says that it has to be worked out anew.
	index         *gateIndex // replaced, and never changed
	blocked       []wire.Gate
	blockedCounts wire.BlockedCounts
	stale         bool
}

// newRollout makes the state of a manifest, without its records.
func newRollout(m *wire.Manifest) *rolloutState {
	return &rolloutState{
		id:      m.ID(),
		serial:  m.Serial,
		policy:  wire.Policy{OnHealthFailure: m.Policy.OnHealthFailure, Waves: slices.Clone(m.Policy.Waves)},
		gates:   m.Gates,
		pins:    sortedPins(m.Pins),
		records: make([]rollout.Record, 0, len(m.Hosts)),
		hosts:   make([]int32, 0, len(m.Hosts)),
		holding: make([]int, len(m.Policy.Waves)),
	}
}

// addRecord adds the Pending record of a host.
func (r *rolloutState) addRecord(h *wire.ManifestHost) *rollout.Record {
	soak := r.policy.Waves[h.Wave].SoakMinutes * 60
	r.records = append(r.records, rollout.New(r.id, h.Hostname, h.TargetClosure, h.Wave, soak))
	return &r.records[len(r.records)-1]
}

// Prepare sorts the manifest's hosts, which the step does otherwise. It is for a
// caller that decodes giant manifests beside the plane. The manifest itself stays as
// it is.
func (in *OpenRollout) Prepare() {
	in.sorted = sortedHosts(&in.Manifest)
	in.hash = hashOf(wire.ManifestSchema.Append(nil, &in.Manifest))
}

// Prepare is [OpenRollout.Prepare] for each manifest.
func (in *Release) Prepare() {
	in.sorted = nil
	for i := range in.Manifests {
		in.sorted = append(in.sorted, sortedHosts(&in.Manifests[i]))
	}
}

// Prepare is [OpenRollout.Prepare].
func (in *FileManifest) Prepare() { in.sorted = sortedHosts(&in.Manifest) }

// sortedHosts returns the hosts of a manifest by name.
func sortedHosts(m *wire.Manifest) []wire.ManifestHost {
	byName := func(a, b wire.ManifestHost) int { return strings.Compare(string(a.Hostname), string(b.Hostname)) }
	if slices.IsSortedFunc(m.Hosts, byName) {
		return m.Hosts
	}
	return slices.SortedFunc(slices.Values(m.Hosts), byName)
}

// same reports whether m is the manifest that r was opened with. The order of
// its hosts does not matter, nor does a serial that only one of them has: it may
// have been given later; nor when a signed one was signed, which it is again and
// again.
func (r *rolloutState) same(m *wire.Manifest, sorted []wire.ManifestHost, signed bool) bool {
	if !signed && r.serial != 0 && m.Serial != 0 && m.Serial != r.serial {
		return false
	}
	if m.Policy.OnHealthFailure != r.policy.OnHealthFailure || !slices.Equal(m.Policy.Waves, r.policy.Waves) || len(m.Hosts) != len(r.records) {
		return false
	}
	if !r.gates.Equal(&m.Gates) && !(signed && r.gates.IsUnset()) { // an older version opened it without
		return false
	}
	for i := range sorted {
		h, rec := &sorted[i], &r.records[i]
		if rec.Hostname != h.Hostname || rec.Wave != h.Wave || rec.TargetClosure != h.TargetClosure {
			return false
		}
	}
	return true
}

func (r *rolloutState) superseded() bool { return r.supersededBy != "" }
func (r *rolloutState) halted() bool     { return r.haltedBy != "" }

// stopped reports whether nothing of the rollout is dispatched until an operator says
// so (R2), or for ever (O3).
func (r *rolloutState) stopped() bool { return r.halted() || !r.aborted.IsUnset() }

// inForce reports whether the rollout has its channel.
func (r *rolloutState) inForce() bool { return !r.superseded() && !r.held && !r.staged }

// outnumbers reports whether r's serial says that it is the newer one of two rollouts
// of a channel. That of a signed rollout is an instant, and compares with no other.
func (r *rolloutState) outnumbers(s *rolloutState) bool {
	return r.signed == s.signed && s.serial != 0 && r.serial > s.serial
}

func (r *rolloutState) isExcused(i int) bool { return r.excused != nil && r.excused[i] }

// isSkipped reports whether the rollout goes on without a host that has not begun.
func (r *rolloutState) isSkipped(i int) bool {
	return r.records[i].State == wire.Pending && r.isExcused(i)
}

// failed reports whether record i halts the rollout (R2).
func (r *rolloutState) failed(i int) bool {
	s := r.records[i].State
	return (s == wire.Failed || s == wire.Reverted) && !r.isExcused(i)
}

// holdsBack reports whether a record in a state holds back the wave after its
// own (R2).
func holdsBack(s wire.State, excused bool) bool {
	return s != wire.Converged && s != wire.Deferred && !excused
}

// recount sets what is derived from the records.
func (r *rolloutState) recount() {
	r.counts = [wire.Reverted + 1]int{}
	r.holding, r.skipped = make([]int, len(r.policy.Waves)), 0
	r.waves = make([][wire.Reverted + 1]int32, len(r.policy.Waves))
	for i := range r.records {
		r.counts[r.records[i].State]++
		r.waves[r.records[i].Wave][r.records[i].State]++
		if r.isSkipped(i) {
			r.skipped++
		}
		if holdsBack(r.records[i].State, r.isExcused(i)) {
			r.holding[r.records[i].Wave]++
		}
	}
}

// state is the rollout's own state (R4).
func (r *rolloutState) state() wire.RolloutState {
	ended := r.counts[wire.Converged] + r.counts[wire.Failed] + r.counts[wire.Reverted] + r.skipped
	switch {
	case r.superseded():
		return wire.Superseded
	case r.held:
		return wire.Held
	case !r.aborted.IsUnset():
		return wire.Aborted
	case r.halted():
		return wire.Halted
	case ended == len(r.records):
		return wire.Terminal
	case r.counts[wire.Pending] == len(r.records):
		return wire.Opening
	case r.wavesDispatched == len(r.policy.Waves):
		return wire.Converging
	default:
		return wire.Active
	}
}

// status is the rollout as an operator sees it, without its hosts.
func (r *rolloutState) status() *wire.RolloutStatus {
	s := &wire.RolloutStatus{
		RolloutID:       r.id,
		State:           r.state(),
		OpenedAt:        r.openedAt,
		WavesDispatched: wire.Count(r.wavesDispatched),
		Policy:          r.policy,
		SupersededBy:    r.supersededBy,
		HaltedBy:        r.haltedBy,
		Signed:          wire.Flag(r.signed),
		Backed:          wire.Flag(r.backed),
		Gates:           r.gates,
		Blocked:         r.blockedCounts,
		Paused:          r.paused,
		Aborted:         r.aborted,
	}
	for _, state := range wire.States {
		*s.Counts.Of(state) = wire.Count(r.counts[state])
	}
	return s
}

// find returns the index of the host's record.
func (r *rolloutState) find(h wire.Hostname) (int, bool) {
	return slices.BinarySearchFunc(r.records, h, func(rec rollout.Record, h wire.Hostname) int {
		return strings.Compare(string(rec.Hostname), string(h))
	})
}

// sortedPins returns pins by host.
func sortedPins(pins []wire.HostPin) []wire.HostPin {
	return slices.SortedFunc(slices.Values(pins), func(a, b wire.HostPin) int { return cmp.Compare(a.Hostname, b.Hostname) })
}

// pinOf returns the pin of a host; unset without one.
func (r *rolloutState) pinOf(h wire.Hostname) wire.Pin {
	if i, pinned := slices.BinarySearchFunc(r.pins, h, func(p wire.HostPin, h wire.Hostname) int { return cmp.Compare(p.Hostname, h) }); pinned {
		return r.pins[i].Pin
	}
	return wire.Pin{}
}

func recordStatus(rec *rollout.Record) wire.RecordStatus {
	return wire.RecordStatus{
		Snapshot:      rec.Snapshot(),
		Wave:          rec.Wave,
		Synthesised:   wire.Flag(rec.Synthesised()),
		EndedAt:       rec.EndedAt,
		FailingProbes: rec.FailingProbes(),
	}
}
