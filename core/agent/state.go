package agent

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// AppendDurable appends the canonical bytes of the durable state: the entries
// of the shortest log that gives it. A driver may write them in place of a log
// that has become long.
func (a *Agent) AppendDurable(dst []byte) []byte {
	for _, s := range a.seen {
		dst = (&Entry{Kind: EntrySeen, Channel: s.channel, SignedAt: s.signedAt}).AppendLine(dst)
	}
	for _, p := range a.rollouts {
		id := p.id()
		dst = (&Entry{Kind: EntryTaken, RolloutID: id, Taken: &p.taken}).AppendLine(dst)
		for i := range p.log {
			dst = (&Entry{Kind: EntryEvent, RolloutID: id, Event: p.log[i].event}).AppendLine(dst)
			if p.log[i].refused {
				// At once, since the event after a refused Converged may be
				// legal only without it.
				dst = (&Entry{Kind: EntryRefused, RolloutID: id, Seq: p.log[i].event.Seq}).AppendLine(dst)
			}
		}
		if p.acked > 0 {
			dst = (&Entry{Kind: EntryAcknowledged, RolloutID: id, Seq: p.acked}).AppendLine(dst)
		}
		if p.reserved > 0 {
			dst = (&Entry{Kind: EntryReserved, RolloutID: id, Seq: p.reserved}).AppendLine(dst)
		}
	}
	return dst
}

// AppendState appends the canonical bytes of the whole state, with timers,
// open requests and the generator of jitter. It is what [Restore] reads to go
// on as if nothing had happened.
func (a *Agent) AppendState(dst []byte) []byte {
	dst = a.AppendDurable(dst)
	h, l, s, r := &a.heartbeat, &a.poll, &a.switching, &a.round
	dst = wire.AppendLine(dst, "process", &processLineSchema, &processLine{
		Mono: wire.Nanos(a.last.Mono), Wall: a.last.Wall, Random: wire.Name(strconv.FormatUint(uint64(a.rng), 16)),
		Started: wire.Flag(a.started), Booted: wire.Flag(a.booted), Current: a.current, Staged: a.staged, Issued: wire.Seq(a.issued),
		HeartbeatOpen: wire.Seq(h.open), HeartbeatSent: wire.Nanos(h.sent), HeartbeatAt: wire.Nanos(h.at),
		HeartbeatFailures: h.failures, HeartbeatStarted: wire.Nanos(h.started), HeartbeatNamed: h.named,
		HeartbeatClosure: h.closure, HeartbeatTurn: h.turn,
		PollOpen: wire.Seq(l.open), PollSent: wire.Nanos(l.sent), PollAt: wire.Nanos(l.at),
		PollFailures: l.failures, PollHeld: wire.Flag(l.held),
		SwitchID: wire.Seq(s.id), SwitchKind: wire.Count(s.kind), SwitchRollout: s.rollout, SwitchClosure: s.closure,
		RoundID: wire.Seq(r.id), RoundAt: wire.Nanos(r.at),
	})
	for i := range a.probes {
		dst = wire.AppendLine(dst, "probe", &probeLineSchema, &probeLine{Probe: a.probes[i]})
	}
	for i := range r.probes {
		dst = wire.AppendLine(dst, "running", &probeLineSchema, &probeLine{Probe: r.probes[i], Ended: wire.Flag(r.ended[i])})
	}
	if k := (askingLine{wire.Seq(a.asking.open), a.asking.rollout, a.asking.snapshot, a.refused.rollout, a.refused.why}); k != (askingLine{}) {
		dst = wire.AppendLine(dst, "asking", &askingLineSchema, &k)
	}
	for i := range a.waiting {
		dst = wire.AppendLine(dst, "waiting", &wire.DispatchSchema, &a.waiting[i])
	}
	for _, o := range a.orphans {
		dst = wire.AppendLine(dst, "orphan", &orphanLineSchema, &orphanLine{o.rollout, wire.Seq(o.open), wire.Nanos(o.at), o.failures})
	}
	for _, p := range a.rollouts {
		s, k := &p.sending, &p.soak
		dst = wire.AppendLine(dst, "sending", &sendingLineSchema, &sendingLine{
			RolloutID: p.id(), ReplayFrom: s.replayFrom, ReplayTo: s.replayTo,
			Open: wire.Seq(s.open), OpenSeq: s.openSeq, At: wire.Nanos(s.at),
			Failures: s.failures, Gaps: s.gaps, Renumbers: s.renumbers, Unknown: wire.Flag(s.unknown),
			Resumed: wire.Flag(p.resumed), RollbackAt: wire.Nanos(p.rollbackAt), RollbackFailures: p.rollbackFailures,
			SoakBegun: wire.Flag(k.begun), SoakSince: wire.Nanos(k.since), SoakAfter: wire.Seq(k.after),
			SoakDeclared: wire.Flag(k.declared), SoakFresh: wire.Flag(k.fresh), SoakResend: wire.Flag(k.resend),
			SoakRetryAt: wire.Nanos(k.retryAt), SoakRefusals: k.refusals,
		})
		for _, f := range k.failing {
			dst = wire.AppendLine(dst, "failing", &failingLineSchema, &failingLine{p.id(), f.probe, wire.Nanos(f.since)})
		}
	}
	return dst
}

// Restore makes an agent from lines: those of [Agent.AppendDurable] or
// [Agent.AppendState], followed by any number of [Entry.AppendLine], or the
// latter alone. A last line without a newline was torn by a crash, so it was
// never durable, and is left out. The error names the line at fault. After a
// crash [Started] has to be stepped; after AppendState alone it must not be.
func Restore(cfg Config, state []byte) (*Agent, error) {
	a, err := New(cfg)
	if err != nil {
		return nil, err
	}
	rd := reader{agent: a}
	for line := range wire.Lines(state) {
		if !line.Complete {
			break
		}
		if err := rd.line(line.Word, line.Doc); err != nil {
			return nil, line.Wrong(err)
		}
	}
	if err := a.Check(); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return a, nil
}

// WholeLines returns the length of the complete lines of a log as it lies on a
// disk. A last line without its end was torn by a crash. So is everything from a zero
// byte on: an append that touches two pages may reach the disk in any order, a page
// that did not get there reads as zeros, and no line has one. A driver cuts off what
// is torn before it appends again: it was never durable, and nothing of it was sent.
func WholeLines(data []byte) int {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		data = data[:i]
	}
	return bytes.LastIndexByte(data, '\n') + 1
}

// reader builds an agent from the lines of a state.
type reader struct {
	agent   *Agent
	decoder wire.Decoder
}

func (rd *reader) line(word string, doc []byte) error {
	a := rd.agent
	e, err := readEntry(&rd.decoder, word, doc)
	if err == nil {
		return a.apply(&e)
	}
	if !errors.Is(err, errNotEntry) {
		return err
	}
	switch word {
	case "process":
		return rd.readProcess(doc)
	case "probe":
		var l probeLine
		if err := wire.DecodeDocument(&rd.decoder, &probeLineSchema, doc, &l); err != nil {
			return err
		}
		a.probes = append(a.probes, l.Probe)
		if l.Probe.Mode != wire.Disabled {
			a.enabled = append(a.enabled, l.Probe)
		}
	case "running":
		var l probeLine
		if err := wire.DecodeDocument(&rd.decoder, &probeLineSchema, doc, &l); err != nil {
			return err
		}
		a.round.probes = append(a.round.probes, l.Probe)
		a.round.ended = append(a.round.ended, bool(l.Ended))
		if !l.Ended {
			a.round.left++
		}
	case "waiting":
		var d wire.Dispatch
		if err := wire.DecodeDocument(&rd.decoder, &wire.DispatchSchema, doc, &d); err != nil {
			return err
		}
		a.waiting = append(a.waiting, d)
	case "asking":
		var l askingLine
		if err := wire.DecodeDocument(&rd.decoder, &askingLineSchema, doc, &l); err != nil {
			return err
		}
		a.asking, a.refused = asking{uint64(l.Open), l.RolloutID, l.Snapshot}, refused{l.Refused, l.Why}
	case "orphan":
		var l orphanLine
		if err := wire.DecodeDocument(&rd.decoder, &orphanLineSchema, doc, &l); err != nil {
			return err
		}
		a.orphans = append(a.orphans, orphan{l.RolloutID, uint64(l.Open), time.Duration(l.At), l.Failures})
	case "sending":
		return rd.readSending(doc)
	case "failing":
		var l failingLine
		if err := wire.DecodeDocument(&rd.decoder, &failingLineSchema, doc, &l); err != nil {
			return err
		}
		p := a.find(l.RolloutID)
		if p == nil {
			return fmt.Errorf("rollout %s was never taken up", l.RolloutID)
		}
		p.soak.failing = append(p.soak.failing, failing{l.Probe, time.Duration(l.Since)})
	default:
		return fmt.Errorf("unknown word; want that of an entry, or process, probe, running, asking, waiting, orphan, sending or failing")
	}
	return nil
}

func (rd *reader) readProcess(doc []byte) error {
	var l processLine
	if err := wire.DecodeDocument(&rd.decoder, &processLineSchema, doc, &l); err != nil {
		return err
	}
	rng, err := strconv.ParseUint(string(l.Random), 16, 64)
	if err != nil {
		return fmt.Errorf("random: want a hexadecimal number of 64 bits")
	}
	a := rd.agent
	a.last = wire.Instant{Mono: time.Duration(l.Mono), Wall: l.Wall}
	a.rng, a.started, a.booted = random(rng), bool(l.Started), bool(l.Booted)
	a.current, a.staged, a.issued = l.Current, l.Staged, uint64(l.Issued)
	a.heartbeat = heartbeatLine{
		line: line{
			open: uint64(l.HeartbeatOpen), sent: time.Duration(l.HeartbeatSent),
			at: time.Duration(l.HeartbeatAt), failures: l.HeartbeatFailures,
		},
		started: time.Duration(l.HeartbeatStarted), named: l.HeartbeatNamed, closure: l.HeartbeatClosure, turn: l.HeartbeatTurn,
	}
	a.poll = pollLine{
		line: line{open: uint64(l.PollOpen), sent: time.Duration(l.PollSent), at: time.Duration(l.PollAt), failures: l.PollFailures},
		held: bool(l.PollHeld),
	}
	a.switching = switching{id: uint64(l.SwitchID), kind: EffectKind(l.SwitchKind), rollout: l.SwitchRollout, closure: l.SwitchClosure}
	a.round = round{id: uint64(l.RoundID), at: time.Duration(l.RoundAt)}
	return nil
}

func (rd *reader) readSending(doc []byte) error {
	var l sendingLine
	if err := wire.DecodeDocument(&rd.decoder, &sendingLineSchema, doc, &l); err != nil {
		return err
	}
	p := rd.agent.find(l.RolloutID)
	if p == nil {
		return fmt.Errorf("rollout %s was never taken up", l.RolloutID)
	}
	p.sending = sending{
		replayFrom: l.ReplayFrom, replayTo: l.ReplayTo,
		open: uint64(l.Open), openSeq: l.OpenSeq, at: time.Duration(l.At),
		failures: l.Failures, gaps: l.Gaps, renumbers: l.Renumbers, unknown: bool(l.Unknown),
	}
	p.resumed = bool(l.Resumed)
	p.rollbackAt, p.rollbackFailures = time.Duration(l.RollbackAt), l.RollbackFailures
	p.soak = soak{
		begun: bool(l.SoakBegun), since: time.Duration(l.SoakSince), after: uint64(l.SoakAfter),
		declared: bool(l.SoakDeclared), fresh: bool(l.SoakFresh), resend: bool(l.SoakResend),
		retryAt: time.Duration(l.SoakRetryAt), refusals: l.SoakRefusals,
	}
	return nil
}

// Clone returns an independent agent in the same state.
func (a *Agent) Clone() (*Agent, error) { return Restore(a.cfg, a.AppendState(nil)) }
