package agent

import (
	"bytes"
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Check verifies the invariants of [Agent] and names the first that does not
// hold. It walks over everything the agent knows.
func (a *Agent) Check() error {
	for _, check := range []func() error{a.checkRecords, a.checkRollouts, a.checkLogs, a.checkSending, a.checkSwitching, a.checkWaiting, a.checkTimer, a.checkSeen} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkRecords verifies N1.
func (a *Agent) checkRecords() error {
	for _, p := range a.rollouts {
		if err := p.rec.Check(); err != nil {
			return fmt.Errorf("N1: %w", err)
		}
		fresh := progress{taken: p.taken, log: p.log}
		if err := fresh.rebuildRecord(); err != nil {
			return fmt.Errorf("N1: the log of %s: %w", p.id(), err)
		}
		if got, want := p.rec.AppendJSON(nil), fresh.rec.AppendJSON(nil); !bytes.Equal(got, want) {
			return fmt.Errorf("N1: the record of %s is %s, its log gives %s", p.id(), got, want)
		}
		if p.rollback != fresh.rollback {
			return fmt.Errorf("N1: %s has to go back: %v, by its log: %v", p.id(), p.rollback, fresh.rollback)
		}
	}
	return nil
}

// checkRollouts verifies N2.
func (a *Agent) checkRollouts() error {
	for i, p := range a.rollouts {
		if p.rec.Hostname != a.cfg.Hostname || p.channel != p.id().Channel() {
			return fmt.Errorf("N2: rollout %s is of host %s and channel %s", p.id(), p.rec.Hostname, p.channel)
		}
		later := false
		for _, q := range a.rollouts[i+1:] {
			if q.id() == p.id() {
				return fmt.Errorf("N2: rollout %s is listed twice", p.id())
			}
			later = later || q.channel == p.channel
		}
		if p.superseded != later {
			return fmt.Errorf("N2: rollout %s is superseded: %v, a later one of its channel is known: %v", p.id(), p.superseded, later)
		}
	}
	return nil
}

// checkLogs verifies N3.
func (a *Agent) checkLogs() error {
	for _, p := range a.rollouts {
		last := p.taken.Record.LastEventSeq
		for i := range p.log {
			seq := p.log[i].event.Seq
			if seq <= last || seq > wire.MaxSeq {
				return fmt.Errorf("N3: event %d of %s follows event %d", seq, p.id(), last)
			}
			last = seq
		}
	}
	return nil
}

// checkSending verifies N4.
func (a *Agent) checkSending() error {
	if open := a.eventsOpen(); open > maxEventsOpen {
		return fmt.Errorf("N4: %d events are open", open)
	}
	for _, o := range a.orphans {
		if o.open > a.issued {
			return fmt.Errorf("N4: request %d of %s, which was forgotten, was never sent", o.open, o.rollout)
		}
	}
	for _, p := range a.rollouts {
		if s := &p.sending; (s.open != 0) != (s.openSeq != 0) || s.open > a.issued {
			return fmt.Errorf("N4: request %d of %s carries event %d", s.open, p.id(), s.openSeq)
		}
	}
	return nil
}

// checkSwitching verifies N5.
func (a *Agent) checkSwitching() error {
	s := &a.switching
	if s.id == 0 {
		return nil
	}
	p := a.find(s.rollout)
	switch {
	case p == nil:
		return fmt.Errorf("N5: %v of %s runs, which is not known", s.kind, s.rollout)
	case p.superseded:
		return fmt.Errorf("N5: %v of %s runs, which is superseded", s.kind, s.rollout)
	case s.kind == EffectActivate && (p.rec.State != wire.Activating || s.closure != p.rec.TargetClosure):
		return fmt.Errorf("N5: %s is activated to %s in %v", s.rollout, s.closure, p.rec.State)
	case s.kind == EffectRollback && (!p.rollback || s.closure != p.rec.CurrentClosureAtDispatch):
		return fmt.Errorf("N5: %s is rolled back to %s in %v", s.rollout, s.closure, p.rec.State)
	}
	return nil
}

// checkWaiting verifies N6.
func (a *Agent) checkWaiting() error {
	for i := range a.waiting {
		d := &a.waiting[i]
		for j := range a.waiting[:i] {
			if a.waiting[j].RolloutID.Channel() == d.RolloutID.Channel() {
				return fmt.Errorf("N6: %s and %s wait, of one channel", a.waiting[j].RolloutID, d.RolloutID)
			}
		}
	}
	return nil
}

// checkTimer verifies N7.
func (a *Agent) checkTimer() error {
	if next := a.NextTimer(); a.started && next <= a.last.Mono {
		return fmt.Errorf("N7: the next timer is at %v, it is %v", next, a.last.Mono)
	}
	return nil
}
