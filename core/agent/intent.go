package agent

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// seen is the newest instant of signing of a channel that was ever verified here. It is
// on the disk, and no release that was signed earlier is followed again (PROTOCOL A11).
type seen struct {
	channel  wire.Channel
	signedAt wire.Time
}

// asking is the fetch of signed artifacts that runs; open is 0 while none does.
type asking struct {
	open    uint64
	rollout wire.RolloutID
	// snapshot is what the rollout is to be taken up from; nil for a dispatch that waits.
	snapshot *wire.Snapshot
}

// refused is the last refusal, until something of its rollout is accepted.
type refused struct {
	rollout wire.RolloutID
	why     wire.Text
}

// ask begins to fetch the signed artifacts of a rollout, unless a fetch runs already.
func (a *Agent) ask(id wire.RolloutID, snapshot *wire.Snapshot, out *Output) {
	if a.asking.open != 0 {
		return
	}
	a.asking = asking{open: a.issue(), rollout: id}
	if snapshot != nil {
		kept := *snapshot
		a.asking.snapshot = &kept
	}
	out.Effects = append(out.Effects, Effect{ID: a.asking.open, Kind: EffectFetch, RolloutID: id})
}

// fetched takes what a fetch has brought, and accepts or refuses what it was for.
func (a *Agent) fetched(in *Fetched, out *Output) {
	if in.ID == 0 || in.ID != a.asking.open {
		return
	}
	of := a.asking
	a.asking = asking{}
	if in.Status == 200 {
		a.see(&of, &in.Intent, out)
	}
	if of.snapshot != nil {
		a.recoverFetched(of.snapshot, in, out)
		return
	}
	i := slices.IndexFunc(a.waiting, func(d wire.Dispatch) bool { return d.RolloutID == of.rollout })
	if i < 0 {
		return // a newer dispatch of the channel has taken its place
	}
	d := &a.waiting[i]
	if why := a.judge(d.RolloutID, d.TargetClosure, in); why != "" {
		a.refuseIntent(of.rollout, why, out)
		if a.waiting = slices.Delete(a.waiting, i, i+1); len(a.waiting) == 0 {
			a.waiting = nil
		}
		// The plane goes on offering it (PROTOCOL D2); each offer is judged anew.
		a.poll.held = false
		a.backOffPoll()
		return
	}
	a.refused, a.poll.failures = refused{}, 0
	if !a.mayTake(d) {
		return // it is asked for again once it may be taken up
	}
	t, err := a.taking(d)
	// What the plane says of them does not count.
	t.Policy, t.Record.SoakSeconds, t.SignedAt = in.Intent.Policy, in.Intent.SoakMinutes*60, in.Intent.FleetSignedAt
	a.takeAt(i, t, err, out)
}

// recoverFetched takes up the rollout of a snapshot, if the artifacts have the host run
// its target and nothing has happened meanwhile that is in its way.
func (a *Agent) recoverFetched(s *wire.Snapshot, in *Fetched, out *Output) {
	if why := a.judge(s.RolloutID, s.TargetClosure, in); why != "" {
		a.refuseIntent(s.RolloutID, why, out)
		return
	}
	a.refused = refused{}
	if a.find(s.RolloutID) == nil && a.mayRecover(s, out) {
		a.recoverWith(s, in.Intent.SoakMinutes*60, true, in.Intent.FleetSignedAt, out)
	}
}

// see notes when a fleet was signed, if that is later than any other of its channel. The
// manifest has to count as well: a plane can name channels without end, and a signer
// does not. An instant of the future counts for nothing, since one of this host's wrong
// clock would have all others refused until it has come.
func (a *Agent) see(of *asking, i *artifact.Intent, out *Output) {
	channel := of.rollout.Channel()
	if i.FleetFault != 0 || i.RolloutFault != 0 || i.ID != of.rollout || !a.newest(channel).Before(i.FleetSignedAt) {
		return
	}
	if refusal := artifact.CheckAge(i.FleetSignedAt, a.last.Wall, a.cfg.SignedWindow, wire.Time{}); refusal != nil && refusal.Reason == artifact.FromTheFuture {
		return
	}
	a.commit(Entry{Kind: EntrySeen, Channel: channel, SignedAt: i.FleetSignedAt}, out)
}

// newest returns the newest instant of signing that was seen of a channel; unset if
// there was none.
func (a *Agent) newest(channel wire.Channel) wire.Time {
	for i := range a.seen {
		if a.seen[i].channel == channel {
			return a.seen[i].signedAt
		}
	}
	return wire.Time{}
}

func (a *Agent) applySeen(e *Entry) error {
	at, found := slices.BinarySearchFunc(a.seen, e.Channel, func(s seen, c wire.Channel) int { return cmp.Compare(s.channel, c) })
	switch {
	case !found:
		a.seen = slices.Insert(a.seen, at, seen{e.Channel, e.SignedAt})
	case a.seen[at].signedAt.Before(e.SignedAt):
		a.seen[at].signedAt = e.SignedAt
	}
	return nil
}

// judge says why a host must not be brought to a closure by a rollout; empty if it may.
// It begins with the stable word of the reason.
func (a *Agent) judge(id wire.RolloutID, closure wire.Closure, in *Fetched) string {
	i := &in.Intent
	refuse := func(reason artifact.Reason, format string, args ...any) string {
		return reason.String() + ": " + fmt.Sprintf(format, args...)
	}
	switch {
	case in.Status != 200:
		return "unavailable: the plane has no signed artifacts of the rollout to show: " + Answer{Status: in.Status}.String()
	case i.FleetFault != 0:
		return refuse(i.FleetFault, "%s", i.Detail)
	case i.RolloutFault != 0:
		return refuse(i.RolloutFault, "%s", i.Detail)
	case i.ID != id:
		return refuse(artifact.WrongRollout, "it is the manifest of %s; want %s", i.ID, id)
	case i.NamedHash != i.FleetHash:
		return refuse(artifact.WrongFleet, "the manifest names the fleet %s, and the fleet's hash is %s", i.NamedHash, i.FleetHash)
	case i.Closure == "":
		return refuse(artifact.NoSuchHost, "the manifest has no line of this host")
	case i.Closure != closure:
		return refuse(artifact.WrongClosure, "the manifest has %s for this host; want %s", i.Closure, closure)
	case i.FleetClosure != closure:
		return refuse(artifact.WrongClosure, "the fleet has %s for this host; want %s", wire.OrDash(i.FleetClosure), closure)
	case i.Policy == 0:
		return refuse(artifact.NoPolicy, "the fleet has no policy of the rollout's channel")
	}
	for _, refusal := range []*artifact.Refusal{
		artifact.CheckAge(i.FleetSignedAt, a.last.Wall, a.cfg.SignedWindow, a.newest(id.Channel())),
		artifact.CheckAge(i.RolloutSignedAt, a.last.Wall, a.cfg.SignedWindow, wire.Time{}),
	} {
		if refusal != nil {
			return refusal.Error()
		}
	}
	return ""
}

func (a *Agent) refuseIntent(id wire.RolloutID, why string, out *Output) {
	a.refused = refused{id, wire.Text(why)}
	out.Notices = append(out.Notices, Notice{Kind: NoticeRefused, RolloutID: id, Detail: why})
}

// Refused returns the rollout that the agent was told to run last and refused, and why
// (PROTOCOL A11); empty if it has refused none in this process, or accepted one since.
func (a *Agent) Refused() (id wire.RolloutID, why string) {
	return a.refused.rollout, string(a.refused.why)
}

// Seen returns the newest instant of signing that the agent has seen of a channel; unset
// if there is none.
func (a *Agent) Seen(channel wire.Channel) wire.Time { return a.newest(channel) }

// checkSeen verifies N8.
func (a *Agent) checkSeen() error {
	for i := 1; i < len(a.seen); i++ {
		if a.seen[i-1].channel >= a.seen[i].channel {
			return fmt.Errorf("N8: what was seen of %s follows that of %s", a.seen[i].channel, a.seen[i-1].channel)
		}
	}
	for _, p := range a.rollouts {
		if !p.superseded && a.newest(p.channel).Before(p.taken.SignedAt) {
			return fmt.Errorf("N8: %s was accepted by a fleet that was signed at %v, and the newest that was seen was at %v", p.id(), p.taken.SignedAt, a.newest(p.channel))
		}
	}
	return nil
}
