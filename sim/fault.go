package sim

import "time"

// FaultKind is what goes wrong. Most kinds are in force for a time; some
// happen at an instant, and say so.
type FaultKind uint8

// The kinds of faults, and the fields that they use besides At.
const (
	// ReducerWedge: no input is stepped. For.
	ReducerWedge FaultKind = iota + 1
	// ReducerSlow: every step takes Each more. For.
	ReducerSlow
	// ReplyDrop: the reducer lets go of inputs from Hosts on Route without a
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
	// PlaneSuspend: the plane's machine is suspended. For.
	PlaneSuspend
	// PlaneClock happens at an instant: the plane's wall clock is moved by
	// Each, for good.
	PlaneClock
	// PlaneLate: the plane is started again, and takes For to load its log.
	PlaneLate
	// DiskSlow: every commit takes Each more. For.
	DiskSlow
	// DiskFail: commits fail; with After their entries are on the disk all the
	// same. Without Count the disk cannot be read either,
	// until the fault ends; with it, that many commits fail. For.
	DiskFail
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
	// AgentCrash happens at an instant: the agents' processes on Hosts die and
	// come up again after For. With After they die at their next append to
	// their logs instead.
	AgentCrash
	// HostReboot happens at an instant: Hosts go down and come up again after
	// For.
	HostReboot
	// AgentAmnesia happens at an instant: the agents on Hosts lose their disks
	// and start again after For.
	AgentAmnesia
	// ClockSkew: the wall clocks of Hosts are off by Each. For.
	ClockSkew
	// ClockDrift: the wall clocks of Hosts gain Rate millionths, or lose them.
	// For.
	ClockDrift
	// CertWrong: Hosts send requests with the certificate of the next host.
	// Route, Count, For.
	CertWrong
	// ActivationFail and ActivationDefer: activations on Hosts fail, or are
	// deferred to the next boot. Count, For.
	ActivationFail
	ActivationDefer
	// ActivationSlow: activations and rollbacks on Hosts take Each more. For.
	ActivationSlow
	// ProbeFail: the probes of Hosts fail. For.
	ProbeFail

	faultKindEnd
)

// String returns the kind's two words, or "?".
func (k FaultKind) String() string {
	if k < faultKindEnd && k > 0 {
		return faultForms[k].words
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

// Instant reports whether faults of the kind happen at an instant. The others
// are in force until their For is over, or their Count used up.
func (k FaultKind) Instant() bool {
	switch k {
	case PlaneRestart, PlaneCrash, PlaneWipe, PlaneClock, AgentCrash, HostReboot, AgentAmnesia:
		return true
	}
	return false
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

// Fault is one thing that goes wrong. Each kind says which fields it uses; the
// others are zero.
type Fault struct {
	// At is when it begins, from 0 on.
	At   time.Duration
	Kind FaultKind
	// Hosts are whom it hits. The zero value is every host.
	Hosts Hosts
	// For is how long it is in force, or how long something is down. A fault
	// that lasts and has no For is in force until the scenario is healed.
	For time.Duration
	// Count is how often it strikes at most. 0 means every time.
	Count int
	// Each is how much longer something takes each time, or by how much a
	// clock is off.
	Each time.Duration
	// Rate is of a thousand; of ClockDrift, of a million.
	Rate int
	// Size is the capacity that GateCapacity leaves, at least 1.
	Size int
	// Dir is where NetPartition lets nothing through.
	Dir Dir
	// Phase is where PlaneCrash and PlaneWipe come.
	Phase Phase
	// Route is which requests, or their answers, it hits. The zero value is
	// all of them.
	Route MessageKind
	// After is what the kind says it is.
	After bool
}
