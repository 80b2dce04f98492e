package sim

import (
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// adopt lets a ledger begin with what a state says.
func (l *ledger) adopt(a *scenario.State) {
	for i := range a.Rollouts {
		r := &a.Rollouts[i]
		channel := r.ID.Channel()
		o := &openedRollout{id: r.ID, channel: channel, manifest: wire.Manifest{
			Channel: channel, ChannelRef: wire.ChannelRef(string(r.ID)[len(channel)+1:]), Policy: r.Policy,
		}}
		for j := range r.Records {
			rec := &r.Records[j].Record
			c := &recordCopy{of: o, host: l.number(rec.Hostname), wave: int(rec.Wave), target: rec.TargetClosure, there: true}
			o.records = append(o.records, c)
			o.manifest.Hosts = append(o.manifest.Hosts, wire.ManifestHost{Hostname: rec.Hostname, Wave: rec.Wave, TargetClosure: rec.TargetClosure})
			if r.Records[j].Excused {
				l.durable.excused[c] = true
			}
		}
		for wave := range int(r.WavesDispatched) {
			l.durable.turned[waveOf{r.ID, wave}] = true
		}
		l.durable.opened = append(l.durable.opened, o)
	}
	for _, q := range a.Quarantined {
		l.durable.quarantined[closureOn{q.Channel, q.Closure}] = true
	}
	for _, r := range a.Revoked {
		l.durable.revoked[r.CommonName] = r.RevokedBefore
	}
}

// adopt lets S1 begin with what a state says.
func (c *checkDurable) adopt(a *scenario.State) {
	for i := range a.Rollouts {
		r := &a.Rollouts[i]
		c.open[r.ID] = true
		for j := range r.Records {
			rec := &r.Records[j].Record
			key := recordKey{r.ID, rec.Hostname}
			c.disk[key] = rec.LastEventSeq
			c.soaking[key] = rec.State > wire.Deferred
		}
	}
}
