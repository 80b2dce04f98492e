package scenario

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

// State is the parsed state of a [Start], as those need it who do not ask the
// plane.
type State struct {
	Rollouts    []StateRollout
	Quarantined []wire.QuarantineEntry
	Revoked     []wire.Revocation
	// Running is what each host runs.
	Running map[wire.Hostname]wire.Closure
	// Holds are what operators have said of hosts (PROTOCOL O5, O6).
	Holds []StateHold
	// Durable has the lines that a restart of the plane keeps.
	Durable []byte
}

// StateRollout is a rollout of a state, with its records.
type StateRollout struct {
	ID              wire.RolloutID
	Policy          wire.Policy
	WavesDispatched wire.Count
	Serial          wire.Serial
	SupersededBy    wire.RolloutID
	Held            wire.Flag
	Paused, Aborted wire.Mark
	Signed          wire.Flag
	Gates           wire.Gates
	Records         []StateRecord
}

// StateRecord is a record of a state.
type StateRecord struct {
	Record  rollout.Record
	Excused wire.Flag
	Offered wire.Flag
	Idle    wire.Flag
}

// StateHold is what operators have said of a host.
type StateHold struct {
	Hostname wire.Hostname
	Hold     plane.Hold
}

var stateHoldSchema = wire.Schema[StateHold]{Fields: []wire.Field[StateHold]{
	{Name: "hostname", Presence: wire.Required, Of: func(h *StateHold) wire.Value { return &h.Hostname }},
	{Name: "hold", Presence: wire.Required, Of: func(h *StateHold) wire.Value { return &h.Hold }},
}}

type stateHost struct {
	Hostname wire.Hostname
	Closure  wire.Closure
}

var stateRolloutSchema = wire.Schema[StateRollout]{Fields: []wire.Field[StateRollout]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(r *StateRollout) wire.Value { return &r.ID }},
	{Name: "policy", Presence: wire.Required, Of: func(r *StateRollout) wire.Value {
		return wire.Nested[wire.Policy]{Doc: &r.Policy, Schema: &wire.PolicySchema}
	}},
	{Name: "waves_dispatched", Presence: wire.Required, Of: func(r *StateRollout) wire.Value { return &r.WavesDispatched }},
	{Name: "serial", Presence: wire.Optional, Of: func(r *StateRollout) wire.Value { return &r.Serial }},
	{Name: "superseded_by", Presence: wire.Optional, Of: func(r *StateRollout) wire.Value { return &r.SupersededBy }},
	{Name: "held", Presence: wire.Optional, Of: func(r *StateRollout) wire.Value { return &r.Held }},
	{Name: "paused", Presence: wire.Optional, Of: func(r *StateRollout) wire.Value { return &r.Paused }},
	{Name: "aborted", Presence: wire.Optional, Of: func(r *StateRollout) wire.Value { return &r.Aborted }},
	{Name: "signed", Presence: wire.Optional, Of: func(r *StateRollout) wire.Value { return &r.Signed }},
	{Name: "gates", Presence: wire.Optional, Of: func(r *StateRollout) wire.Value { return &r.Gates }},
}}

var stateRecordSchema = wire.Schema[StateRecord]{Fields: []wire.Field[StateRecord]{
	{Name: "record", Presence: wire.Required, Of: func(r *StateRecord) wire.Value {
		return wire.Nested[rollout.Record]{Doc: &r.Record, Schema: &rollout.RecordSchema}
	}},
	{Name: "excused", Presence: wire.Optional, Of: func(r *StateRecord) wire.Value { return &r.Excused }},
	{Name: "offered", Presence: wire.Optional, Of: func(r *StateRecord) wire.Value { return &r.Offered }},
	{Name: "idle", Presence: wire.Optional, Of: func(r *StateRecord) wire.Value { return &r.Idle }},
}}

var stateHostSchema = wire.Schema[stateHost]{Fields: []wire.Field[stateHost]{
	{Name: "hostname", Presence: wire.Required, Of: func(h *stateHost) wire.Value { return &h.Hostname }},
	{Name: "closure", Presence: wire.Optional, Of: func(h *stateHost) wire.Value { return &h.Closure }},
}}

// stateOpening is an opening that is under way.
type stateOpening struct{ Hosts []stateHost }

var stateOpeningSchema = wire.Schema[stateOpening]{Fields: []wire.Field[stateOpening]{
	{Name: "hosts", Presence: wire.Required, Of: func(o *stateOpening) wire.Value {
		return wire.List[stateHost]{Items: &o.Hosts, Schema: &stateHostSchema}
	}},
}}

// Read parses the state, which is empty if there is none. The error names the
// line.
func (s *Start) Read(cfg plane.Config) (*State, error) {
	if len(s.State) == 0 {
		return new(State), nil
	}
	text := []byte(strings.Join(s.State, "\n") + "\n")
	p, err := plane.Restore(cfg, text)
	if err != nil {
		return nil, err
	}
	a := &State{Running: make(map[wire.Hostname]wire.Closure), Durable: p.AppendDurable(nil)}
	var d wire.Decoder
	for i, line := range s.State {
		if err := a.line(&d, line); err != nil {
			return nil, fmt.Errorf("state line %d: %w", i+1, err)
		}
	}
	return a, nil
}

func (a *State) line(d *wire.Decoder, line string) error {
	word, doc, _ := strings.Cut(line, " ")
	switch word {
	case "rollout":
		a.Rollouts = append(a.Rollouts, StateRollout{})
		return wire.DecodeDocument(d, &stateRolloutSchema, []byte(doc), &a.Rollouts[len(a.Rollouts)-1])
	case "record":
		var r StateRecord
		if err := wire.DecodeDocument(d, &stateRecordSchema, []byte(doc), &r); err != nil {
			return err
		}
		of := &a.Rollouts[len(a.Rollouts)-1]
		of.Records = append(of.Records, r)
		if c := r.Record.CurrentClosure; c != "" {
			a.Running[r.Record.Hostname] = c
		} else if _, known := a.Running[r.Record.Hostname]; !known {
			a.Running[r.Record.Hostname] = InitialClosure
		}
	case "quarantine":
		a.Quarantined = append(a.Quarantined, wire.QuarantineEntry{})
		return wire.DecodeDocument(d, &wire.QuarantineEntrySchema, []byte(doc), &a.Quarantined[len(a.Quarantined)-1])
	case "revocation":
		a.Revoked = append(a.Revoked, wire.Revocation{})
		return wire.DecodeDocument(d, &wire.RevocationSchema, []byte(doc), &a.Revoked[len(a.Revoked)-1])
	case "hold":
		a.Holds = append(a.Holds, StateHold{})
		return wire.DecodeDocument(d, &stateHoldSchema, []byte(doc), &a.Holds[len(a.Holds)-1])
	case "host":
		var h stateHost
		if err := wire.DecodeDocument(d, &stateHostSchema, []byte(doc), &h); err != nil {
			return err
		}
		if h.Closure != "" {
			a.Running[h.Hostname] = h.Closure
		}
	}
	return nil
}

// validate judges the start of a scenario; a is its state.
func (s *Start) validate(of *Scenario, a *State) error {
	for _, name := range slices.Sorted(maps.Keys(a.Running)) {
		if n, is := HostNumber(name); !is || n > of.Fleet.Hosts || name != HostName(n) {
			return fmt.Errorf("state: host %s; want hosts from h1 to h%d", name, of.Fleet.Hosts)
		}
	}
	for i := range of.Rollouts {
		for j := range a.Rollouts {
			if of.Rollouts[i].ID == a.Rollouts[j].ID {
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
	renamed := make(map[wire.Hostname]wire.Hostname, len(names))
	for i, name := range names {
		n, _ := HostNumber(given[i])
		renamed[name] = given[i]
		ordered[n-1] = name
		for _, member := range []string{"hostname", "halted_by"} {
			replace = append(replace, `"`+member+`":"`+string(name)+`"`, `"`+member+`":"`+string(given[i])+`"`)
		}
	}
	// A quotation mark within a text is escaped, so only members match.
	text := strings.NewReplacer(replace...).Replace(string(state))
	for line := range strings.Lines(text) {
		s.Start.State = append(s.Start.State, renameGates(strings.TrimSuffix(line, "\n"), renamed))
	}
	filled := s.Filled()
	if err := filled.Validate(); err != nil {
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
		switch string(word) { // whoever has a record is a host of the plane
		case "host":
			var h stateHost
			if err := wire.DecodeDocument(&d, &stateHostSchema, doc, &h); err != nil {
				return nil, err
			}
			names = append(names, h.Hostname)
		case "opening": // the plane does not know all of its hosts yet
			var o stateOpening
			if err := wire.DecodeDocument(&d, &stateOpeningSchema, doc, &o); err != nil {
				return nil, err
			}
			for _, h := range o.Hosts {
				names = append(names, h.Hostname)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
