package check

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// adopt lets a ledger begin with what a state says.
func (l *ledger) adopt(a *scenario.State) {
	for i := range a.Rollouts {
		r := &a.Rollouts[i]
		channel := r.ID.Channel()
		o := &openedRollout{id: r.ID, channel: channel, manifest: wire.Manifest{
			Channel: channel, ChannelRef: wire.ChannelRef(string(r.ID)[len(channel)+1:]), Policy: r.Policy, Gates: r.Gates,
		}}
		for j := range r.Records {
			rec := &r.Records[j].Record
			c := &recordCopy{of: o, host: l.number(rec.Hostname), wave: int(rec.Wave), target: rec.TargetClosure, there: true}
			o.records = append(o.records, c)
			o.manifest.Hosts = append(o.manifest.Hosts, wire.ManifestHost{Hostname: rec.Hostname, Wave: rec.Wave, TargetClosure: rec.TargetClosure})
			if r.Records[j].Offered {
				l.durable.offered[c] = true
			}
			if r.Records[j].Idle {
				l.durable.idle[c] = true
			}
			if r.Records[j].Excused {
				l.durable.excused[c] = true
			}
		}
		for wave := range int(r.WavesDispatched) {
			l.durable.turned[waveOf{r.ID, wave}] = true
		}
		o.manifest.Serial = r.Serial
		if r.Signed {
			l.durable.signed[o] = true
		}
		l.durable.opened = append(l.durable.opened, o)
		if !r.Paused.IsUnset() {
			l.durable.paused[o] = true
		}
		if !r.Aborted.IsUnset() {
			l.durable.aborted[o] = true
		}
		if r.SupersededBy != "" {
			l.durable.superseder[o] = r.SupersededBy
		} else if r.Held {
			l.durable.held[o] = true
		}
	}
	for _, h := range a.Holds {
		if n := l.number(h.Hostname); h.Hold == plane.Cordoned {
			l.durable.cordoned[n] = true
		} else {
			l.durable.forgotten[n] = true
		}
	}
	for _, q := range a.Quarantined {
		l.durable.quarantined[closureOn{q.Channel, q.Closure}] = true
	}
	for _, r := range a.Revoked {
		l.durable.revoked[r.CommonName] = r.RevokedBefore
	}
}
