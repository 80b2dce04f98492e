package scenario

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/random"
)

// FaultKind is what goes wrong. Most kinds are in force for a time; some
// happen at an instant, and say so.
//
// A kind is a constant, a row of faultForms, and what the world does about it.
type FaultKind uint8

// The kinds of faults, and the fields that they use besides At.
const (
	// ReducerWedge: no input is stepped. For.
	ReducerWedge FaultKind = iota + 1
	// ReducerSlow: every step takes Each more. For.
	ReducerSlow
	// ReplyDrop: the reducer drops inputs from Hosts on Route without a
	// reply, before the step, or after it if After is set. Count, For.
	ReplyDrop
	// GateCapacity: the plane's inbox has Size. The plane is started again when
	// that begins and when it ends. For.
	GateCapacity
	// PlaneRestart happens at an instant: the plane is shut down in good order,
	// drains for Each, and comes up again after For.
	PlaneRestart
	// PlaneCrash happens at an instant: the plane's process dies and comes up
	// again after For. With Phase it dies around the next commit instead.
	PlaneCrash
	// PlaneWipe is a PlaneCrash, and the plane's disk is lost.
	PlaneWipe
	// PlaneRestore happens at an instant: the plane's process dies, its disk is put
	// back to what was durable Back ago, and it comes up again after For. A Back that
	// reaches before the start of the run is what the disk had then.
	PlaneRestore
	// PlaneSuspend: the plane's machine is suspended. For.
	PlaneSuspend
	// PlaneClock happens at an instant: the plane's wall clock is moved by
	// Each, for good.
	PlaneClock
	// PlaneLate: the plane is started again, and takes For to load its log.
	PlaneLate
	// DiskSlow: every commit takes Each more. For.
	DiskSlow
	// DiskFail: commits fail, with Count so many; with After their entries are on
	// the disk all the same, with Unreadable the disk cannot be read either. For.
	DiskFail
	// DiskScarce: less of the disk is free than the reserve. For.
	DiskScarce
	// NetDrop: Rate of a thousand messages from and to Hosts are lost. Route,
	// For.
	NetDrop
	// NetDup: Rate of a thousand requests of Hosts arrive twice. Route, For.
	NetDup
	// NetDelay: every message from and to Hosts takes Each more. Route, For.
	NetDelay
	// NetReorder: every message from and to Hosts takes up to Each more, so
	// that they overtake one another. Route, For.
	NetReorder
	// NetPartition: nothing gets through between Hosts and the plane; with Dir,
	// nothing that goes that way. Route, For.
	NetPartition
	// NetReset: the connections of requests of Hosts are reset before they are
	// sent, or after they were worked on if After is set. Route, Count, For.
	NetReset
	// NetRoam: heartbeats of Hosts leave by two addresses in turn. For.
	NetRoam
	// AgentCrash happens at an instant: the agents' processes on Hosts die and
	// come up again after For. With After they die at their next append to
	// their logs instead.
	AgentCrash
	// HostReboot happens at an instant: Hosts go down and come up again after
	// For.
	HostReboot
	// HostSuspend: Hosts are suspended; their monotonic clocks stand. For.
	HostSuspend
	// AgentAmnesia happens at an instant: the agents on Hosts lose their disks
	// and start again after For.
	AgentAmnesia
	// AgentDisk: the disks of Hosts are full, so the agents' logs take no append, and
	// none can be opened; with After the lines that failed are on the disk all the
	// same. Count, For.
	AgentDisk
	// AgentCompact happens at an instant: the agents on Hosts write their logs anew, and
	// their processes die in it and come up again after For. The old log is there then,
	// with After the new one.
	AgentCompact
	// ClockSkew: the wall clocks of Hosts are off by Each. For.
	ClockSkew
	// ClockDrift: the wall clocks of Hosts gain Rate millionths, or lose them.
	// For.
	ClockDrift
	// CertWrong: Hosts send requests with the certificate of the next host.
	// Route, Count, For.
	CertWrong
	// CertExpire: the certificates of Hosts expire when it begins, and new ones are
	// issued when it ends. For.
	CertExpire
	// CertUntrust: the plane ceases to trust the CA that the certificates of Hosts are
	// of, and they are given some of the new CA when it ends. For.
	CertUntrust
	// ActivationFail and ActivationDefer: activations on Hosts fail, or are
	// deferred to the next boot. Count, For.
	ActivationFail
	ActivationDefer
	// ActivationSlow: activations and rollbacks on Hosts take Each more. For.
	ActivationSlow
	// ProbeFail: the probes of Hosts fail. For.
	ProbeFail

	// FaultKindCount is one more than the last kind.
	FaultKindCount
)

// faultForm is everything that the language knows of a kind of fault.
type faultForm struct {
	// words are the two that it is written with.
	words string
	// needs are the fields that it has to have; takes are those that it may
	// have besides.
	needs, takes []string
	// instant says that it happens at an instant.
	instant bool
	// clock says that each and rate are those of a clock: they may be negative,
	// and rate is of a million.
	clock bool
	// alone is why a fleet of one host cannot have it, if it cannot.
	alone string
	// about is for docs/scenarios.md.
	about string
	// draw fills in the fields that it uses, for a profile.
	draw func(*Fault, *drawing)
}

func fields(keys ...string) []string { return keys }

var faultForms = [FaultKindCount]faultForm{
	ReducerWedge: {words: "reducer wedge", takes: fields("for"),
		about: "no input is stepped",
		draw:  func(f *Fault, d *drawing) { f.For = d.short }},
	ReducerSlow: {words: "reducer slow", needs: fields("each"), takes: fields("for"),
		about: "every step takes each more",
		draw: func(f *Fault, d *drawing) {
			f.For, f.Each = d.long, d.between(10*time.Millisecond, 3*time.Second, time.Millisecond)
		}},
	ReplyDrop: {words: "reply drop", takes: fields("host", "route", "for", "count", "after"),
		about: "the reducer drops inputs without a reply: before the step, or after it with after=yes",
		draw: func(f *Fault, d *drawing) {
			f.Hosts, f.Count, f.For, f.After = d.hosts, 1+d.r.IntN(6), d.long, d.r.Chance(500)
		}},
	GateCapacity: {words: "gate capacity", needs: fields("size"), takes: fields("for"),
		about: "the inbox has this size; the plane is started again when that begins and when it ends",
		draw:  func(f *Fault, d *drawing) { f.For, f.Size = d.long, 1+d.r.IntN(8) }},
	PlaneRestart: {words: "plane restart", takes: fields("for", "each"), instant: true,
		about: "at an instant: the plane is shut down in good order, has each to work off what is inside, and comes up again after for",
		draw:  func(f *Fault, d *drawing) { f.For, f.Each = d.short, d.between(0, 3*time.Second, time.Millisecond) }},
	PlaneCrash: {words: "plane crash", takes: fields("for", "phase"), instant: true,
		about: "at an instant, or around the next commit with phase: the plane's process dies, and comes up again after for",
		draw:  func(f *Fault, d *drawing) { f.For, f.Phase = d.short, Phase(d.r.IntN(4)) }},
	PlaneWipe: {words: "plane wipe", takes: fields("for", "phase"), instant: true,
		about: "a plane crash, and the plane's disk is lost",
		draw:  func(f *Fault, d *drawing) { f.For, f.Phase = d.short, Phase(d.r.IntN(4)) }},
	PlaneRestore: {words: "plane restore", needs: fields("back"), takes: fields("for"), instant: true,
		about: "at an instant: the plane's process dies, its disk is put back to a backup of back ago, or of the start of the run, and it comes up again after for",
		draw: func(f *Fault, d *drawing) {
			f.For, f.Back = d.short, d.between(time.Second, 10*time.Minute, time.Second)
		}},
	PlaneSuspend: {words: "plane suspend", takes: fields("for"),
		about: "the plane's machine is suspended",
		draw:  func(f *Fault, d *drawing) { f.For = d.long }},
	PlaneClock: {words: "plane clock", needs: fields("each"), instant: true, clock: true,
		about: "at an instant: the plane's wall clock is moved by each, for good",
		draw: func(f *Fault, d *drawing) {
			f.Each = cmp.Or(d.between(-2*time.Hour, 2*time.Hour, time.Second), time.Second)
		}},
	PlaneLate: {words: "plane late", needs: fields("for"),
		about: "the plane is started again, and takes for to load its log",
		draw:  func(f *Fault, d *drawing) { f.For = d.short }},
	DiskSlow: {words: "disk slow", needs: fields("each"), takes: fields("for"),
		about: "every commit takes each more",
		draw: func(f *Fault, d *drawing) {
			f.For, f.Each = d.long, d.between(10*time.Millisecond, 6*time.Second, time.Millisecond)
		}},
	DiskFail: {words: "disk fail", takes: fields("for", "count", "after", "unreadable"),
		about: "commits fail: count of them, or without count all of them; with after=yes their entries are on the disk all the same, with unreadable=yes the plane cannot be loaded meanwhile",
		draw: func(f *Fault, d *drawing) {
			if f.For = d.short; d.r.Chance(500) {
				f.Count = 1 + d.r.IntN(3)
			}
			f.After = d.r.Chance(400)
			f.Unreadable = d.r.Chance(300)
		}},
	DiskScarce: {words: "disk scarce", takes: fields("for"),
		about: "less of the plane's disk is free than the reserve",
		draw:  func(f *Fault, d *drawing) { f.For = d.long }},
	NetDrop: {words: "net drop", needs: fields("rate"), takes: fields("host", "route", "for"),
		about: "rate of a thousand messages are lost",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.Rate = d.hosts, d.long, 50+d.r.IntN(900) }},
	NetDup: {words: "net dup", needs: fields("rate"), takes: fields("host", "route", "for"),
		about: "rate of a thousand requests arrive twice",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.Rate = d.hosts, d.long, 50+d.r.IntN(900) }},
	NetDelay: {words: "net delay", needs: fields("each"), takes: fields("host", "route", "for"),
		about: "every message takes each more",
		draw: func(f *Fault, d *drawing) {
			f.Hosts, f.For, f.Each = d.hosts, d.long, d.between(50*time.Millisecond, 15*time.Second, time.Millisecond)
		}},
	NetReorder: {words: "net reorder", needs: fields("each"), takes: fields("host", "route", "for"),
		about: "every message takes up to each more, so that they overtake one another",
		draw: func(f *Fault, d *drawing) {
			f.Hosts, f.For, f.Each = d.hosts, d.long, d.between(50*time.Millisecond, 15*time.Second, time.Millisecond)
		}},
	NetPartition: {words: "net partition", takes: fields("host", "route", "for", "dir"),
		about: "nothing gets through; with dir nothing that goes up to the plane, or down to the host",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.Dir = d.hosts, d.long, Dir(d.r.IntN(3)) }},
	NetReset: {words: "net reset", takes: fields("host", "route", "for", "count", "after"),
		about: "connections are reset before the request is sent, or after it was worked on with after=yes",
		draw: func(f *Fault, d *drawing) {
			f.Hosts, f.For, f.Count, f.After = d.hosts, d.long, 1+d.r.IntN(5), d.r.Chance(500)
		}},
	NetRoam: {words: "net roam", takes: fields("host", "for"),
		about: "heartbeats leave by two addresses in turn, as those of one machine with two ways out",
		draw: func(f *Fault, d *drawing) {
			f.Hosts, f.For = d.hosts, d.between(4*time.Minute, 12*time.Minute, time.Second)
		}},
	AgentCrash: {words: "agent crash", takes: fields("host", "for", "after"), instant: true,
		about: "at an instant, or at the next append with after=yes: the agents' processes die, and come up again after for",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.After = d.one, d.short, d.r.Chance(500) }},
	HostReboot: {words: "host reboot", takes: fields("host", "for"), instant: true,
		about: "at an instant: the hosts go down, and come up again after for; what was deferred takes effect",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For = d.one, d.short }},
	HostSuspend: {words: "host suspend", takes: fields("host", "for"),
		about: "the hosts are suspended: their monotonic clocks stand, their wall clocks go on",
		draw: func(f *Fault, d *drawing) {
			f.Hosts, f.For = d.hosts, d.long
			if d.r.Chance(300) { // long enough for probes, soaks and certificates to matter
				f.For = d.between(10*time.Minute, 2*time.Hour, time.Minute)
			}
		}},
	AgentAmnesia: {words: "agent amnesia", takes: fields("host", "for"), instant: true,
		about: "at an instant: the agents lose their disks, and start again after for",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For = d.one, d.short }},
	AgentDisk: {words: "agent disk-full", takes: fields("host", "for", "count", "after"),
		about: "the disks of the hosts are full: appends to the agents' logs fail, and agents begin again from their logs, which cannot be opened either; with after=yes the lines that failed are on the disk all the same",
		draw: func(f *Fault, d *drawing) {
			if f.Hosts, f.For, f.After = d.hosts, d.long, d.r.Chance(400); d.r.Chance(600) {
				f.Count = 1 + d.r.IntN(3)
			}
		}},
	AgentCompact: {words: "agent compact", takes: fields("host", "for", "after"), instant: true,
		about: "at an instant: the agents write their logs anew, and their processes die in it and come up again after for, with the old log, or with after=yes with the new one",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.After = d.one, d.short, d.r.Chance(500) }},
	ClockSkew: {words: "clock skew", needs: fields("each"), takes: fields("host", "for"), clock: true,
		about: "the wall clocks of the hosts are off by each",
		draw: func(f *Fault, d *drawing) {
			f.Hosts, f.For, f.Each = d.hosts, d.long, cmp.Or(d.between(-30*time.Hour, 90*time.Minute, time.Second), time.Second)
		}},
	ClockDrift: {words: "clock drift", needs: fields("rate"), takes: fields("host", "for"), clock: true,
		about: "the wall clocks of the hosts gain rate millionths, or lose them",
		draw: func(f *Fault, d *drawing) {
			f.Hosts, f.For, f.Rate = d.hosts, d.long, cmp.Or(d.r.IntN(20001)-10000, 1)
		}},
	CertWrong: {words: "cert wrong", takes: fields("host", "route", "for", "count"),
		alone: "the fleet has no other host whose certificate could be shown",
		about: "requests come with the certificate of the next host",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.Count = d.one, d.long, 1+d.r.IntN(6) }},
	CertExpire: {words: "cert expire", takes: fields("host", "for"),
		about: "the certificates of the hosts expire; they are renewed at its end",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For = d.hosts, d.long }},
	CertUntrust: {words: "cert untrust", takes: fields("host", "for"),
		about: "the plane ceases to trust the CA of the hosts' certificates; they are given some of the new CA at its end",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For = d.hosts, d.long }},
	ActivationFail: {words: "activation fail", takes: fields("host", "for", "count"),
		about: "activations fail",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.Count = d.hosts, d.long, 1+d.r.IntN(3) }},
	ActivationDefer: {words: "activation defer", takes: fields("host", "for", "count"),
		about: "activations are deferred to the next boot",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.Count = d.hosts, d.long, 1+d.r.IntN(3) }},
	ActivationSlow: {words: "activation slow", needs: fields("each"), takes: fields("host", "for"),
		about: "activations and rollbacks take each more",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For, f.Each = d.hosts, d.long, d.long }},
	ProbeFail: {words: "probe fail", takes: fields("host", "for"),
		about: "the probes fail",
		draw:  func(f *Fault, d *drawing) { f.Hosts, f.For = d.hosts, d.long }},
}

// String returns the kind's two words, or "?".
func (k FaultKind) String() string {
	if k < FaultKindCount && k > 0 {
		return faultForms[k].words
	}
	return "?"
}

// FaultKinds lists every kind.
func FaultKinds() []FaultKind {
	var kinds []FaultKind
	for k := ReducerWedge; k < FaultKindCount; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// Instant reports whether faults of the kind happen at an instant. The others
// are in force until their For is over, or their Count used up.
func (k FaultKind) Instant() bool {
	return k < FaultKindCount && faultForms[k].instant
}

// Form returns how a fault of the kind is written, with what it need not have
// in brackets: "disk slow [for=30s] each=200ms".
func (k FaultKind) Form() string {
	if k == 0 || k >= FaultKindCount {
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

// drawing is what the fields of a fault are drawn from: a stream, and draws that
// every kind makes in the same order, so that what a kind uses changes nothing
// of what follows.
type drawing struct {
	r           *random.Stream
	long, short time.Duration
	// hosts are many, most of the time; one is one.
	hosts, one Hosts
}

// between draws a duration, cut off to whole units.
func (d *drawing) between(lo, hi, unit time.Duration) time.Duration {
	return d.r.Between(lo, hi).Truncate(unit)
}

// DrawFault draws a fault of a kind for a fleet of some hosts, which begins
// within span.
func DrawFault(r *random.Stream, k FaultKind, hosts int, span time.Duration) Fault {
	d := drawing{r: r}
	f := Fault{Kind: k, At: d.between(time.Second, span, 100*time.Millisecond)}
	d.long = d.between(time.Second, 4*time.Minute, time.Second)
	d.short = d.between(100*time.Millisecond, 20*time.Second, 100*time.Millisecond)
	if r.Chance(700) {
		first := 1 + r.IntN(hosts)
		d.hosts = Hosts{first, first + r.IntN(hosts-first+1)}
	}
	n := 1 + r.IntN(hosts)
	d.one = Hosts{n, n}
	faultForms[k].draw(&f, &d)
	if route := drawRoute(r, k); slices.Contains(faultForms[k].takes, "route") {
		f.Route = route
	}
	return f
}

// drawRoute draws which requests a fault hits, which mostly are all of them. The
// network of operators has no faults, nor do their certificates.
func drawRoute(r *random.Stream, k FaultKind) Route {
	routes := []Route{RouteHeartbeat, RouteEvent, RoutePoll, RouteOperator}
	if k != ReplyDrop {
		routes = routes[:3]
	}
	if route := routes[r.IntN(len(routes))]; r.Chance(300) {
		return route
	}
	return AnyRoute
}
