package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// faultForm is how a fault of a kind is written: two words, then fields.
type faultForm struct {
	words string
	// needs are the fields that it has to have; takes are those that it may
	// have besides.
	needs, takes []string
	about        string // for docs/scenarios.md
}

func fields(keys ...string) []string { return keys }

var faultForms = [faultKindEnd]faultForm{
	ReducerWedge: {"reducer wedge", nil, fields("for"),
		"no input is stepped"},
	ReducerSlow: {"reducer slow", fields("each"), fields("for"),
		"every step takes each more"},
	ReplyDrop: {"reply drop", nil, fields("host", "route", "for", "count", "after"),
		"the reducer lets go of inputs without a reply: before the step, or after it with after=yes"},
	GateCapacity: {"gate capacity", fields("size"), fields("for"),
		"the inbox has this size; the plane is started again when that begins and when it ends"},
	PlaneRestart: {"plane restart", nil, fields("for", "each"),
		"at an instant: the plane is shut down in good order, has each to work off what is inside, and comes up again after for"},
	PlaneCrash: {"plane crash", nil, fields("for", "phase"),
		"at an instant, or around the next commit with phase: the plane's process dies, and comes up again after for"},
	PlaneWipe: {"plane wipe", nil, fields("for", "phase"),
		"a plane crash, and the plane's disk is lost"},
	PlaneSuspend: {"plane suspend", nil, fields("for"),
		"the plane's machine is suspended"},
	PlaneClock: {"plane clock", fields("each"), nil,
		"at an instant: the plane's wall clock is moved by each, for good"},
	PlaneLate: {"plane late", fields("for"), nil,
		"the plane is started again, and takes for to load its log"},
	DiskSlow: {"disk slow", fields("each"), fields("for"),
		"every commit takes each more"},
	DiskFail: {"disk fail", nil, fields("for", "count", "after"),
		"commits fail: count of them, or without count all of them, and the disk cannot be read either; with after=yes their entries are on the disk all the same"},
	NetDrop: {"net drop", fields("rate"), fields("host", "route", "for"),
		"rate of a thousand messages are lost"},
	NetDup: {"net dup", fields("rate"), fields("host", "route", "for"),
		"rate of a thousand requests arrive twice"},
	NetDelay: {"net delay", fields("each"), fields("host", "route", "for"),
		"every message takes each more"},
	NetReorder: {"net reorder", fields("each"), fields("host", "route", "for"),
		"every message takes up to each more, so that they overtake one another"},
	NetPartition: {"net partition", nil, fields("host", "route", "for", "dir"),
		"nothing gets through; with dir nothing that goes up to the plane, or down to the host"},
	NetReset: {"net reset", nil, fields("host", "route", "for", "count", "after"),
		"connections are reset before the request is sent, or after it was worked on with after=yes"},
	AgentCrash: {"agent crash", nil, fields("host", "for", "after"),
		"at an instant, or at the next append with after=yes: the agents' processes die, and come up again after for"},
	HostReboot: {"host reboot", nil, fields("host", "for"),
		"at an instant: the hosts go down, and come up again after for; what was deferred takes effect"},
	AgentAmnesia: {"agent amnesia", nil, fields("host", "for"),
		"at an instant: the agents lose their disks, and start again after for"},
	ClockSkew: {"clock skew", fields("each"), fields("host", "for"),
		"the wall clocks of the hosts are off by each"},
	ClockDrift: {"clock drift", fields("rate"), fields("host", "for"),
		"the wall clocks of the hosts gain rate millionths, or lose them"},
	CertWrong: {"cert wrong", nil, fields("host", "route", "for", "count"),
		"requests come with the certificate of the next host"},
	ActivationFail: {"activation fail", nil, fields("host", "for", "count"),
		"activations fail"},
	ActivationDefer: {"activation defer", nil, fields("host", "for", "count"),
		"activations are deferred to the next boot"},
	ActivationSlow: {"activation slow", fields("each"), fields("host", "for"),
		"activations and rollbacks take each more"},
	ProbeFail: {"probe fail", nil, fields("host", "for"),
		"the probes fail"},
}

// Form returns how a fault of the kind is written, with what it need not have
// in brackets: "disk slow [for=30s] each=200ms".
func (k FaultKind) Form() string {
	if k == 0 || k >= faultKindEnd {
		return "?"
	}
	form := &faultForms[k]
	words := []string{form.words}
	for _, f := range faultFields {
		switch {
		case slices.Contains(form.needs, f.key):
			words = append(words, f.key+"="+f.example)
		case slices.Contains(form.takes, f.key):
			words = append(words, "["+f.key+"="+f.example+"]")
		}
	}
	return strings.Join(words, " ")
}

// The bounds of the times of a fault. A run is no longer than its hosts'
// patience; a clock may be as far off as somebody sets it.
const (
	longest  = 366 * 24 * time.Hour
	farthest = 100 * longest
)

// check judges a fault by itself.
func (f *Fault) check() error {
	if f.Kind == 0 || f.Kind >= faultKindEnd {
		return fmt.Errorf("kind is %d; want one of %s", f.Kind, kindWords())
	}
	if f.At < 0 || f.At > longest {
		return fmt.Errorf("at is %v; want 0s to %v", f.At, longest)
	}
	form := &faultForms[f.Kind]
	for _, field := range faultFields {
		given := field.print(f) != ""
		needed := slices.Contains(form.needs, field.key)
		switch {
		case given && !needed && !slices.Contains(form.takes, field.key):
			return &keyError{field.key, fmt.Errorf("%s has no %s; it is written %s", f.Kind, field.key, f.Kind.Form())}
		case !given && needed:
			return fmt.Errorf("%s needs %s; it is written %s", f.Kind, field.key, f.Kind.Form())
		case given:
			if err := field.check(f); err != nil {
				return &keyError{field.key, fmt.Errorf("%s is %s; %w", field.key, field.print(f), err)}
			}
		}
	}
	return nil
}

// validate judges a fault in a scenario.
func (f *Fault) validate(s *Scenario) error {
	if err := f.check(); err != nil {
		return err
	}
	switch {
	case f.Hosts.Last > s.Fleet.Hosts:
		return &keyError{"host", fmt.Errorf("host is %v; the fleet has h1 to h%d", f.Hosts, s.Fleet.Hosts)}
	case f.Kind == CertWrong && s.Fleet.Hosts < 2:
		return fmt.Errorf("the fleet has no other host whose certificate could be shown")
	case f.At > s.Active, f.At == s.Active && !f.Kind.Instant():
		return fmt.Errorf("it never strikes: the scenario is healed at %s; want it to begin before, or an active that ends later", shortDuration(s.Active))
	}
	return nil
}

func kindWords() string { return strings.Join(kindTexts(), ", ") }

func kindTexts() []string {
	var words []string
	for _, k := range FaultKinds() {
		words = append(words, k.String())
	}
	return words
}

// keys are those that a fault of the kind may have.
func (k FaultKind) keys() []string {
	return append(slices.Clone(faultForms[k].needs), faultForms[k].takes...)
}
