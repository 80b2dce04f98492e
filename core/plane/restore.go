package plane

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Restore makes the plane whose [Plane.AppendState] gave state: it goes on as
// that one would. A state from [Plane.AppendDurable] is read as well; the
// hosts are then those that have a record, heard just now. The error names the
// line at fault.
func Restore(cfg Config, state []byte) (*Plane, error) {
	rd, err := NewRestorer(cfg)
	if err != nil {
		return nil, err
	}
	var last int
	for line := range wire.Lines(state) {
		if err := rd.Line(line.Word, line.Doc); err != nil {
			return nil, line.Wrong(err)
		}
		last = line.Number
	}
	p, err := rd.Plane()
	if err != nil && rd.missing > 0 {
		return nil, fmt.Errorf("state line %d: %w", last, err)
	}
	return p, err
}

// Restorer makes a plane of the lines of a state, see [Restore], one line at a
// time.
type Restorer struct {
	plane   *Plane
	decoder wire.Decoder
	rollout *rolloutState // whose records are being read
	missing int           // records still to come
}

// NewRestorer returns a restorer that has read no line yet: its plane knows
// nothing.
func NewRestorer(cfg Config) (*Restorer, error) {
	p, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &Restorer{plane: p}, nil
}

// Plane returns the plane of the lines, once all of them are read, and verifies
// its invariants. The restorer is used up.
func (rd *Restorer) Plane() (*Plane, error) {
	rd.finishRollout()
	if rd.missing > 0 {
		return nil, fmt.Errorf("%d records of %s are missing", rd.missing, rd.rollout.id)
	}
	rd.plane.regate(new(Output))
	rd.plane.resteerAll(new(Output))
	if err := rd.plane.Check(); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return rd.plane, nil
}

// Line reads the next line: its word and its document. The rows of a store's
// tables are such lines, with [Table.String] for the word; a rollout's row is
// followed by those of its records, and the rollouts come in the order of their
// positions.
func (rd *Restorer) Line(word string, doc []byte) error {
	p := rd.plane
	if word != "record" {
		rd.finishRollout()
		if rd.missing > 0 {
			return fmt.Errorf("%d records of %s are missing before this line", rd.missing, rd.rollout.id)
		}
	}
	switch word {
	case "log":
		var l logLine
		if err := wire.DecodeDocument(&rd.decoder, &logLineSchema, doc, &l); err != nil {
			return err
		}
		p.logged = l.Logged
	case "rollout":
		return rd.readRollout(doc)
	case "record":
		return rd.readRecord(doc)
	case "quarantine":
		var q wire.QuarantineEntry
		if err := wire.DecodeDocument(&rd.decoder, &wire.QuarantineEntrySchema, doc, &q); err != nil {
			return err
		}
		p.quarantine[quarantineKey{q.Channel, q.Closure}] = q
	case "revocation":
		var r wire.Revocation
		if err := wire.DecodeDocument(&rd.decoder, &wire.RevocationSchema, doc, &r); err != nil {
			return err
		}
		p.revocations[r.CommonName] = r.RevokedBefore
	case "retired":
		var l retiredLine
		if err := wire.DecodeDocument(&rd.decoder, &retiredLineSchema, doc, &l); err != nil {
			return err
		}
		p.retired[l.ID] = l
	case "enrolment":
		var l enrolmentLine
		if err := wire.DecodeDocument(&rd.decoder, &enrolmentLineSchema, doc, &l); err != nil {
			return err
		}
		p.enrolments[l.Nonce] = l
	case "acts":
		var h wire.ActHead
		if err := wire.DecodeDocument(&rd.decoder, &wire.ActHeadSchema, doc, &h); err != nil {
			return err
		}
		return p.restoreHead(h)
	case "hold":
		var l holdLine
		if err := wire.DecodeDocument(&rd.decoder, &holdLineSchema, doc, &l); err != nil {
			return err
		}
		p.setHold(holdKey{l.Hostname, l.Hold}, l.Mark)
	case "clock":
		var c clockLine
		if err := wire.DecodeDocument(&rd.decoder, &clockLineSchema, doc, &c); err != nil {
			return err
		}
		p.readOnly, p.scarce = bool(c.ReadOnly), bool(c.Scarce)
		p.last = wire.Instant{Mono: time.Duration(c.Mono), Wall: c.Wall}
		p.liveness = liveness{
			impaired: time.Duration(c.Impaired), lastTick: time.Duration(c.LastTick), credited: time.Duration(c.Credited),
			quietUntil: time.Duration(c.QuietUntil), suspecting: bool(c.Suspecting), judgeAt: time.Duration(c.JudgeAt),
		}
	case "host":
		var h hostLine
		if err := wire.DecodeDocument(&rd.decoder, &hostLineSchema, doc, &h); err != nil {
			return err
		}
		i := p.know(h.Hostname)
		v := &p.table.vitals[i]
		if v.reachability() == wire.NeverSeen { // as it was counted when it became known
			p.countHost(i, -1)
		}
		v.lastHeartbeatAt, v.heard, v.gone, v.unseen = h.LastHeartbeatAt, time.Duration(h.Heard), bool(h.Gone), bool(h.NeverSeen)
		v.sender = uint32(h.Sender)
		v.replayRound, v.field = uint8(h.ReplayRound), bool(h.Field)
		if h.Closure != "" {
			v.closurePrint = uint32(fingerprint(string(h.Closure)))
			p.table.hosts[i].closure = p.table.hosts[i].intern(h.Closure)
		}
		p.countHost(i, 1)
	case "replay":
		var l replayLine
		if err := wire.DecodeDocument(&rd.decoder, &replayLineSchema, doc, &l); err != nil {
			return err
		}
		return p.restoreReplay(&l)
	case "release":
		var l releaseLine
		if err := wire.DecodeDocument(&rd.decoder, &releaseLineSchema, doc, &l); err != nil {
			return err
		}
		return p.restoreRelease(&l)
	case "opening":
		l := new(openingLine)
		if err := wire.DecodeDocument(&rd.decoder, &openingLineSchema, doc, l); err != nil {
			return err
		}
		p.takeUp(l)
	case "offer":
		var l offerLine
		if err := wire.DecodeDocument(&rd.decoder, &offerLineSchema, doc, &l); err != nil {
			return err
		}
		return p.restoreOffer(&l)
	case "given":
		var l offerLine
		if err := wire.DecodeDocument(&rd.decoder, &offerLineSchema, doc, &l); err != nil {
			return err
		}
		return p.restoreGiven(&l)
	case "budget":
		var l budgetLine
		if err := wire.DecodeDocument(&rd.decoder, &budgetLineSchema, doc, &l); err != nil {
			return err
		}
		return p.restoreBudget(&l)
	case "retake":
		var l retakeLine
		if err := wire.DecodeDocument(&rd.decoder, &retakeLineSchema, doc, &l); err != nil {
			return err
		}
		return p.restoreRetake(&l)
	case "discards":
		var l discardLine
		if err := wire.DecodeDocument(&rd.decoder, &discardLineSchema, doc, &l); err != nil {
			return err
		}
		p.restoreDiscards(&l)
	case "senders":
		var l sendersLine
		if err := wire.DecodeDocument(&rd.decoder, &sendersLineSchema, doc, &l); err != nil {
			return err
		}
		return p.restoreSenders(&l)
	case "replaying":
		var l replayingLine
		if err := wire.DecodeDocument(&rd.decoder, &replayingLineSchema, doc, &l); err != nil {
			return err
		}
		return p.restoreReplaying(&l)
	case "replayround":
		var l roundLine
		if err := wire.DecodeDocument(&rd.decoder, &roundLineSchema, doc, &l); err != nil {
			return err
		}
		p.replays.crowded, p.replays.round, p.replays.putOff = bool(l.Crowded), uint8(l.Round), time.Duration(l.PutOff)
	default:
		return fmt.Errorf("unknown word; want log, rollout, record, quarantine, revocation, retired, enrolment, acts, hold, clock, host, replay, release, opening, offer, budget, senders, replaying, replayround, retake, given or discards")
	}
	return nil
}

func (rd *Restorer) readRollout(doc []byte) error {
	var l rolloutLine
	if err := wire.DecodeDocument(&rd.decoder, &rolloutLineSchema, doc, &l); err != nil {
		return err
	}
	if rd.plane.byID[l.ID] != nil {
		return fmt.Errorf("rollout %s stands twice", l.ID)
	}
	rd.rollout = &rolloutState{
		id: l.ID, openedAt: l.OpenedAt, serial: l.Serial, signed: bool(l.Signed), policy: l.Policy, wavesDispatched: int(l.WavesDispatched),
		supersededBy: l.SupersededBy, haltedBy: l.HaltedBy, held: bool(l.Held), gates: l.Gates, pins: sortedPins(l.Pins), unread: l.Unread,
		paused: l.Paused, aborted: l.Aborted,
	}
	rd.missing = int(l.Hosts)
	return nil
}

func (rd *Restorer) readRecord(doc []byte) error {
	if rd.missing == 0 {
		return fmt.Errorf("a record more than its rollout has")
	}
	var l recordLine
	if err := wire.DecodeDocument(&rd.decoder, &recordLineSchema, doc, &l); err != nil {
		return err
	}
	r := rd.rollout
	if l.Record.RolloutID != r.id || int(l.Record.Wave) >= len(r.policy.Waves) {
		return fmt.Errorf("the record of %s in %s, wave %d, does not belong to %s", l.Record.Hostname, l.Record.RolloutID, l.Record.Wave, r.id)
	}
	l.Record.RolloutID = r.id
	if l.Excused {
		if r.excused == nil {
			r.excused = make([]bool, len(r.records)+rd.missing)
		}
		r.excused[len(r.records)] = true
	}
	for _, mark := range []struct {
		set  wire.Flag
		list *[]bool
	}{{l.Offered, &r.offered}, {l.Idle, &r.idle}} {
		if mark.set {
			if *mark.list == nil {
				*mark.list = make([]bool, len(r.records)+rd.missing)
			}
			(*mark.list)[len(r.records)] = true
		}
	}
	r.records = append(r.records, l.Record)
	rd.missing--
	return nil
}

// finishRollout installs a rollout once all of its records are read.
func (rd *Restorer) finishRollout() {
	if rd.rollout == nil || rd.missing > 0 {
		return
	}
	rd.plane.install(rd.rollout)
	rd.rollout = nil
}
