package plane_test

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// model is the plane's rules written out naively, in plain maps: nothing is
// counted, remembered or kept in order; everything is worked out again from the
// records whenever it is asked. It shares the record's state machine with the
// plane, which is tested where it lives, and nothing else.
type model struct {
	rollouts   map[wire.RolloutID]*modelRollout
	order      []wire.RolloutID // of opening
	has        map[wire.Channel]wire.RolloutID
	held       map[wire.RolloutID]bool
	by         map[wire.RolloutID]wire.RolloutID // what supersedes it
	quarantine map[quarantineKey]wire.QuarantineEntry
	revoked    map[wire.CommonName]wire.Time
	enrolled   map[wire.Name]plane.Certify
	hosts      map[wire.Hostname]modelHost
	readOnly   bool
	steering   steering
	given      map[offerOf]time.Duration // dispatches that are not offered again yet (D2)
	replays    modelReplays
	quiet      map[offerOf]time.Duration // Activating records of field agents, since when (D4)
	signed     map[wire.RolloutID]bool   // opened from a release
	release    map[wire.RolloutID]bool   // of the release that is held
	backed     map[wire.RolloutID]bool
	fielded    map[offerOf]time.Duration // Pending ones, when they were offered last
	restarted  map[offerOf]time.Duration // and those whose agent has started anew since
	elsewhere  map[offerOf]time.Duration // Activating records that keep others from being confirmed, since when (H4)
	unread     map[wire.RolloutID]bool   // lay in the directory when a rollout of the channel was held
	unheard    map[offerOf]bool          // and those whose poll asks, and no heartbeat came since
	flights    modelFlights
}

// offerOf is a dispatch, by whose it is and in which rollout.
type offerOf struct {
	host wire.Hostname
	id   wire.RolloutID
}

type quarantineKey struct {
	channel wire.Channel
	closure wire.Closure
}

type modelHost struct {
	heard       bool // by any request, since a start
	heartbeatAt wire.Time
	closure     wire.Closure
}

type modelRollout struct {
	manifest wire.Manifest
	openedAt wire.Time
	records  map[wire.Hostname]*rollout.Record
	excused  map[wire.Hostname]bool
	haltedBy wire.Hostname
	waves    int // dispatched
}

func newModel(cfg plane.Config) *model {
	return &model{
		replays:  modelReplays{limit: cfg.MaxReplays, interval: cfg.HeartbeatInterval, refused: -1},
		steering: newSteering(),
		rollouts: map[wire.RolloutID]*modelRollout{}, has: map[wire.Channel]wire.RolloutID{},
		held: map[wire.RolloutID]bool{}, by: map[wire.RolloutID]wire.RolloutID{}, quarantine: map[quarantineKey]wire.QuarantineEntry{},
		enrolled: map[wire.Name]plane.Certify{},
		revoked:  map[wire.CommonName]wire.Time{}, hosts: map[wire.Hostname]modelHost{}, given: map[offerOf]time.Duration{},
		quiet: map[offerOf]time.Duration{}, fielded: map[offerOf]time.Duration{}, restarted: map[offerOf]time.Duration{}, unheard: map[offerOf]bool{}, elsewhere: map[offerOf]time.Duration{},
		signed: map[wire.RolloutID]bool{}, release: map[wire.RolloutID]bool{}, backed: map[wire.RolloutID]bool{}, unread: map[wire.RolloutID]bool{},
		flights: newModelFlights(),
	}
}

func (m *model) clone() *model {
	c := &model{
		replays:  modelReplays{limit: m.replays.limit, interval: m.replays.interval, refused: -1},
		steering: m.steering.clone(),
		rollouts: map[wire.RolloutID]*modelRollout{}, order: slices.Clone(m.order),
		readOnly: m.readOnly, has: maps.Clone(m.has), held: maps.Clone(m.held), by: maps.Clone(m.by),
		enrolled:   maps.Clone(m.enrolled),
		quarantine: maps.Clone(m.quarantine), revoked: maps.Clone(m.revoked), hosts: maps.Clone(m.hosts), given: maps.Clone(m.given), quiet: maps.Clone(m.quiet), fielded: maps.Clone(m.fielded), restarted: maps.Clone(m.restarted), unheard: maps.Clone(m.unheard), elsewhere: maps.Clone(m.elsewhere),
		signed: maps.Clone(m.signed), release: maps.Clone(m.release), backed: maps.Clone(m.backed), unread: maps.Clone(m.unread),
		flights: m.flights.clone(),
	}
	for id, r := range m.rollouts {
		copied := *r
		copied.excused = maps.Clone(r.excused)
		copied.records = map[wire.Hostname]*rollout.Record{}
		for h, rec := range r.records {
			own := rec.Clone()
			copied.records[h] = &own
		}
		c.rollouts[id] = &copied
	}
	return c
}

func (m *model) know(h wire.Hostname) {
	if _, known := m.hosts[h]; !known {
		m.hosts[h] = modelHost{}
	}
}

func (m *model) hear(name wire.Hostname) {
	h := m.hosts[name]
	h.heard = true
	m.hosts[name] = h
}

// inForce reports whether a rollout has its channel (PROTOCOL R1).
func (m *model) inForce(id wire.RolloutID) bool { return m.has[id.Channel()] == id }

// take gives the channel to a rollout: every other one of it that is not
// superseded yet is so now.
func (m *model) take(id wire.RolloutID) {
	for _, other := range m.order {
		if other != id && other.Channel() == id.Channel() && m.by[other] == "" {
			m.by[other] = id
			delete(m.held, other)
			m.replays.forget(other)
		}
	}
	delete(m.held, id)
	m.has[id.Channel()] = id
}

// wait takes the channel from whatever has it, and holds that and the rollout.
func (m *model) wait(id wire.RolloutID) {
	m.held[id] = true
	if has, is := m.has[id.Channel()]; is {
		m.held[has] = true
		delete(m.has, id.Channel())
	}
}

// waits reports whether an operator's decision on the channel is due (R6).
func (m *model) waits(channel wire.Channel) bool {
	for id := range m.held {
		if id.Channel() == channel {
			return true
		}
	}
	return false
}

// undecided reports whether serials do not tell the newest of the manifests that
// came together and are new (R6).
func (m *model) undecided(in *plane.FileManifest) bool {
	fresh := map[wire.RolloutID]wire.Serial{in.Manifest.ID(): in.Manifest.Serial}
	for _, peer := range in.Peers {
		if m.rollouts[peer.RolloutID] == nil && !m.outdated(in.Manifest.Channel, peer.Serial) && !m.unread[peer.RolloutID] {
			fresh[peer.RolloutID] = peer.Serial
		}
	}
	different := map[wire.Serial]bool{}
	for _, serial := range fresh {
		if serial != 0 {
			different[serial] = true
		}
	}
	return len(fresh) > 1 && len(different) < len(fresh)
}

// older reports whether a serial is lower than that of the rollout in force.
func (m *model) older(channel wire.Channel, serial wire.Serial) bool {
	return m.has[channel] != "" && serial != 0 && serial < m.serial(m.has[channel])
}

// outdated reports whether a serial of the directory is lower than that of any
// rollout of its channel that came without a signature, if one has the channel.
func (m *model) outdated(channel wire.Channel, serial wire.Serial) bool {
	if m.has[channel] == "" || serial == 0 {
		return false
	}
	for id := range m.rollouts { // order-free: any of them
		if id.Channel() == channel && !m.signed[id] && serial < m.serial(id) {
			return true
		}
	}
	return m.older(channel, serial)
}

func (m *model) serial(id wire.RolloutID) wire.Serial {
	if r := m.rollouts[id]; r != nil {
		return r.manifest.Serial
	}
	return 0
}

// failed lists the hosts that halt the rollout, by name (PROTOCOL R2).
func (r *modelRollout) failed() []wire.Hostname {
	var list []wire.Hostname
	for _, h := range slices.Sorted(maps.Keys(r.records)) {
		if s := r.records[h].State; (s == wire.Failed || s == wire.Reverted) && !r.excused[h] {
			list = append(list, h)
		}
	}
	return list
}

func (m *model) halted(id wire.RolloutID) bool { return len(m.rollouts[id].failed()) > 0 }

// waveDone reports whether a wave lets the next one go (PROTOCOL R2).
func (r *modelRollout) waveDone(wave int) bool {
	for h, rec := range r.records {
		done := rec.State == wire.Converged || rec.State == wire.Deferred || r.excused[h]
		if int(rec.Wave) == wave && !done {
			return false
		}
	}
	return true
}

func (m *model) isQuarantined(rec *rollout.Record) bool {
	_, is := m.quarantine[quarantineKey{rec.RolloutID.Channel(), rec.TargetClosure}]
	return is
}

// settle carries out what follows from the records as they are: halts, waves
// and dispatches (PROTOCOL R1 to R3). by is the host whose news it is.
func (m *model) settle(now wire.Time, by wire.Hostname) {
	for _, id := range m.order {
		r := m.rollouts[id]
		if failed := r.failed(); r.haltedBy != "" && !slices.Contains(failed, r.haltedBy) { // E13
			r.haltedBy = ""
			if len(failed) > 0 {
				r.haltedBy = failed[0]
			}
		}
		if m.by[id] != "" {
			continue
		}
		if m.halted(id) {
			if r.haltedBy == "" {
				r.haltedBy = by
			}
			continue
		}
		r.haltedBy = ""
		if m.held[id] || m.steering.isAborted(id) {
			continue
		}
		for r.waves == 0 || r.waves < len(r.manifest.Policy.Waves) && r.waveDone(r.waves-1) {
			r.waves++
		}
		for _, rec := range r.records {
			if int(rec.Wave) < r.waves && !m.isQuarantined(rec) {
				rec.Dispatch(now)
			}
		}
	}
}

// offers is what a poll of a host is answered with (PROTOCOL D1, D2): the
// dispatched Pending record of the rollout opened first, but for those that it
// was answered with just before.
func (m *model) offers(h wire.Hostname) *rollout.Record {
	for _, id := range m.order {
		rec := m.rollouts[id].records[h]
		if rec != nil && m.queued(rec) && m.blocked(h, id).Gate == 0 && (m.backed[id] || !m.signed[id]) {
			_, given := m.given[offerOf{h, id}]
			if _, restarted := m.restarted[offerOf{h, id}]; !given && !restarted && !m.unheard[offerOf{h, id}] && m.mayOffer(h, id) {
				return rec
			}
		}
	}
	return nil
}

// offersAgain is an Activating record that a field agent is offered again (PROTOCOL
// D4). It begins to count for those that are not counted.
func (m *model) offersAgain(h wire.Hostname, now time.Duration) (again *rollout.Record) {
	for _, id := range m.order {
		rec, of := m.rollouts[id].records[h], offerOf{h, id}
		if rec == nil || rec.State != wire.Activating || !m.inForce(id) || m.halted(id) || m.steering.isAborted(id) || m.isQuarantined(rec) {
			delete(m.quiet, of)
			continue
		}
		since, counted := m.quiet[of]
		if !counted {
			m.quiet[of] = now
		} else if now >= since+10*time.Minute && again == nil {
			again = rec
		}
	}
	if again != nil {
		m.quiet[offerOf{h, again.RolloutID}] = now
	}
	return again
}

// step takes an input and returns the outcome to expect. Of a refusal it says
// the code and the replay only.
func (m *model) step(now wire.Instant, in plane.Input) wire.Outcome {
	m.replays.now = now.Mono
	defer m.land()
	defer m.letGo(m.heldBack(), now.Wall)
	switch in := in.(type) {
	case *plane.Steer:
		return m.steer(now.Wall, in)
	case *plane.Started:
		clear(m.flights.since)
		for of := range m.flights.offered {
			m.flights.since[of] = now.Mono
		}
		m.replays.list, m.replays.had, m.replays.refused = nil, nil, -1
		clear(m.given)
		clear(m.quiet)
		clear(m.release)
		clear(m.backed)
		clear(m.fielded)
		clear(m.restarted)
		clear(m.unheard)
		clear(m.elsewhere)
		m.fieldedBefore(now.Mono)
		return wire.Outcome{}
	case *plane.Heartbeat:
		m.hear(in.Request.Hostname)
		want := m.heartbeat(now.Wall, in)
		m.endFlights(in)
		return want
	case *plane.Event:
		m.hear(in.Envelope.Hostname)
		return m.event(now.Wall, in)
	case *plane.Poll:
		m.hear(in.Hostname)
		if !in.Again || in.Dialect != wire.DialectField {
			m.hearOffers(in.Hostname, in.Dialect != wire.DialectField)
		}
		rec := m.offers(in.Hostname)
		if rec != nil {
			m.given[offerOf{rec.Hostname, rec.RolloutID}] = now.Mono
			m.give(now, rec)
			if in.Dialect == wire.DialectField {
				m.fielded[offerOf{rec.Hostname, rec.RolloutID}] = now.Mono
			}
		} else if in.Dialect == wire.DialectField {
			rec = m.offersAgain(in.Hostname, now.Mono)
		}
		if rec != nil {
			return wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{
				Hostname: rec.Hostname, RolloutID: rec.RolloutID, TargetClosure: rec.TargetClosure,
				SoakDueAt: rec.SoakDueAt, SoakSeconds: rec.SoakSeconds, EnqueuedAt: rec.DispatchedAt,
				OnHealthFailure: m.rollouts[rec.RolloutID].manifest.Policy.OnHealthFailure,
			}}
		}
		return wire.Outcome{Code: wire.NoContent}
	case *plane.Tick:
		maps.DeleteFunc(m.restarted, func(_ offerOf, at time.Duration) bool { return now.Mono >= at+10*time.Minute })
		maps.DeleteFunc(m.given, func(_ offerOf, at time.Duration) bool { return now.Mono >= at+15*time.Second })
		return wire.Outcome{}
	case *plane.OpenRollout:
		return m.open(now.Wall, in.Manifest, plane.Takes)
	case *plane.Release:
		return m.takeUp(in)
	case *plane.FileManifest:
		switch {
		case in.Signed:
			return m.openSigned(now.Wall, in.Manifest)
		case m.waits(in.Manifest.Channel):
			return m.hold(now.Wall, in)
		case m.outdated(in.Manifest.Channel, in.Manifest.Serial), m.unread[in.Manifest.ID()] && m.has[in.Manifest.Channel] != "":
			return m.open(now.Wall, in.Manifest, plane.Behind)
		case m.undecided(in):
			return m.hold(now.Wall, in)
		}
		return m.open(now.Wall, in.Manifest, plane.Takes)
	case *plane.ResumeRollout:
		return m.resume(now.Wall, in.RolloutID)
	case *plane.ChooseRollout:
		return m.choose(now.Wall, in.RolloutID)
	case *plane.ClearQuarantine:
		key := quarantineKey{in.Channel, in.Closure}
		switch _, there := m.quarantine[key]; {
		case !there:
			return wire.Outcome{Code: wire.UnknownQuarantine}
		case m.readOnly:
			return wire.Outcome{Code: wire.StoreUnavailable}
		}
		delete(m.quarantine, key)
		m.settle(now.Wall, "")
		return wire.Outcome{Code: wire.NoContent}
	case *plane.Revoke:
		before := in.Before
		if !before.IsSet() {
			before = now.Wall
		}
		if now.Wall.Before(before) {
			return wire.Outcome{Code: wire.WrongShape}
		}
		warning := m.judgeHolder(in)
		if warning == "" {
			return wire.Outcome{Code: wire.UnknownName}
		}
		if m.readOnly && (m.revoked[in.CommonName].Before(before) || in.Also != "" && m.revoked[in.Also].Before(before)) {
			return wire.Outcome{Code: wire.StoreUnavailable}
		}
		m.revoked[in.CommonName] = later(m.revoked[in.CommonName], before)
		if in.Also != "" {
			m.revoked[in.Also] = later(m.revoked[in.Also], before)
		}
		return wire.Outcome{Code: wire.OK, Document: &wire.RevocationAnswer{
			CommonName: in.CommonName, RevokedBefore: m.revoked[in.CommonName], AlsoRevoked: in.Also, Warning: wire.Text(strings.TrimPrefix(warning, "none")),
		}}
	case *plane.Certify:
		return m.certify(now.Wall, in)
	case *plane.Storage:
		m.readOnly = in.Unavailable
		return wire.Outcome{}
	default:
		return wire.Outcome{}
	}
}

// judgeHolder is PROTOCOL T5: the beginning of the warning, "none", or nothing if
// the name is refused.
func (m *model) judgeHolder(in *plane.Revoke) string {
	host := in.Holder.Hostname
	known, there := m.hosts[host]
	moved := false
	for _, r := range m.rollouts {
		rec := r.records[host]
		moved = moved || rec != nil && rec.State != wire.Pending
	}
	_, again := m.revoked[in.CommonName]
	switch {
	case !in.Holder.Judge, in.Holder.Seen, there && (known.heard || moved):
		return "none"
	case there:
		return string(host) + " is in a manifest"
	case in.Holder.Force, again:
		return "the plane knows no host and no operator"
	}
	return ""
}

// heartbeat is PROTOCOL H.
func (m *model) heartbeat(now wire.Time, in *plane.Heartbeat) wire.Outcome {
	req := &in.Request
	h := m.hosts[req.Hostname]
	before := h.heartbeatAt
	h.heartbeatAt = req.At
	if req.CurrentClosure != "" {
		h.closure = req.CurrentClosure
	}
	m.hosts[req.Hostname] = h
	if !m.readOnly {
		delete(m.steering.forgotten, req.Hostname)
	}
	want := wire.Outcome{Code: wire.OK}
	want.Heartbeat.ReceivedAt = req.At
	if in.Dialect == wire.DialectField {
		if before.IsSet() {
			m.hearOffers(req.Hostname, true)
		}
		want.Heartbeat.Bootstrap = m.fieldSnapshots(now, req, before)
		return want
	}
	if req.RolloutID != "" { // H2
		if r := m.rollouts[req.RolloutID]; r != nil && req.CurrentClosure != "" {
			if rec := r.records[req.Hostname]; rec != nil && rec.CurrentClosure != req.CurrentClosure && m.replays.ask(rec, *req) {
				want.Replay, want.ReplayFrom = true, rec.LastEventSeq
			}
		}
		return want
	}
	for _, id := range slices.Sorted(maps.Keys(m.rollouts)) { // H3, H4
		rec := m.rollouts[id].records[req.Hostname]
		if rec == nil || !m.inForce(id) || !rec.State.Active() {
			continue
		}
		if req.CurrentClosure == rec.TargetClosure && !m.readOnly {
			rec.Confirm(req.CurrentClosure, req.At)
			m.settle(now, req.Hostname)
		}
		if rec.State == wire.Pending || m.replays.ask(rec, *req) {
			want.Heartbeat.Bootstrap = append(want.Heartbeat.Bootstrap, rec.Snapshot())
		}
	}
	return want
}

// fieldedBefore takes everything that is queued for offered (D4).
func (m *model) fieldedBefore(now time.Duration) {
	for id, r := range m.rollouts { // order-free
		for h, rec := range r.records { // order-free
			if rec.State == wire.Pending && rec.DispatchedAt.IsSet() && m.inForce(id) {
				m.fielded[offerOf{h, id}], m.unheard[offerOf{h, id}] = now, true
			}
		}
	}
}

// hearOffers notes of what a field agent was offered whether it was heard of since its
// poll asked first (D4).
func (m *model) hearOffers(h wire.Hostname, heard bool) {
	for of := range m.fielded { // order-free
		if of.host == h {
			m.unheard[of] = !heard
		}
	}
}

// fieldSnapshots is PROTOCOL H4 and H10.
func (m *model) fieldSnapshots(now wire.Time, req *wire.HeartbeatRequest, before wire.Time) (list []wire.Snapshot) {
	booted, interval := false, m.replays.interval
	if before.IsSet() {
		apart := req.At.Std().Sub(before.Std())
		nearest := apart.Round(interval)
		booted = apart < interval*3/4 || max(apart-nearest, nearest-apart) > interval/20
	}
	// D4: a Pending record that is confirmed by the same heartbeat is not offered any more.
	for of, at := range m.fielded {
		if booted && of.host == req.Hostname && m.rollouts[of.id] != nil && m.rollouts[of.id].records[of.host].State == wire.Pending {
			m.restarted[of] = at
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.rollouts)) {
		rec := m.rollouts[id].records[req.Hostname]
		if rec == nil || !m.inForce(id) || !rec.State.Active() || req.CurrentClosure != rec.TargetClosure {
			continue
		}
		confirmed := !m.readOnly && rec.State != wire.Soaking && !m.switchesElsewhere(m.replays.now, rec) && rec.Confirm(req.CurrentClosure, req.At)
		m.settle(now, req.Hostname)
		overdue := !req.At.Before(later(rec.SoakDueAt, rec.ActivationCompletedAt).Add(2 * m.replays.interval))
		if rec.State == wire.Soaking && (confirmed || booted || overdue) {
			s := rec.Snapshot()
			s.CurrentClosure = req.CurrentClosure
			if !s.DispatchedAt.IsSet() {
				s.DispatchedAt = rec.DispatchAckedAt
			}
			list = append(list, s)
		}
	}
	return list
}

// switchesElsewhere is the exception of H4 for field agents.
func (m *model) switchesElsewhere(now time.Duration, rec *rollout.Record) (elsewhere bool) {
	begun := rec.State == wire.Activating && rec.ActivationStartedAt.IsSet()
	for id, r := range m.rollouts { // order-free
		o, of := r.records[rec.Hostname], offerOf{rec.Hostname, id}
		if id == rec.RolloutID || o == nil || o.TargetClosure == rec.TargetClosure {
			continue
		}
		later := o.ActivationStartedAt.IsSet() && o.ActivationStartedAt.Std().After(rec.ActivationStartedAt.Std())
		if o.State == wire.Activating && (!begun || later) {
			if _, counted := m.elsewhere[of]; !counted {
				m.elsewhere[of] = now
			}
			elsewhere = elsewhere || now < m.elsewhere[of]+10*time.Minute
		}
		elsewhere = elsewhere || o.State == wire.Deferred && !begun
	}
	return elsewhere
}

// event is PROTOCOL E.
func (m *model) event(now wire.Time, in *plane.Event) wire.Outcome {
	env, field := &in.Envelope, in.Dialect == wire.DialectField
	discard := func(code wire.Code) wire.Outcome { // E12
		switch {
		case !field:
			return wire.Outcome{Code: code}
		case m.readOnly:
			return wire.Outcome{Code: wire.StoreUnavailable}
		}
		return wire.Outcome{Code: wire.NoContent}
	}
	m.know(env.Hostname)
	r := m.rollouts[env.RolloutID]
	if r == nil || r.records[env.Hostname] == nil {
		return discard(wire.UnknownRollout)
	}
	rec := r.records[env.Hostname]
	from := rec.State
	if rec.AddsNothing(in.Dialect, env.Event) {
		m.replays.arrived(rec, env.Event, false)
		return wire.Outcome{Code: wire.NoContent}
	}
	if tried := rec.Clone(); m.readOnly { // PROTOCOL G9
		switch tried.ApplyAs(in.Dialect, env.Event).Outcome {
		case rollout.Applied, rollout.Absorbed:
			return wire.Outcome{Code: wire.StoreUnavailable}
		}
	}
	seq := rec.LastEventSeq
	verdict := rec.ApplyAs(in.Dialect, env.Event).Outcome
	if from == wire.Failed && rec.State.Active() { // E13
		delete(r.excused, env.Hostname)
	}
	switch verdict {
	case rollout.Gap:
		if field {
			return discard(wire.Gap)
		}
		return wire.Outcome{Code: wire.Gap, Replay: true, ReplayFrom: rec.LastEventSeq}
	case rollout.Rejected:
		return discard(wire.Rejected)
	case rollout.Applied, rollout.Absorbed:
		delete(m.quiet, offerOf{env.Hostname, env.RolloutID})
		delete(m.elsewhere, offerOf{env.Hostname, env.RolloutID})
	}
	m.replays.arrived(rec, env.Event, rec.LastEventSeq > seq)
	if key := (quarantineKey{env.RolloutID.Channel(), rec.TargetClosure}); from == wire.Failed && rec.State == wire.Reverted && !m.isQuarantined(rec) {
		m.quarantine[key] = wire.QuarantineEntry{
			Channel: key.channel, Closure: key.closure, Since: now, By: env.RolloutID, Hostname: env.Hostname,
		}
	}
	m.settle(now, env.Hostname)
	return wire.Outcome{Code: wire.NoContent}
}

// hold opens a manifest of the directory that is held, and keeps what lay there unread
// with it (R6).
func (m *model) hold(now wire.Time, in *plane.FileManifest) wire.Outcome {
	outcome := m.open(now, in.Manifest, plane.Undecided)
	for _, peer := range in.Peers {
		if outcome.Code == wire.Created && peer.RolloutID.Channel() == in.Manifest.Channel {
			m.unread[peer.RolloutID] = true // does nothing to those that are known
		}
	}
	return outcome
}

// open is PROTOCOL R1 and R2.
func (m *model) open(now wire.Time, manifest wire.Manifest, place plane.Place) wire.Outcome {
	id := manifest.ID()
	if r := m.rollouts[id]; r != nil {
		if !sameManifest(r.manifest, manifest, false) {
			return wire.Outcome{Code: wire.ManifestConflict}
		}
		return wire.Outcome{Code: wire.OK, Document: m.status(id, false)}
	}
	for _, other := range m.order {
		if place != plane.Undecided && other.Channel() == id.Channel() && manifest.Serial != 0 && m.serial(other) == manifest.Serial && !m.signed[other] {
			return wire.Outcome{Code: wire.ManifestConflict}
		}
	}
	if place == plane.Takes && m.older(id.Channel(), manifest.Serial) {
		return wire.Outcome{Code: wire.RolloutSuperseded}
	}
	if m.readOnly {
		return wire.Outcome{Code: wire.StoreUnavailable}
	}
	return m.opened(now, manifest, place)
}

// opened makes a new rollout known.
func (m *model) opened(now wire.Time, manifest wire.Manifest, place plane.Place) wire.Outcome {
	id := manifest.ID()
	r := &modelRollout{
		manifest: manifest, openedAt: now,
		records: map[wire.Hostname]*rollout.Record{}, excused: map[wire.Hostname]bool{},
	}
	for _, h := range manifest.Hosts {
		rec := rollout.New(id, h.Hostname, h.TargetClosure, h.Wave, 60*manifest.Policy.Waves[h.Wave].SoakMinutes)
		r.records[h.Hostname] = &rec
		m.know(h.Hostname)
		if m.steering.isForgotten(h.Hostname) {
			r.excused[h.Hostname] = true
		}
	}
	m.rollouts[id] = r
	m.order = append(m.order, id)
	switch place {
	case plane.Takes:
		m.take(id)
	case plane.Behind:
		m.by[id] = m.has[id.Channel()]
	case plane.Undecided:
		m.wait(id)
	}
	m.settle(now, "")
	return wire.Outcome{Code: wire.Created, Document: m.status(id, false)}
}

// sameManifest compares manifests as sets of hosts, and their serials unless the
// second was signed.
func sameManifest(a, b wire.Manifest, signed bool) bool {
	hosts := func(m wire.Manifest) map[wire.ManifestHost]bool {
		set := map[wire.ManifestHost]bool{}
		for _, h := range m.Hosts {
			set[h] = true
		}
		return set
	}
	if !signed && a.Serial != 0 && b.Serial != 0 && a.Serial != b.Serial {
		return false
	}
	return a.Policy.OnHealthFailure == b.Policy.OnHealthFailure && slices.Equal(a.Policy.Waves, b.Policy.Waves) &&
		maps.Equal(hosts(a), hosts(b)) && (a.Gates.Equal(&b.Gates) || signed && a.Gates.IsUnset())
}

// resume is decision 007.
func (m *model) resume(now wire.Time, id wire.RolloutID) wire.Outcome {
	r := m.rollouts[id]
	switch {
	case r == nil:
		return wire.Outcome{Code: wire.UnknownRollout}
	case m.by[id] != "":
		return wire.Outcome{Code: wire.RolloutSuperseded}
	case m.held[id]:
		return wire.Outcome{Code: wire.RolloutHeld}
	}
	if m.steering.isAborted(id) {
		return wire.Outcome{Code: wire.RolloutAborted}
	}
	if _, paused := m.steering.paused[id]; m.readOnly && (paused || len(r.failed()) > 0) {
		return wire.Outcome{Code: wire.StoreUnavailable}
	}
	delete(m.steering.paused, id)
	for _, h := range r.failed() {
		r.excused[h] = true
	}
	m.settle(now, "")
	return wire.Outcome{Code: wire.OK, Document: m.status(id, false)}
}

// choose is PROTOCOL R6.
func (m *model) choose(now wire.Time, id wire.RolloutID) wire.Outcome {
	switch {
	case m.rollouts[id] == nil:
		return wire.Outcome{Code: wire.UnknownRollout}
	case m.by[id] != "":
		return wire.Outcome{Code: wire.RolloutSuperseded}
	case m.held[id] && m.readOnly:
		return wire.Outcome{Code: wire.StoreUnavailable}
	case m.held[id]:
		m.take(id)
		m.settle(now, "")
	}
	return wire.Outcome{Code: wire.OK, Document: m.status(id, false)}
}

// status is a rollout as an operator sees it (PROTOCOL R4, R5).
func (m *model) status(id wire.RolloutID, hosts bool) *wire.RolloutStatus {
	r := m.rollouts[id]
	s := &wire.RolloutStatus{
		RolloutID: id, OpenedAt: r.openedAt, WavesDispatched: wire.Count(r.waves), Policy: r.manifest.Policy,
		SupersededBy: m.by[id], HaltedBy: r.haltedBy,
		Signed: wire.Flag(m.signed[id]), Backed: wire.Flag(m.backed[id]), Gates: r.manifest.Gates,
		Paused: m.steering.paused[id], Aborted: m.steering.aborted[id],
	}
	pending, ended := 0, 0
	for _, h := range slices.Sorted(maps.Keys(r.records)) {
		rec := r.records[h]
		*s.Counts.Of(rec.State)++
		if rec.State == wire.Pending {
			pending++
		}
		if !rec.State.Active() || rec.State == wire.Pending && r.excused[h] {
			ended++
		}
		blocked := m.blocked(h, id)
		if blocked.Gate != 0 {
			s.Blocked[blocked.Gate]++
		}
		if hosts {
			s.Hosts = append(s.Hosts, wire.RecordStatus{
				Snapshot: rec.Snapshot(), Wave: rec.Wave, Synthesised: wire.Flag(rec.Synthesised()),
				EndedAt: rec.EndedAt, FailingProbes: rec.FailingProbes(),
				Blocked: blocked, Excused: wire.Flag(r.excused[h]),
			})
		}
	}
	switch {
	case m.by[id] != "":
		s.State = wire.Superseded
	case m.held[id]:
		s.State = wire.Held
	case m.steering.isAborted(id):
		s.State = wire.Aborted
	case r.haltedBy != "":
		s.State = wire.Halted
	case ended == len(r.records):
		s.State = wire.Terminal
	case pending == len(r.records):
		s.State = wire.Opening
	case r.waves == len(r.manifest.Policy.Waves):
		s.State = wire.Converging
	default:
		s.State = wire.Active
	}
	return s
}

// certify is PROTOCOL N3 and N5.
func (m *model) certify(now wire.Time, in *plane.Certify) wire.Outcome {
	used, there := m.enrolled[in.Nonce]
	there = there && in.Nonce != ""
	switch {
	case there && (used.Hostname != in.Hostname || used.Key != in.Key):
		return wire.Outcome{Code: wire.NonceUsed}
	case in.Since.Before(m.revoked[in.CommonName]) || in.Since.Before(m.revoked[in.Also]):
		if in.Nonce == "" {
			return wire.Outcome{Code: wire.CertificateRevoked}
		}
		return wire.Outcome{Code: wire.EnrolmentRefused}
	case in.Nonce == "" || there || in.Refused:
		return wire.Outcome{Code: wire.NoContent}
	case m.readOnly:
		return wire.Outcome{Code: wire.StoreUnavailable}
	}
	maps.DeleteFunc(m.enrolled, func(_ wire.Name, used plane.Certify) bool { return used.ExpiresAt.Before(now) })
	m.enrolled[in.Nonce] = *in
	return wire.Outcome{Code: wire.NoContent}
}
