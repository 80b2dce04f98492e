package rollout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// MaxProbes bounds the probes of one record. An event that would go beyond is
// Rejected, so that a hostile host cannot grow a plane without bound.
const MaxProbes = 1024

// Probe is what is known of one probe since the activation (PROTOCOL E). All
// instants are the agent's.
type Probe struct {
	Name wire.Name
	// FirstObservedAt is when the probe ran for the first time, if the agent
	// said so.
	FirstObservedAt wire.Time
	// LastObservedAt is the instant of the last result; unset before the first.
	LastObservedAt wire.Time
	// FirstFailedAt is since when the probe has been failing, if the agent said
	// so; a pass unsets it (A7).
	FirstFailedAt wire.Time
	// Mode is the one reported last.
	Mode wire.Mode
	// Status is the last result; unset before the first.
	Status wire.ProbeStatus
}

// Passes reports whether the probe's last result is a pass. A probe that never
// ran does not pass.
func (p *Probe) Passes() bool { return p.Status == wire.Pass }

// FailingProbes returns the enforce-mode probes that do not pass, sorted by
// name; nil if there is none. One that was declared and never ran is among
// them. They are what holds back a Converged (PROTOCOL E1).
func (r *Record) FailingProbes() wire.Names {
	var names wire.Names
	for i := range r.Probes {
		if p := &r.Probes[i]; p.Mode == wire.Enforce && !p.Passes() {
			names = append(names, p.Name)
		}
	}
	return names
}

// failedProbes is FailingProbes without those that have not run.
func (r *Record) failedProbes() wire.Names {
	var names wire.Names
	for i := range r.Probes {
		if p := &r.Probes[i]; p.Mode == wire.Enforce && p.Status == wire.Fail {
			names = append(names, p.Name)
		}
	}
	return names
}

func (p *Probe) observedFirst(at wire.Time) {
	if !p.FirstObservedAt.IsSet() {
		p.FirstObservedAt = at
	}
}

func (p *Probe) result(status wire.ProbeStatus, at wire.Time) {
	p.Status = status
	p.LastObservedAt = at
	if p.Passes() {
		p.FirstFailedAt = wire.Time{}
	}
}

// failedFirst stamps once per failure. A probe that passes by its last result
// is not failing, and an instant reported late is not kept.
func (p *Probe) failedFirst(at wire.Time) {
	if !p.Passes() && !p.FirstFailedAt.IsSet() {
		p.FirstFailedAt = at
	}
}

// find returns where a probe is, or where it would be.
func find(probes []Probe, name wire.Name) (int, bool) {
	return slices.BinarySearchFunc(probes, name, func(p Probe, name wire.Name) int {
		return strings.Compare(string(p.Name), string(name))
	})
}

// probe returns the probe of that name, with the mode reported last. One that
// was never declared is added: the agent knows its host's probes.
func (r *Record) probe(name wire.Name, mode wire.Mode) *Probe {
	i, known := find(r.Probes, name)
	if !known {
		r.Probes = slices.Insert(r.Probes, i, Probe{Name: name})
	}
	p := &r.Probes[i]
	p.Mode = mode
	return p
}

// declare replaces the set of probes. What is known of a probe of the new set is
// kept; a probe that is not in it no longer runs and is dropped, or its last
// result would count for ever. Of a name given twice the later one counts.
func (r *Record) declare(declared []wire.ProbeDeclaration) {
	set := make([]Probe, len(declared))
	for i, d := range declared {
		set[i].Name = d.ProbeName
		if j, known := find(r.Probes, d.ProbeName); known {
			set[i] = r.Probes[j]
		}
		set[i].Mode = d.Mode
	}
	slices.SortStableFunc(set, func(a, b Probe) int { return strings.Compare(string(a.Name), string(b.Name)) })
	kept := set[:0]
	for i := range set {
		if i+1 == len(set) || set[i+1].Name != set[i].Name {
			kept = append(kept, set[i])
		}
	}
	r.Probes = kept
	if len(kept) == 0 {
		r.Probes = nil // an empty set and no set are the same, and have one form
	}
}

// tooManyProbes says why an event would go beyond [MaxProbes]; empty if it does
// not.
func (r *Record) tooManyProbes(body wire.EventBody) string {
	var name wire.Name
	switch b := body.(type) {
	case wire.ProbeTopologyDeclared:
		if len(b.Probes) > MaxProbes {
			return fmt.Sprintf("ProbeTopologyDeclared has %d probes; want at most %d", len(b.Probes), MaxProbes)
		}
		return ""
	case wire.ProbeObservedFirst:
		name = b.ProbeName
	case wire.ProbeResult:
		name = b.ProbeName
	case wire.ProbeFailureFirst:
		name = b.ProbeName
	default:
		return ""
	}
	if len(r.Probes) < MaxProbes {
		return ""
	}
	if _, known := find(r.Probes, name); known {
		return ""
	}
	return fmt.Sprintf("%s is about one probe more than the %d that a record may have; want one of those, or a new ProbeTopologyDeclared", body.Kind(), MaxProbes)
}
