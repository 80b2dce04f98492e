package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Epoch is when a world begins, by every wall clock that is right, unless its
// scenario says otherwise.
var Epoch = wire.TimeOf(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))

// Start is what a plane has on its disk when a scenario begins, and what the
// clocks show: for instance a state that was recorded in production. The hosts
// run what the state says, and their agents know nothing: they learn what they
// were doing from the plane, as agents do that lost their logs (PROTOCOL A4).
type Start struct {
	// At is what every wall clock that is right shows at first. Unset means
	// [Epoch].
	At wire.Time
	// State has the lines of a plane's state, as [plane.Plane.AppendState]
	// writes them, of hosts that are named h1, h2 and so on. What is volatile
	// in it is lost, as by a restart, but for what the hosts run.
	State []string
}

// adopted is what a state says, apart from what the plane makes of it.
type adopted struct {
	rollouts    []adoptedRollout
	quarantined []wire.QuarantineEntry
	revoked     []wire.Revocation
	running     map[wire.Hostname]wire.Closure
	durable     []byte // the lines that a restart keeps
}

type adoptedRollout struct {
	ID              wire.RolloutID
	Policy          wire.Policy
	WavesDispatched wire.Count
	records         []adoptedRecord
}

type adoptedRecord struct {
	Record  rollout.Record
	Excused wire.Flag
}

type adoptedHost struct {
	Hostname wire.Hostname
	Closure  wire.Closure
}

var adoptedRolloutSchema = wire.Schema[adoptedRollout]{Fields: []wire.Field[adoptedRollout]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(r *adoptedRollout) wire.Value { return &r.ID }},
	{Name: "policy", Presence: wire.Required, Of: func(r *adoptedRollout) wire.Value {
		return wire.Nested[wire.Policy]{Doc: &r.Policy, Schema: &wire.PolicySchema}
	}},
	{Name: "waves_dispatched", Presence: wire.Required, Of: func(r *adoptedRollout) wire.Value { return &r.WavesDispatched }},
}}

var adoptedRecordSchema = wire.Schema[adoptedRecord]{Fields: []wire.Field[adoptedRecord]{
	{Name: "record", Presence: wire.Required, Of: func(r *adoptedRecord) wire.Value {
		return wire.Nested[rollout.Record]{Doc: &r.Record, Schema: &rollout.RecordSchema}
	}},
	{Name: "excused", Presence: wire.Optional, Of: func(r *adoptedRecord) wire.Value { return &r.Excused }},
}}

var adoptedHostSchema = wire.Schema[adoptedHost]{Fields: []wire.Field[adoptedHost]{
	{Name: "hostname", Presence: wire.Required, Of: func(h *adoptedHost) wire.Value { return &h.Hostname }},
	{Name: "closure", Presence: wire.Optional, Of: func(h *adoptedHost) wire.Value { return &h.Closure }},
}}

// read reads a state. The error names the line.
func (s *Start) read(cfg plane.Config) (*adopted, error) {
	if len(s.State) == 0 {
		return new(adopted), nil
	}
	text := []byte(strings.Join(s.State, "\n") + "\n")
	p, err := plane.Restore(cfg, text)
	if err != nil {
		return nil, err
	}
	a := &adopted{running: make(map[wire.Hostname]wire.Closure), durable: p.AppendDurable(nil)}
	var d wire.Decoder
	for i, line := range s.State {
		if err := a.line(&d, line); err != nil {
			return nil, fmt.Errorf("state line %d: %w", i+1, err)
		}
	}
	return a, nil
}

func (a *adopted) line(d *wire.Decoder, line string) error {
	word, doc, _ := strings.Cut(line, " ")
	switch word {
	case "rollout":
		a.rollouts = append(a.rollouts, adoptedRollout{})
		return wire.DecodeDocument(d, &adoptedRolloutSchema, []byte(doc), &a.rollouts[len(a.rollouts)-1])
	case "record":
		var r adoptedRecord
		if err := wire.DecodeDocument(d, &adoptedRecordSchema, []byte(doc), &r); err != nil {
			return err
		}
		of := &a.rollouts[len(a.rollouts)-1]
		of.records = append(of.records, r)
		if c := r.Record.CurrentClosure; c != "" {
			a.running[r.Record.Hostname] = c
		} else if _, known := a.running[r.Record.Hostname]; !known {
			a.running[r.Record.Hostname] = initialClosure
		}
	case "quarantine":
		a.quarantined = append(a.quarantined, wire.QuarantineEntry{})
		return wire.DecodeDocument(d, &wire.QuarantineEntrySchema, []byte(doc), &a.quarantined[len(a.quarantined)-1])
	case "revocation":
		a.revoked = append(a.revoked, wire.Revocation{})
		return wire.DecodeDocument(d, &wire.RevocationSchema, []byte(doc), &a.revoked[len(a.revoked)-1])
	case "host":
		var h adoptedHost
		if err := wire.DecodeDocument(d, &adoptedHostSchema, []byte(doc), &h); err != nil {
			return err
		}
		if h.Closure != "" {
			a.running[h.Hostname] = h.Closure
		}
	}
	return nil
}

// validate judges the start of a scenario.
func (s *Start) validate(of *Scenario) error {
	if len(s.State) == 0 {
		return nil
	}
	a, err := s.read(of.planeConfig())
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(a.running)) {
		if n, is := hostNumber(name); !is || n > of.Fleet.Hosts || name != HostName(n) {
			return fmt.Errorf("state: host %s; want hosts from h1 to h%d", name, of.Fleet.Hosts)
		}
	}
	for i := range of.Rollouts {
		for j := range a.rollouts {
			if of.Rollouts[i].ID == a.rollouts[j].ID {
				return fmt.Errorf("rollout %s: the state has it already; want another ID", of.Rollouts[i].ID)
			}
		}
	}
	return nil
}

// StartFrom makes a scenario that begins with the state of a plane at an
// instant of its wall clock. names are the names that the hosts h1, h2 and so
// on have in the state.
func StartFrom(p *plane.Plane, at wire.Time) (s Scenario, names []wire.Hostname, err error) {
	state := p.AppendState(nil)
	s = Scenario{Fleet: Fleet{Interval: p.Config().HeartbeatInterval}, Start: Start{At: at}}
	names, err = hostsOf(state)
	if err != nil {
		return s, nil, err
	}
	if s.Fleet.Hosts = len(names); s.Fleet.Hosts == 0 {
		return s, nil, fmt.Errorf("the state knows no host, so there is nothing to simulate")
	}
	// Records and hosts stand in the order of their names, so the new names are
	// given in that order too: of h1 to h12 the second is h10.
	given := make([]wire.Hostname, len(names))
	for i := range given {
		given[i] = HostName(i + 1)
	}
	slices.Sort(given)
	ordered := make([]wire.Hostname, len(names))
	replace := make([]string, 0, 6*len(names))
	for i, name := range names {
		n, _ := hostNumber(given[i])
		ordered[n-1] = name
		for _, member := range []string{"hostname", "halted_by"} {
			replace = append(replace, `"`+member+`":"`+string(name)+`"`, `"`+member+`":"`+string(given[i])+`"`)
		}
	}
	// A quotation mark within a text is escaped, so only members match.
	renamed := strings.NewReplacer(replace...).Replace(string(state))
	for line := range strings.Lines(renamed) {
		s.Start.State = append(s.Start.State, strings.TrimSuffix(line, "\n"))
	}
	filled := s.withDefaults()
	if err := filled.validate(); err != nil {
		return s, nil, err
	}
	return s, ordered, nil
}

// hostsOf lists the hosts that a state knows, by name.
func hostsOf(state []byte) ([]wire.Hostname, error) {
	var names []wire.Hostname
	var d wire.Decoder
	for line := range bytes.Lines(state) {
		word, doc, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if string(word) != "host" {
			continue // whoever has a record is a host of the plane
		}
		var h adoptedHost
		if err := wire.DecodeDocument(&d, &adoptedHostSchema, doc, &h); err != nil {
			return nil, err
		}
		names = append(names, h.Hostname)
	}
	slices.Sort(names)
	return names, nil
}

// adopt lets a ledger begin with what a state says.
func (l *ledger) adopt(a *adopted) {
	for i := range a.rollouts {
		r := &a.rollouts[i]
		channel := r.ID.Channel()
		o := &openedRollout{id: r.ID, channel: channel, manifest: wire.Manifest{
			Channel: channel, ChannelRef: wire.ChannelRef(string(r.ID)[len(channel)+1:]), Policy: r.Policy,
		}}
		for j := range r.records {
			rec := &r.records[j].Record
			c := &recordCopy{of: o, host: l.number(rec.Hostname), wave: int(rec.Wave), target: rec.TargetClosure, there: true}
			o.records = append(o.records, c)
			o.manifest.Hosts = append(o.manifest.Hosts, wire.ManifestHost{Hostname: rec.Hostname, Wave: rec.Wave, TargetClosure: rec.TargetClosure})
			if r.records[j].Excused {
				l.durable.excused[c] = true
			}
		}
		for wave := range int(r.WavesDispatched) {
			l.durable.turned[waveOf{r.ID, wave}] = true
		}
		l.durable.opened = append(l.durable.opened, o)
	}
	for _, q := range a.quarantined {
		l.durable.quarantined[closureOn{q.Channel, q.Closure}] = true
	}
	for _, r := range a.revoked {
		l.durable.revoked[r.CommonName] = r.RevokedBefore
	}
}

// adopt lets S1 begin with what a state says.
func (c *checkDurable) adopt(a *adopted) {
	for i := range a.rollouts {
		r := &a.rollouts[i]
		c.open[r.ID] = true
		for j := range r.records {
			rec := &r.records[j].Record
			key := recordKey{r.ID, rec.Hostname}
			c.disk[key] = rec.LastEventSeq
			c.soaking[key] = rec.State > wire.Deferred
		}
	}
}
