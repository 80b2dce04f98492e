package plane

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The state of a plane is written as lines: a word and a JSON document. Equal
// states give equal bytes; the lines are sorted, so that two states can be
// compared with a text tool.

// logLine is the place of the log.
type logLine struct{ Logged wire.Seq }

var logLineSchema = wire.Schema[logLine]{Fields: []wire.Field[logLine]{
	{Name: "logged", Presence: wire.Required, Of: func(l *logLine) wire.Value { return &l.Logged }},
}}

// rolloutLine is a rollout without its records.
type rolloutLine struct {
	ID              wire.RolloutID
	OpenedAt        wire.Time
	Policy          wire.Policy
	WavesDispatched wire.Count
	SupersededBy    wire.RolloutID
	HaltedBy        wire.Hostname
	Hosts           wire.Count
}

var rolloutLineSchema = wire.Schema[rolloutLine]{Fields: []wire.Field[rolloutLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *rolloutLine) wire.Value { return &l.ID }},
	{Name: "opened_at", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.OpenedAt }},
	{Name: "policy", Presence: wire.Required, Of: func(l *rolloutLine) wire.Value {
		return wire.Nested[wire.Policy]{Doc: &l.Policy, Schema: &wire.PolicySchema}
	}},
	{Name: "waves_dispatched", Presence: wire.Required, Of: func(l *rolloutLine) wire.Value { return &l.WavesDispatched }},
	{Name: "superseded_by", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.SupersededBy }},
	{Name: "halted_by", Presence: wire.Optional, Of: func(l *rolloutLine) wire.Value { return &l.HaltedBy }},
	{Name: "hosts", Presence: wire.Required, Of: func(l *rolloutLine) wire.Value { return &l.Hosts }},
}}

// recordLine is a record of the rollout whose line came last.
type recordLine struct {
	Record  rollout.Record
	Excused wire.Flag
}

var recordLineSchema = wire.Schema[recordLine]{Fields: []wire.Field[recordLine]{
	{Name: "record", Presence: wire.Required, Of: func(l *recordLine) wire.Value {
		return wire.Nested[rollout.Record]{Doc: &l.Record, Schema: &rollout.RecordSchema}
	}},
	{Name: "excused", Presence: wire.Optional, Of: func(l *recordLine) wire.Value { return &l.Excused }},
}}

// clockLine is the plane's clocks and what it suspects.
type clockLine struct {
	Mono, Impaired, LastTick, Credited, QuietUntil, JudgeAt wire.Nanos
	Wall                                                    wire.Time
	Suspecting                                              wire.Flag
}

var clockLineSchema = wire.Schema[clockLine]{Fields: []wire.Field[clockLine]{
	{Name: "mono", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.Mono }},
	{Name: "wall", Presence: wire.Optional, Of: func(l *clockLine) wire.Value { return &l.Wall }},
	{Name: "impaired", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.Impaired }},
	{Name: "last_tick", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.LastTick }},
	{Name: "credited", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.Credited }},
	{Name: "quiet_until", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.QuietUntil }},
	{Name: "judge_at", Presence: wire.Required, Of: func(l *clockLine) wire.Value { return &l.JudgeAt }},
	{Name: "suspecting", Presence: wire.Optional, Of: func(l *clockLine) wire.Value { return &l.Suspecting }},
}}

// hostLine is a host's volatile state.
type hostLine struct {
	Hostname        wire.Hostname
	LastHeartbeatAt wire.Time
	Closure         wire.Closure
	Heard           wire.Nanos
	Gone            wire.Flag
}

var hostLineSchema = wire.Schema[hostLine]{Fields: []wire.Field[hostLine]{
	{Name: "hostname", Presence: wire.Required, Of: func(l *hostLine) wire.Value { return &l.Hostname }},
	{Name: "last_heartbeat_at", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.LastHeartbeatAt }},
	{Name: "closure", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.Closure }},
	{Name: "heard", Presence: wire.Required, Of: func(l *hostLine) wire.Value { return &l.Heard }},
	{Name: "gone", Presence: wire.Optional, Of: func(l *hostLine) wire.Value { return &l.Gone }},
}}

func appendLine[T any](dst []byte, word string, s *wire.Schema[T], doc *T) []byte {
	return append(appendWord(dst, word, s, doc), '\n')
}

// AppendDurable appends the canonical bytes of the durable state: what a walk
// over the log gives again. Hosts are in it by their records only.
func (p *Plane) AppendDurable(dst []byte) []byte {
	dst = appendLine(dst, "log", &logLineSchema, &logLine{p.logged})
	for _, r := range p.rollouts {
		dst = appendLine(dst, "rollout", &rolloutLineSchema, &rolloutLine{
			ID: r.id, OpenedAt: r.openedAt, Policy: r.policy, WavesDispatched: wire.Count(r.wavesDispatched),
			SupersededBy: r.supersededBy, HaltedBy: r.haltedBy, Hosts: wire.Count(len(r.records)),
		})
		for i := range r.records {
			dst = appendLine(dst, "record", &recordLineSchema, &recordLine{r.records[i], wire.Flag(r.isExcused(i))})
		}
	}
	for _, key := range p.quarantineKeys() {
		entry := p.quarantine[key]
		dst = appendLine(dst, "quarantine", &wire.QuarantineEntrySchema, &entry)
	}
	for _, name := range slices.Sorted(maps.Keys(p.revocations)) {
		dst = appendLine(dst, "revocation", &wire.RevocationSchema, &wire.Revocation{CommonName: name, RevokedBefore: p.revocations[name]})
	}
	return dst
}

// AppendState appends the canonical bytes of the whole state, liveness
// included. It is also the snapshot that [Restore] reads.
func (p *Plane) AppendState(dst []byte) []byte {
	dst = p.AppendDurable(dst)
	l := &p.liveness
	dst = appendLine(dst, "clock", &clockLineSchema, &clockLine{
		Mono: wire.Nanos(p.last.Mono), Wall: p.last.Wall, Impaired: wire.Nanos(l.impaired),
		LastTick: wire.Nanos(l.lastTick), Credited: wire.Nanos(l.credited), QuietUntil: wire.Nanos(l.quietUntil),
		JudgeAt: wire.Nanos(l.judgeAt), Suspecting: wire.Flag(l.suspecting),
	})
	for _, i := range p.hostsByName() {
		h, v := &p.table.hosts[i], &p.table.vitals[i]
		dst = appendLine(dst, "host", &hostLineSchema, &hostLine{
			Hostname: h.name, LastHeartbeatAt: v.lastHeartbeatAt, Closure: h.closure,
			Heard: wire.Nanos(v.heard), Gone: wire.Flag(v.gone),
		})
	}
	return dst
}

// Restore makes the plane whose [Plane.AppendState] gave state: it goes on as
// that one would. A state from [Plane.AppendDurable] is read as well; the
// hosts are then those that have a record, heard just now. The error names the
// line at fault.
func Restore(cfg Config, state []byte) (*Plane, error) {
	p, err := New(cfg)
	if err != nil {
		return nil, err
	}
	rd := reader{plane: p}
	number := 0
	for line := range bytes.Lines(state) {
		number++
		word, doc, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if err := rd.line(string(word), doc); err != nil {
			return nil, fmt.Errorf("state line %d (%s): %w", number, word, err)
		}
	}
	rd.finishRollout()
	if rd.missing > 0 {
		return nil, fmt.Errorf("state line %d: %d records of %s are missing", number, rd.missing, rd.rollout.id)
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return p, nil
}

// reader builds a plane from the lines of a state.
type reader struct {
	plane   *Plane
	decoder wire.Decoder
	rollout *rolloutState // whose records are being read
	missing int           // records still to come
}

func (rd *reader) line(word string, doc []byte) error {
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
	case "clock":
		var c clockLine
		if err := wire.DecodeDocument(&rd.decoder, &clockLineSchema, doc, &c); err != nil {
			return err
		}
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
		v.lastHeartbeatAt, v.heard, v.gone = h.LastHeartbeatAt, time.Duration(h.Heard), bool(h.Gone)
		if h.Closure != "" {
			v.closurePrint = fingerprint(string(h.Closure))
			p.table.hosts[i].closure = p.table.hosts[i].intern(h.Closure)
		}
		if h.Gone {
			p.stats.HostsUnreachable++
		}
	default:
		return fmt.Errorf("unknown word; want log, rollout, record, quarantine, revocation, clock or host")
	}
	return nil
}

func (rd *reader) readRollout(doc []byte) error {
	var l rolloutLine
	if err := wire.DecodeDocument(&rd.decoder, &rolloutLineSchema, doc, &l); err != nil {
		return err
	}
	if rd.plane.byID[l.ID] != nil {
		return fmt.Errorf("rollout %s stands twice", l.ID)
	}
	rd.rollout = &rolloutState{
		id: l.ID, openedAt: l.OpenedAt, policy: l.Policy, wavesDispatched: int(l.WavesDispatched),
		supersededBy: l.SupersededBy, haltedBy: l.HaltedBy,
	}
	rd.missing = int(l.Hosts)
	return nil
}

func (rd *reader) readRecord(doc []byte) error {
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
	r.records = append(r.records, l.Record)
	rd.missing--
	return nil
}

// finishRollout installs a rollout once all of its records are read.
func (rd *reader) finishRollout() {
	if rd.rollout == nil || rd.missing > 0 {
		return
	}
	rd.plane.install(rd.rollout)
	rd.rollout = nil
}

// Clone returns an independent plane in the same state.
func (p *Plane) Clone() (*Plane, error) { return Restore(p.cfg, p.AppendState(nil)) }
