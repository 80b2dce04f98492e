package httpagent

import (
	"context"
	"errors"
	"fmt"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// carryOut does what the output asks for and resets it, in the order of its
// contract except for the notices. They come as soon as what they report is
// durable, so that observers see a change before its effects on other hosts.
func (s *session) carryOut() error {
	if err := s.append(); err != nil {
		return err
	}
	for i := range s.out.Notices {
		s.logNotice(&s.out.Notices[i])
	}
	if len(s.out.Appends) > 0 {
		s.cfg.Observer.Changed(s.agent)
	}
	for i := range s.out.Requests {
		s.send(s.out.Requests[i])
	}
	for i := range s.out.Effects {
		s.beginEffect(s.out.Effects[i])
	}
	s.out.Reset()
	return nil
}

// append makes the appends of the output durable, and compacts the log when it
// has become long.
func (s *session) append() error {
	if len(s.out.Appends) == 0 {
		return nil
	}
	s.lines = s.lines[:0]
	sync := false
	for i := range s.out.Appends {
		e := &s.out.Appends[i]
		s.lines = e.AppendLine(s.lines)
		// Without an acknowledgement an event goes out once more than it had
		// to, which is harmless; a sync per answer would not be.
		sync = sync || e.Kind != agent.EntryAcknowledged
	}
	if err := s.cfg.Log.Append(s.lines, sync); err != nil {
		return fmt.Errorf("%w cannot be appended to: %w", errLog, err)
	}
	if s.size += len(s.lines); s.size >= max(s.cfg.CompactAbove, 2*s.compacted) {
		s.compact()
	}
	return nil
}

// compact replaces a long log by the shortest one with the same state. If that
// fails, the long one stays, and the next attempt is when it has doubled.
func (s *session) compact() {
	lines := s.agent.AppendDurable(nil)
	if err := s.cfg.Log.Replace(lines); err != nil {
		s.cfg.Logger.Warn("compaction of the agent's log failed; the log is used as it is", "bytes", s.size, "error", err)
		s.compacted = s.size
		return
	}
	s.size, s.compacted = len(lines), len(lines)
}

// send sends a request.
func (s *session) send(r agent.Request) {
	s.open++
	s.running.Go(func() {
		in, x := s.client.exchange(s.ctx, &r)
		s.deliver(result{in: in, exchange: x, last: true})
	})
}

// beginEffect begins an effect.
func (s *session) beginEffect(e agent.Effect) {
	s.open++
	switch e.Kind {
	case agent.EffectActivate:
		s.running.Go(func() {
			in := s.cfg.Machine.Activate(WithRollout(s.ctx, e.RolloutID), e.Closure)
			in.ID = e.ID
			s.deliver(result{in: &in, last: true})
		})
	case agent.EffectRollback:
		s.running.Go(func() {
			in := s.cfg.Machine.RollBack(WithRollout(s.ctx, e.RolloutID), e.Closure)
			in.ID = e.ID
			s.deliver(result{in: &in, last: true})
		})
	case agent.EffectFetch:
		s.running.Go(func() {
			in, err := s.releases.fetch(s.ctx, e.RolloutID)
			in.ID = e.ID
			if err != nil {
				s.cfg.Logger.Debug("the signed artifacts could not be fetched", "rollout", string(e.RolloutID), "error", err)
			}
			s.deliver(result{in: in, last: true})
		})
	case agent.EffectProbe:
		s.open += len(e.Probes) - 1
		for _, p := range e.Probes {
			s.running.Go(func() { s.probe(e.ID, p) })
		}
	default:
		panic(fmt.Sprintf("httpagent: unknown effect %v", e.Kind))
	}
}

// errProbeTimeout ends a probe that hangs.
var errProbeTimeout = errors.New("no result within the probe timeout")

// probe runs one probe of a round.
func (s *session) probe(id uint64, p wire.ProbeDeclaration) {
	select {
	case s.probing <- struct{}{}:
		defer func() { <-s.probing }()
	case <-s.ctx.Done():
		return
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	timer := s.cfg.Clock.base.AfterFunc(s.cfg.Clock.slowed(s.cfg.ProbeTimeout), func() { cancel(errProbeTimeout) })
	defer timer.Stop()
	in := s.cfg.Machine.Probe(ctx, p)
	if context.Cause(ctx) == errProbeTimeout {
		in = agent.Probed{Status: wire.Fail, Reason: wire.Text(errProbeTimeout.Error())}
	}
	in.ID, in.Probe = id, p.ProbeName
	s.deliver(result{in: &in, last: true})
}
