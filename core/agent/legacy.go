package agent

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// A legacy agent is what is deployed today: it follows the wire, but not the
// rules of PROTOCOL A.
//
//   - It never names a rollout in a heartbeat.
//   - It keeps no event after an answer below 500, and nothing of a rollout
//     that is finished.
//   - It ignores Replay-From and bootstrap snapshots.
//   - It sends heartbeats by a ticker, at the start and every interval after
//     it, without jitter or backoff; a request that failed is retried at the
//     next tick.
//
// Activation, probes, soak and rollback are those of every other agent.

// nextTick returns the first tick after now.
func (a *Agent) nextTick() time.Duration {
	passed := (a.last.Mono - a.heartbeat.started) / a.cfg.HeartbeatInterval
	return a.heartbeat.started + (passed+1)*a.cfg.HeartbeatInterval
}

func (a *Agent) legacyEventAnswered(p *progress, seq wire.Seq, x Answer, out *Output) {
	if classify(x.Status) == retry {
		p.sending.at = a.retryAt(0, x)
		return
	}
	a.ackThrough(p, seq, out)
}

// dropAnswered makes what is answered part of the record that the log begins
// with.
func (p *progress) dropAnswered() error {
	n := p.after(p.acked)
	if n == 0 {
		return nil
	}
	base := progress{rec: p.taken.Record.Clone(), rollback: bool(p.taken.RollingBack)}
	for _, l := range p.log[:n] {
		base.take(l.event)
	}
	p.taken.Record, p.taken.RollingBack = base.rec, wire.Flag(base.rollback)
	p.log = append([]logged(nil), p.log[n:]...)
	return nil
}
