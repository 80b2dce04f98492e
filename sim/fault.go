package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind uint8

// The kinds of faults.
const (
	// ReducerWedge: no input is stepped.
	ReducerWedge FaultKind = iota + 1
	// ReducerSlow: every step takes Each.
	ReducerSlow
	// ReplyDrop: the reducer lets go of inputs of Hosts without a reply,
	// before the step, or after it if After is set.
	ReplyDrop
	// GateCapacity: nothing but Each inputs' worth of the inbox is left; see
	// Size.
	GateCapacity
	// PlaneRestart: the plane is shut down in good order, drains for Each, and
	// comes up again after For.
	PlaneRestart
	// PlaneCrash: the plane's process dies and comes up again after For. With
	// Phase it dies around the next commit instead.
	PlaneCrash
	// PlaneWipe: the same, and its disk is lost.
	PlaneWipe
	// PlaneSuspend: the plane's machine is suspended.
	PlaneSuspend
	// PlaneClock: the plane's wall clock is set by Each, for good.
	PlaneClock
	// PlaneLate: the plane accepts connections and is not started.
	PlaneLate
	// DiskSlow: every commit takes Each more.
	DiskSlow
	// DiskFail: commits fail.
	DiskFail
	// NetDrop: Rate of a thousand messages are lost.
	NetDrop
	// NetDup: Rate of a thousand requests arrive twice.
	NetDup
	// NetDelay: every message takes Each more.
	NetDelay
	// NetReorder: every message takes up to Each more, so that they overtake
	// one another.
	NetReorder
	// NetPartition: nothing gets through in the direction Dir.
	NetPartition
	// NetReset: the connection is reset before the request is sent, or after
	// it was worked on if After is set.
	NetReset
	// AgentCrash: the agent's process dies and comes up again after For. With
	// After it dies at its next append to its log instead.
	AgentCrash
	// HostReboot: the host goes down and comes up again after For.
	HostReboot
	// AgentAmnesia: the agent loses its disk and starts again after For.
	AgentAmnesia
	// ClockSkew: the host's wall clock is off by Each.
	ClockSkew
	// ClockDrift: the host's wall clock gains Rate millionths, or loses them.
	ClockDrift
	// CertWrong: the host shows another host's certificate.
	CertWrong
	// ActivationFail, ActivationDefer and ActivationSlow: how the next
	// activations of the hosts end, or how much longer they take.
	ActivationFail
	ActivationDefer
	ActivationSlow
	// ProbeFail: the host's probes fail.
	ProbeFail

	faultKindEnd
)

// faultWords are the two words of each kind.
var faultWords = [faultKindEnd]string{
	ReducerWedge: "reducer wedge", ReducerSlow: "reducer slow", ReplyDrop: "reply drop",
	GateCapacity: "gate capacity", PlaneRestart: "plane restart", PlaneCrash: "plane crash",
	PlaneWipe: "plane wipe", PlaneSuspend: "plane suspend", PlaneClock: "plane clock", PlaneLate: "plane late",
	DiskSlow: "disk slow", DiskFail: "disk fail",
	NetDrop: "net drop", NetDup: "net dup", NetDelay: "net delay", NetReorder: "net reorder",
	NetPartition: "net partition", NetReset: "net reset",
	AgentCrash: "agent crash", HostReboot: "host reboot", AgentAmnesia: "agent amnesia",
	ClockSkew: "clock skew", ClockDrift: "clock drift", CertWrong: "cert wrong",
	ActivationFail: "activation fail", ActivationDefer: "activation defer", ActivationSlow: "activation slow",
	ProbeFail: "probe fail",
}

// String returns the kind's two words.
func (k FaultKind) String() string {
	if int(k) < len(faultWords) && faultWords[k] != "" {
		return faultWords[k]
	}
	return "?"
}

// FaultKinds lists every kind.
func FaultKinds() []FaultKind {
	var kinds []FaultKind
	for k := ReducerWedge; k < faultKindEnd; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// Dir is a direction on the network.
type Dir uint8

// The directions. The zero value is both.
const (
	Both Dir = iota
	Up       // from the host to the plane
	Down     // from the plane to the host
)

// Phase is where around a commit a crash comes.
type Phase uint8

// The phases. The zero value is at once, commit or not.
const (
	AtOnce Phase = iota
	// BeforeCommit: stepped, and nothing of it on the disk.
	BeforeCommit
	// InsideCommit: the transaction is torn, and so as good as not begun.
	InsideCommit
	// AfterCommit: durable, and nobody was told.
	AfterCommit
)

// Fault is one thing that goes wrong. Which fields a kind uses says its
// comment; the others are zero.
type Fault struct {
	// At is when it starts.
	At   time.Duration
	Kind FaultKind
	// Hosts are whom it hits, for kinds that hit hosts.
	Hosts Hosts
	// For is how long it is in force. A fault with Count alone is in force
	// until it is used up or the scenario is healed.
	For time.Duration
	// Count is how often it strikes; 0 means every time.
	Count int
	Each  time.Duration
	// Rate is of a thousand; of ClockDrift, of a million.
	Rate int
	// Size is the capacity that GateCapacity leaves.
	Size  int
	Dir   Dir
	Phase Phase
	After bool
}

// faultField is one word of a fault's text: key=value, or a key alone.
type faultField struct {
	key   string
	print func(*Fault) string
	parse func(*Fault, string) error
}

func durationField(key string, of func(*Fault) *time.Duration) faultField {
	return faultField{key,
		func(f *Fault) string {
			if *of(f) == 0 {
				return ""
			}
			return shortDuration(*of(f))
		},
		func(f *Fault, s string) (err error) {
			*of(f), err = time.ParseDuration(s)
			return err
		}}
}

func intField(key string, of func(*Fault) *int) faultField {
	return faultField{key,
		func(f *Fault) string {
			if *of(f) == 0 {
				return ""
			}
			return strconv.Itoa(*of(f))
		},
		func(f *Fault, s string) (err error) {
			*of(f), err = strconv.Atoi(s)
			return err
		}}
}

func wordField[E ~uint8](key string, words []string, of func(*Fault) *E) faultField {
	return faultField{key,
		func(f *Fault) string { return words[*of(f)] },
		func(f *Fault, s string) error {
			for i, w := range words {
				if w == s && i > 0 {
					*of(f) = E(i)
					return nil
				}
			}
			return fmt.Errorf("want one of %s", strings.Join(words[1:], ", "))
		}}
}

var faultFields = []faultField{
	{"host",
		func(f *Fault) string {
			if f.Hosts == (Hosts{}) {
				return ""
			}
			return f.Hosts.String()
		},
		func(f *Fault, s string) (err error) {
			f.Hosts, err = ParseHosts(s)
			return err
		}},
	durationField("for", func(f *Fault) *time.Duration { return &f.For }),
	intField("count", func(f *Fault) *int { return &f.Count }),
	durationField("each", func(f *Fault) *time.Duration { return &f.Each }),
	intField("rate", func(f *Fault) *int { return &f.Rate }),
	intField("size", func(f *Fault) *int { return &f.Size }),
	wordField("dir", []string{"", "up", "down"}, func(f *Fault) *Dir { return &f.Dir }),
	wordField("phase", []string{"", "before-commit", "inside-commit", "after-commit"}, func(f *Fault) *Phase { return &f.Phase }),
	{"after",
		func(f *Fault) string {
			if f.After {
				return "yes"
			}
			return ""
		},
		func(f *Fault, s string) error {
			if s != "yes" {
				return fmt.Errorf("want yes")
			}
			f.After = true
			return nil
		}},
}

// String writes the fault as a line that [ParseFault] reads:
// "at 2m reply drop host=h1 count=1".
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %s %s", shortDuration(f.At), f.Kind)
	for _, field := range faultFields {
		if v := field.print(&f); v != "" {
			fmt.Fprintf(&b, " %s=%s", field.key, v)
		}
	}
	return b.String()
}

// ParseFault reads a fault as [Fault.String] writes it. The error says which
// word is wrong and what would be right.
func ParseFault(line string) (Fault, error) {
	words := strings.Fields(line)
	if len(words) < 4 || words[0] != "at" {
		return Fault{}, fmt.Errorf("want at TIME KIND KIND [key=value …], for instance at 2m reply drop host=h1 count=1")
	}
	var f Fault
	var err error
	if f.At, err = time.ParseDuration(words[1]); err != nil {
		return Fault{}, fmt.Errorf("%q: want a duration, for instance 90s", words[1])
	}
	kind := words[2] + " " + words[3]
	for k, w := range faultWords {
		if w != "" && w == kind {
			f.Kind = FaultKind(k)
		}
	}
	if f.Kind == 0 {
		return Fault{}, fmt.Errorf("%q is no fault; want one of %s", kind, strings.Join(faultWords[1:], ", "))
	}
	for _, word := range words[4:] {
		if err := f.parseField(word); err != nil {
			return Fault{}, fmt.Errorf("%q: %w", word, err)
		}
	}
	return f, nil
}

func (f *Fault) parseField(word string) error {
	key, value, found := strings.Cut(word, "=")
	if !found {
		return fmt.Errorf("want key=value")
	}
	for _, field := range faultFields {
		if field.key == key {
			return field.parse(f, value)
		}
	}
	var keys []string
	for _, field := range faultFields {
		keys = append(keys, field.key)
	}
	return fmt.Errorf("unknown key; want one of %s", strings.Join(keys, ", "))
}

// ParseHosts reads h3, h1..h5 or *.
func ParseHosts(s string) (Hosts, error) {
	if s == "*" {
		return Hosts{}, nil
	}
	first, last, isRun := strings.Cut(s, "..")
	if !isRun {
		last = first
	}
	var h Hosts
	for _, end := range []struct {
		text string
		into *int
	}{{first, &h.First}, {last, &h.Last}} {
		digits, found := strings.CutPrefix(end.text, "h")
		n, err := strconv.Atoi(digits)
		if !found || err != nil || n < 1 {
			return Hosts{}, fmt.Errorf("want hosts such as h3, h1..h5 or *")
		}
		*end.into = n
	}
	if h.First > h.Last {
		return Hosts{}, fmt.Errorf("want the smaller number first")
	}
	return h, nil
}

// validate judges a fault in a fleet of so many hosts.
func (f *Fault) validate(hosts int) error {
	switch {
	case f.Kind == 0 || f.Kind >= faultKindEnd:
		return fmt.Errorf("no kind")
	case f.At < 0 || f.For < 0 || f.Count < 0:
		return fmt.Errorf("a time or count below zero")
	case f.Hosts.Last > hosts:
		return fmt.Errorf("the fleet has h1 to h%d", hosts)
	case f.Rate < 0 && f.Kind != ClockDrift || f.Rate > 1000 && f.Kind != ClockDrift:
		return fmt.Errorf("rate is %d; want 0 to 1000 of a thousand", f.Rate)
	case f.Kind == GateCapacity && f.Size < 1:
		return fmt.Errorf("size is %d; want at least 1", f.Size)
	}
	return nil
}

// shortDuration writes a duration without the zeros that String appends: 5m,
// not 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
