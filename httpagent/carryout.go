package httpagent

import (
	"context"
	"errors"
	"fmt"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// carryOut does what the output asks for and resets it, in the order of its
// contract but for the notices. They come as soon as what they tell is durable,
// so that onlookers hear of a change before they hear of what it brings about
// on other hosts.
func (l *life) carryOut() error {
	if err := l.append(); err != nil {
		return err
	}
	for i := range l.out.Notices {
		l.notice(&l.out.Notices[i])
	}
	if len(l.out.Appends) > 0 {
		l.cfg.Observer.Changed(l.agent)
	}
	for i := range l.out.Requests {
		l.send(l.out.Requests[i])
	}
	for i := range l.out.Effects {
		l.beginEffect(l.out.Effects[i])
	}
	l.out.Reset()
	return nil
}

// append makes the appends of the output durable, and the log shorter when it
// has become long.
func (l *life) append() error {
	if len(l.out.Appends) == 0 {
		return nil
	}
	l.lines = l.lines[:0]
	sync := false
	for i := range l.out.Appends {
		e := &l.out.Appends[i]
		l.lines = e.AppendLine(l.lines)
		// Without an acknowledgement an event goes out once more than it had
		// to, which is harmless; a sync per answer would not be.
		sync = sync || e.Kind != agent.EntryAcknowledged
	}
	if err := l.cfg.Log.Append(l.lines, sync); err != nil {
		return fmt.Errorf("%w cannot be appended to: %w", errLog, err)
	}
	if l.size += len(l.lines); l.size >= max(l.cfg.CompactAbove, 2*l.compacted) {
		l.compact()
	}
	return nil
}

// compact puts the shortest log in place of the one that has become long. If
// that fails, the long one goes on, and the next try is when it has doubled.
func (l *life) compact() {
	lines := l.agent.AppendDurable(nil)
	if err := l.cfg.Log.Replace(lines); err != nil {
		l.cfg.Logger.Warn("the agent's log could not be compacted; it goes on as it is", "bytes", l.size, "error", err)
		l.compacted = l.size
		return
	}
	l.size, l.compacted = len(lines), len(lines)
}

// send sends a request.
func (l *life) send(r agent.Request) {
	l.open++
	l.running.Go(func() {
		in, x := l.client.exchange(l.ctx, &r)
		l.deliver(result{in: in, exchange: x, last: true})
	})
}

// beginEffect begins an effect.
func (l *life) beginEffect(e agent.Effect) {
	l.open++
	switch e.Kind {
	case agent.EffectActivate:
		l.running.Go(func() {
			in := l.cfg.Machine.Activate(l.ctx, e.Closure)
			in.ID = e.ID
			l.deliver(result{in: &in, last: true})
		})
	case agent.EffectRollback:
		l.running.Go(func() {
			in := l.cfg.Machine.RollBack(l.ctx, e.Closure)
			in.ID = e.ID
			l.deliver(result{in: &in, last: true})
		})
	case agent.EffectProbe:
		l.open += len(e.Probes) - 1
		for _, p := range e.Probes {
			l.running.Go(func() { l.probe(e.ID, p) })
		}
	default:
		panic(fmt.Sprintf("httpagent: unknown effect %v", e.Kind))
	}
}

// errProbeTimeout ends a probe that hangs.
var errProbeTimeout = errors.New("no result within the probe timeout")

// probe runs one probe of a round.
func (l *life) probe(id uint64, p wire.ProbeDeclaration) {
	select {
	case l.probing <- struct{}{}:
		defer func() { <-l.probing }()
	case <-l.ctx.Done():
		return
	}
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	timer := l.cfg.Clock.base.AfterFunc(l.cfg.Clock.slowed(l.cfg.ProbeTimeout), func() { cancel(errProbeTimeout) })
	defer timer.Stop()
	in := l.cfg.Machine.Probe(ctx, p)
	if context.Cause(ctx) == errProbeTimeout {
		in = agent.Probed{Status: wire.Fail, Reason: wire.Text(errProbeTimeout.Error())}
	}
	in.ID, in.Probe = id, p.ProbeName
	l.deliver(result{in: &in, last: true})
}
