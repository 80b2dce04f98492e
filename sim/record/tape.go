package record

import (
	"cmp"
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Tape is what happened at the plane in a run of a scenario: every request that
// reached it, byte for byte, everything that the gate, the loop, the disk
// and the process did, and every answer, in the order of their happening. It is
// enough to make a real server do the same and to compare what it answers.
//
// What the network lost never reached the plane and is not on a tape. Requests
// whose connection was reset after they were worked on, or whose sender gave up,
// are, with their answers: a server notices only that the client of a poll is gone.
type Tape struct {
	Scenario scenario.Scenario
	Requests []TapeRequest
	Steps    []TapeStep
	// Violation is the rule that the run broke before the tape ended, if it did.
	Violation *world.Violation
}

// TapeCertificate says which client certificate a request came with.
type TapeCertificate struct {
	CommonName string
	NotBefore  wire.Time
}

// TapeRequest is one request that reached the plane.
type TapeRequest struct {
	// Message is its number in traces.
	Message     uint64
	Certificate TapeCertificate
	// Method, Path and Query are those of the request line; the path is escaped.
	Method, Path, Query string
	Header              []wire.HeaderField
	Body                []byte
	// Manifest says that it is no request but a manifest of the plane's
	// directory, which is put through the gate in the same way (PROTOCOL R6).
	// Release says that it is a signed release, or a manifest of one (V4, V5).
	Manifest, Release bool
	// Answer is what it was answered, at AnsweredAt; nil if the process died
	// first.
	Answer     *wire.Answer
	AnsweredAt time.Duration
}

// TapeKind is what happened.
type TapeKind uint8

// What happens on a tape. Request, N, For and State are fields of [TapeStep].
const (
	// TapeUp: the process listens, with an inbox of N; N is its capacity. Drain is
	// how long its shutdown, if one comes, may take.
	TapeUp TapeKind = iota + 1
	// TapeStart: it loads its log and takes requests from now on.
	TapeStart
	// TapeHandshake: Request's certificate is refused, no request arrives.
	TapeHandshake
	// TapeArrive: Request reaches the plane.
	TapeArrive
	// TapeOffer: Request asks the gate; N is 1 if it was admitted.
	TapeOffer
	// TapeWork: the loop carries out the section Work of the driver's worker, about
	// Request if it is about one. N is how many inputs a Take took (Depth were
	// inside), how many entries a Commit begins with, 1 if a Load or a TakeOver
	// succeeds, 1 if a Storage says that disk is scarce, and 1 if a Step or a Reply is
	// dropped instead.
	TapeWork
	// TapeTickDue, TapeRetryDue: the loop is told that a tick is due, or the next
	// attempt to load the log.
	TapeTickDue
	TapeRetryDue
	// TapeCommit: the disk has taken the group; N is how many entries it had.
	TapeCommit
	// TapeCommitLost: likewise, and the process dies before it learns that.
	TapeCommitLost
	// TapeCommitFailed: the commit of the group of N entries failed; Stored says
	// that the disk has it all the same.
	TapeCommitFailed
	// TapeExpire: the timer of the gate's next deadline goes off.
	TapeExpire
	// TapeAnswer: Request is answered.
	TapeAnswer
	// TapeGone: the process sees that the client of Request, a poll, is gone. N is 1
	// if the poll waited, so that there is no answer.
	TapeGone
	// TapeClock: the plane's wall clock is off by For from now on.
	TapeClock
	// TapeClose: a shutdown in good order begins.
	TapeClose
	// TapeDrainOver: the time of a shutdown is over with something left inside.
	TapeDrainOver
	// TapeDown: the process has ended in good order.
	TapeDown
	// TapeCrash: the process is dead.
	TapeCrash
	// TapeWipe: the disk is lost; no process is up.
	TapeWipe
	// TapeRestore: the disk is put back to a backup, which has Entries; no process is
	// up.
	TapeRestore
	// TapeRelease: Release lies in the plane's directory of signed releases from now on.
	// A process that is up reads it now.
	TapeRelease
	// TapeServed: the plane has taken up Release, and serves it.
	TapeServed
	// TapeState: the loop has just ticked, or loaded; State is the plane's
	// canonical state.
	TapeState
)

var tapeWords = [...]string{
	TapeUp: "up", TapeStart: "start", TapeHandshake: "handshake", TapeArrive: "arrive", TapeOffer: "offer", TapeWork: "work",
	TapeTickDue: "tick-due", TapeRetryDue: "retry-due",
	TapeCommit: "committed", TapeCommitLost: "commit-lost", TapeCommitFailed: "commit-failed", TapeExpire: "expire", TapeAnswer: "answer",
	TapeGone: "client-gone", TapeClock: "clock", TapeClose: "close", TapeDrainOver: "drain-over", TapeDown: "down", TapeCrash: "crash", TapeWipe: "wipe", TapeRestore: "restore",
	TapeRelease: "release", TapeServed: "served", TapeState: "state",
}

// String returns the kind as one word.
func (k TapeKind) String() string { return tapeWords[k] }

// TapeStep is one thing that happened at the plane.
type TapeStep struct {
	At   time.Duration
	Kind TapeKind
	// Step is the number of the event in the run.
	Step uint64
	// Request is an index in [Tape.Requests].
	Request int
	// Work is the section of a TapeWork.
	Work driver.Work
	// N is what the kind says it is, Depth how many inputs were inside the inbox.
	N, Depth int
	// Stored is that of a TapeCommitFailed.
	Stored bool
	// Drain is how long a shutdown may take.
	Drain time.Duration
	// For is how far the wall clock is off.
	For time.Duration
	// Entries are those of the backup that is restored.
	Entries []plane.Entry
	// Manifests are the files of the directory of a process that comes up, in
	// their order.
	Manifests [][]byte
	// Release is that of a TapeRelease and of a TapeServed.
	Release *world.SignedRelease
	State   []byte
}

// TapeOptions say how much of a run is recorded.
type TapeOptions struct {
	// Requests is after how many requests the tape ends; 0 means never.
	Requests int
	// Until is when the tape ends; 0 means with the run.
	Until time.Duration
	// StateEvery is the least time between two states on the tape. Default 1 min.
	StateEvery time.Duration
	// Checkers are those of [check.Attach]. Default none: what broke a rule is compared
	// all the same.
	Checkers []check.Checker
}

// NewTape runs a scenario and records the plane. The tape ends with a tick, and
// so with a state, as far as the run gets to one.
func NewTape(s scenario.Scenario, o TapeOptions) (*Tape, error) {
	if o.Checkers == nil {
		o.Checkers = []check.Checker{}
	}
	o.StateEvery = cmp.Or(o.StateEvery, time.Minute)
	w, err := world.New(s, world.Options{Rest: check.Rest})
	if err != nil {
		return nil, err
	}
	check.Attach(w, o.Checkers)
	r := newTapeWriter(w, &Tape{Scenario: *w.Scenario()}, o.StateEvery)
	full := func() bool {
		return o.Requests > 0 && len(r.tape.Requests) >= o.Requests || o.Until > 0 && w.Now() >= o.Until
	}
	for w.Next() {
		if full() {
			r.last = true
		}
		if r.ended {
			break
		}
	}
	r.tape.Violation = w.Violation()
	r.tape.plan()
	return r.tape, nil
}

// plan tells each process of the tape how long its shutdown may take: it has to
// know when it comes up.
func (t *Tape) plan() {
	up := -1
	for i := range t.Steps {
		switch t.Steps[i].Kind {
		case TapeUp:
			up = i
		case TapeClose:
			t.Steps[up].Drain = t.Steps[i].Drain
		}
	}
}

// Line writes a step of the tape in one line.
func (t *Tape) Line(i int) string {
	s := &t.Steps[i]
	line := s.Kind.String()
	if s.Kind == TapeWork {
		line = s.Work.String()
	}
	if s.Request >= 0 {
		r := &t.Requests[s.Request]
		line += fmt.Sprintf(" m%d %s %s", r.Message, r.Certificate.CommonName, r.Path)
		if s.Kind == TapeAnswer && r.Answer != nil {
			line += fmt.Sprintf(" %d", r.Answer.Status)
		}
	}
	switch s.Kind {
	case TapeOffer:
		line += [...]string{" refused", " admitted"}[s.N]
	case TapeWork:
		line += s.workDetail()
	case TapeUp:
		line += fmt.Sprintf(" capacity=%d manifests=%d", s.N, len(s.Manifests))
	case TapeCommit, TapeCommitLost, TapeCommitFailed:
		line += fmt.Sprintf(" %d, %d inside", s.N, s.Depth)
	case TapeClock:
		line += fmt.Sprintf(" off by %v", s.For)
	}
	return line
}

// workDetail says what N says of a section.
func (s *TapeStep) workDetail() string {
	switch s.Work {
	case driver.Take:
		return fmt.Sprintf(" %d, %d inside", s.N, s.Depth)
	case driver.Commit:
		return fmt.Sprintf(" %d", s.N)
	case driver.Load, driver.TakeOver:
		return [...]string{" failed", " done"}[s.N]
	case driver.Step, driver.Reply:
		return [...]string{"", " dropped"}[s.N]
	}
	return ""
}
