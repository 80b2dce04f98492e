package httpserver

import (
	"encoding/json"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// fieldHost is one host in one rollout that is not superseded.
type fieldHost struct {
	Hostname      wire.Hostname  `json:"hostname"`
	Channel       wire.Channel   `json:"channel"`
	Declared      *wire.Closure  `json:"declaredClosureHash"`
	Current       *wire.Closure  `json:"currentClosureHash"`
	Pending       *wire.Closure  `json:"pendingClosureHash"` // what it is to switch to
	LastCheckin   *string        `json:"lastCheckinAt"`
	Rollout       wire.RolloutID `json:"lastRolloutId"`
	Converged     bool           `json:"converged"`
	Compliance    int            `json:"outstandingComplianceFailures"` // not counted
	RuntimeErrors int            `json:"outstandingRuntimeGateErrors"`  // not counted
	Events        uint64         `json:"verifiedEventCount"`
	Uptime        *int           `json:"lastUptimeSecs"` // not known
	State         string         `json:"rolloutState"`
	Reboot        bool           `json:"pendingReboot"`
	Quarantined   *wire.Closure  `json:"quarantinedClosure"`
	Pin           *fieldPin      `json:"pin"`
	Health        int            `json:"outstandingHealthFailures"`
}

// fieldPin is why a host's closure is of another commit.
type fieldPin struct {
	Commit    wire.Name `json:"commit"`
	Reason    wire.Text `json:"reason"`
	ExpiresAt *string   `json:"expiresAt"`
}

// fieldHosts is GET /v1/hosts.
func fieldHosts(e *exchange) any {
	rollouts, ok := e.allRollouts()
	if !ok {
		return nil
	}
	superseded := make(map[wire.RolloutID]bool)
	for i := range rollouts {
		superseded[rollouts[i].RolloutID] = rollouts[i].State == wire.Superseded
	}
	quarantined, ok := e.quarantined()
	if !ok {
		return nil
	}
	fleet := e.heldFleet()
	list := []fieldHost{}
	in := &plane.QueryHosts{Limit: plane.MaxLimit}
	for {
		page, ok := query[*wire.Page[wire.HostStatus]](e, in)
		if !ok {
			return nil
		}
		for i := range page.Items {
			for j := range page.Items[i].Records {
				r := &page.Items[i].Records[j]
				if old, known := superseded[r.Snapshot.RolloutID]; known && !old {
					list = append(list, fieldHostOf(&page.Items[i], r, fleet, quarantined))
				}
			}
		}
		if e.tooManyItems(len(list)) {
			return nil
		}
		if page.Next == "" {
			return map[string]any{"hosts": list}
		}
		in = &plane.QueryHosts{After: wire.Hostname(page.Next), Limit: plane.MaxLimit}
	}
}

// closureOn is a closure on a channel.
type closureOn struct {
	channel wire.Channel
	closure wire.Closure
}

func (e *exchange) quarantined() (map[closureOn]bool, bool) {
	page, ok := query[*wire.Page[wire.QuarantineEntry]](e, &plane.QueryQuarantine{})
	if !ok {
		return nil, false
	}
	set := make(map[closureOn]bool)
	for i := range page.Items {
		set[closureOn{page.Items[i].Channel, page.Items[i].Closure}] = true
	}
	return set, true
}

func fieldHostOf(h *wire.HostStatus, r *wire.RecordStatus, fleet *artifact.Fleet, quarantined map[closureOn]bool) fieldHost {
	s := &r.Snapshot
	f := fieldHost{
		Hostname: h.Hostname, Channel: s.Channel, Declared: orNull(s.TargetClosure), Current: orNull(h.CurrentClosure), LastCheckin: timeOrNull(h.LastHeartbeatAt),
		Rollout: s.RolloutID, Converged: s.State == wire.Converged, Events: uint64(s.LastEventSeq), State: s.State.String(),
		Reboot: s.State == wire.Deferred, Health: len(r.FailingProbes),
	}
	switch s.State {
	case wire.Pending, wire.Activating, wire.Deferred:
		f.Pending = f.Declared
	}
	if quarantined[closureOn{s.Channel, s.TargetClosure}] {
		f.Quarantined = f.Declared
	}
	if fleet != nil {
		if host := wire.Lookup(fleet.Hosts, string(h.Hostname)); host != nil {
			if host.Closure != "" && host.Channel == s.Channel {
				f.Declared = orNull(host.Closure)
			}
			if host.Pin != nil {
				f.Pin = &fieldPin{host.Pin.Commit, host.Pin.Reason, timeOrNull(host.Pin.ExpiresAt)}
			}
		}
	}
	return f
}

// fieldChannel is GET /v1/channels/{name}.
func fieldChannel(e *exchange) any {
	fleet := e.heldFleet()
	if fleet == nil {
		e.refuse(wire.ReleaseUnavailable, "", "no verified release is held; channels are those of its fleet")
		e.outcome.RetryAfter = releaseRetry
		return nil
	}
	name := e.variable("name")
	channel := wire.Lookup(fleet.Channels, name)
	if channel == nil {
		e.refuse(wire.NotFound, "", "the fleet has no channel "+clip(name))
		return nil
	}
	return struct {
		Name     string     `json:"name"`
		Commit   *wire.Name `json:"declared_ci_commit"`
		SignedAt *string    `json:"signed_at"`
		Fresh    int64      `json:"freshness_window_minutes"`
	}{name, orNull(fleet.Meta.Commit), timeOrNull(fleet.Meta.SignedAt), int64(channel.FreshMinutes)}
}

// fieldRollouts is GET /v1/rollouts.
func fieldRollouts(e *exchange) any {
	type rollout struct {
		ID        wire.RolloutID           `json:"rolloutId"`
		Channel   wire.Channel             `json:"channel"`
		Wave      int                      `json:"currentWave"` // from 0
		CreatedAt *string                  `json:"createdAt"`
		Hosts     map[wire.Hostname]string `json:"hostStates"`
	}
	known, ok := e.allRollouts()
	if !ok {
		return nil
	}
	list, hosts := []rollout{}, 0
	for i := range known {
		if !shown(&known[i]) {
			continue
		}
		whole, ok := e.rolloutWhole(known[i].RolloutID)
		if !ok {
			return nil
		}
		if hosts += len(whole.Hosts); e.tooManyItems(hosts) {
			return nil
		}
		one := rollout{
			ID: whole.RolloutID, Channel: whole.RolloutID.Channel(), Wave: max(0, int(whole.WavesDispatched)-1),
			CreatedAt: timeOrNull(whole.OpenedAt), Hosts: make(map[wire.Hostname]string, len(whole.Hosts)),
		}
		for j := range whole.Hosts {
			one.Hosts[whole.Hosts[j].Snapshot.Hostname] = whole.Hosts[j].Snapshot.State.String()
		}
		list = append(list, one)
	}
	return map[string]any{"rollouts": list}
}

// fieldLifecycle is GET /v1/rollouts/{id}/lifecycle.
func fieldLifecycle(e *exchange) any {
	r, ok := e.rolloutWhole(e.rolloutID())
	if !ok {
		return nil
	}
	doc := struct {
		ID           wire.RolloutID  `json:"rolloutId"`
		State        string          `json:"state"`
		SupersededAt *string         `json:"supersededAt"`
		SupersededBy *wire.RolloutID `json:"supersededBy"`
		TerminalAt   *string         `json:"terminalAt"`
	}{ID: r.RolloutID, State: fieldRolloutState(r), SupersededBy: orNull(r.SupersededBy)}
	if r.SupersededBy != "" {
		at := r.OpenedAt // one that was superseded from the start
		if by, ok := query[*wire.RolloutStatus](e, &plane.QueryRollout{RolloutID: r.SupersededBy, Limit: 1}); ok && at.Before(by.OpenedAt) {
			at = by.OpenedAt
		}
		doc.SupersededAt = timeOrNull(at)
	}
	if doc.State == "Terminal" {
		var last wire.Time
		for i := range r.Hosts {
			if ended := r.Hosts[i].EndedAt; last.Before(ended) {
				last = ended
			}
		}
		doc.TerminalAt = timeOrNull(last)
	}
	return &doc
}

// fieldRolloutHosts is GET /v1/rollouts/{id}/hosts.
func fieldRolloutHosts(e *exchange) any {
	type host struct {
		Host         wire.Hostname  `json:"host"`
		Channel      wire.Channel   `json:"channel"`
		Wave         int            `json:"wave"`
		Target       wire.Closure   `json:"targetClosureHash"`
		Ref          wire.RolloutID `json:"targetChannelRef"`
		DispatchedAt *string        `json:"dispatchedAt"`
		End          *string        `json:"terminalState"`
		EndedAt      *string        `json:"terminalAt"`
	}
	r, ok := e.rolloutWhole(e.rolloutID())
	if !ok {
		return nil
	}
	ends := map[wire.State]string{wire.Converged: "converged", wire.Failed: "failed", wire.Reverted: "reverted"}
	list := make([]host, 0, len(r.Hosts))
	for i := range r.Hosts {
		record := &r.Hosts[i]
		s := &record.Snapshot
		list = append(list, host{
			Host: s.Hostname, Channel: s.Channel, Wave: int(record.Wave), Target: s.TargetClosure, Ref: r.RolloutID,
			DispatchedAt: timeOrNull(s.DispatchedAt), End: orNull(ends[s.State]), EndedAt: timeOrNull(record.EndedAt),
		})
	}
	return map[string]any{"rollout_id": r.RolloutID, "hosts": list}
}

// fieldRolloutEvents is GET /v1/rollouts/{id}/events: its beginning, as far as the limit
// and [plane.MaxHistoryPage] go.
func fieldRolloutEvents(e *exchange) any {
	type event struct {
		Seq     wire.Seq        `json:"seq"` // of the plane's log
		At      string          `json:"ts"`
		Kind    string          `json:"kind"`
		Host    *wire.Hostname  `json:"host"`
		Payload json.RawMessage `json:"payload"`
	}
	id := e.rolloutID()
	if _, ok := query[*wire.RolloutStatus](e, &plane.QueryRollout{RolloutID: id, Limit: 1}); !ok {
		return nil
	}
	list, room := []event{}, plane.MaxHistoryPage
	err := e.server.cfg.Store.Events(id, 0, func(logged *wire.LoggedEvent) bool {
		one := event{Seq: logged.Number, At: logged.At.String(), Kind: "rollout_event", Host: orNull(logged.Hostname)}
		if logged.Event.Body != nil {
			one.Kind, one.Payload = "agent_event", logged.Event.AppendValue(nil)
		} else {
			own := *logged
			own.Hostname = ""
			one.Payload = wire.LoggedEventSchema.Append(nil, &own)
		}
		if room -= len(one.Payload) + 128; len(list) == e.limit || room < 0 && len(list) > 0 {
			return false
		}
		list = append(list, one)
		return true
	})
	if err != nil {
		e.server.log.Error("cannot read a rollout's events from the store", "rollout", string(id), "error", err, "request_id", e.requestID)
		e.refuse(wire.Internal, "", "the store cannot read the events; the plane's log has details under this request ID")
		return nil
	}
	return map[string]any{"rollout_id": id, "events": list}
}

// fieldDeferrals is GET /v1/deferrals: the hosts that are not offered their dispatch now,
// and what holds it back.
func fieldDeferrals(e *exchange) any {
	type deferral struct {
		Host       wire.Hostname  `json:"host"`
		Rollout    wire.RolloutID `json:"rollout"`
		BlockedBy  string         `json:"blockedBy"`
		Reason     string         `json:"reason"`
		ObservedAt string         `json:"observedAt"`
	}
	known, ok := e.allRollouts()
	if !ok {
		return nil
	}
	quarantined, ok := e.quarantined()
	if !ok {
		return nil
	}
	now := wire.TimeOf(e.server.cfg.wall()).String()
	list := []deferral{}
	for i := range known {
		if r := &known[i]; r.State == wire.Superseded || r.Counts.Pending == 0 {
			continue
		}
		r, ok := e.rolloutWhole(known[i].RolloutID)
		if !ok {
			return nil
		}
		for j := range r.Hosts {
			if by, reason := e.heldBack(r, &r.Hosts[j], quarantined); by != "" {
				list = append(list, deferral{r.Hosts[j].Snapshot.Hostname, r.RolloutID, by, reason, now})
			}
		}
		if e.tooManyItems(len(list)) {
			return nil
		}
	}
	return map[string]any{"deferrals": list}
}

// heldBack says which gate holds a dispatch back; empty if none does. The first two are
// gates of NixFleet, the others are rules that it does not have.
func (e *exchange) heldBack(r *wire.RolloutStatus, record *wire.RecordStatus, quarantined map[closureOn]bool) (gate, reason string) {
	s := &record.Snapshot
	switch {
	case s.State != wire.Pending:
		return "", ""
	case quarantined[closureOn{s.Channel, s.TargetClosure}]:
		return "quarantine", "the closure is quarantined on the channel (R3)"
	case r.State == wire.Held:
		return "held", "nothing says which rollout of the channel is the newest (R6)"
	case r.HaltedBy != "":
		return "halt", "the rollout is halted by " + string(r.HaltedBy) + " (R2)"
	case record.Wave >= r.WavesDispatched:
		return "wave-promotion", "a host of an earlier wave is neither Converged nor Deferred (R2)"
	case !bool(r.Backed) && (bool(r.Signed) || e.server.cfg.plane().SignedOnly):
		return "release", "the release that is held does not have the rollout (V6, V7)"
	}
	return "", ""
}
