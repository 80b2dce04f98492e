package record

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/world"
)

// The first line of a JSON trace names them. A reader that knows the version
// knows every field of the lines; a field or a kind that is added, removed or
// changed makes another version.
const (
	traceFormatName    = "refrain-trace"
	traceFormatVersion = 1
)

// JSONTrace is a consumer of events that writes each of them as a JSON object.
// The same scenario and build give the same bytes.
type JSONTrace struct {
	to     *json.Encoder
	events uint64 // written so far
	line   traceLine
}

// JSON writes a header, which names the scenario, and then every event of a
// world from a step on.
func JSON(w *world.World, to io.Writer, from uint64, name string) *JSONTrace {
	t := &JSONTrace{to: json.NewEncoder(to)}
	t.to.SetEscapeHTML(false)
	t.encode(&traceHeader{
		Format: traceFormatName, Version: traceFormatVersion, Scenario: name, Seed: w.Scenario().Seed, Build: repro.Build(), FromStep: from,
	})
	for kind := world.EventKind(0); kind < world.EventKindCount; kind++ {
		fill := eventForms[kind].fill
		w.Subscribe(kind, func(e *world.Event) {
			if e.Step < from {
				return
			}
			t.events++
			t.line = traceLine{Step: e.Step, At: int64(e.At), Kind: e.Kind.String()}
			fill(&t.line, e)
			t.encode(&t.line)
		})
	}
	return t
}

// End writes the result, which is the last line.
func (t *JSONTrace) End(v *check.Verdict) {
	line := traceResult{
		Kind: "result", Verdict: v.Word(), Hash: fmt.Sprintf("%016x", v.Hash),
		Steps: v.Events, Events: t.events, Simulated: int64(v.Simulated), Settled: int64(v.Settled),
	}
	if broken := v.Violation; broken != nil {
		line.Violation = &traceViolation{broken.Checker, broken.Step, int64(broken.At), broken.Detail}
	}
	t.encode(&line)
}

// encode writes a line. What the writer makes of it is the caller's to know; a
// trace that cannot be written does not change the run.
func (t *JSONTrace) encode(line any) { _ = t.to.Encode(line) }

// traceHeader is the first line.
type traceHeader struct {
	Format   string `json:"format"`
	Version  int    `json:"version"`
	Scenario string `json:"scenario,omitempty"`
	Seed     uint64 `json:"seed"`
	Build    string `json:"build"`
	FromStep uint64 `json:"from_step,omitempty"`
}

// traceResult is the last line.
type traceResult struct {
	Kind      string          `json:"kind"`
	Verdict   string          `json:"verdict"`
	Violation *traceViolation `json:"violation,omitempty"`
	Hash      string          `json:"hash"`
	Steps     uint64          `json:"steps"`
	Events    uint64          `json:"events"`
	Simulated int64           `json:"simulated_ns"`
	Settled   int64           `json:"settled_ns,omitempty"`
}

type traceViolation struct {
	Checker string `json:"checker"`
	Step    uint64 `json:"step"`
	At      int64  `json:"at_ns"`
	Detail  string `json:"detail"`
}

// traceLine is the line of an event. Its fields are in the order in which they
// are written; those that are empty are left out, but for the first three.
type traceLine struct {
	Step uint64 `json:"step"`
	At   int64  `json:"at_ns"`
	Kind string `json:"kind"`
	// Node is where it happened: plane, operator, manifests, world, or a host.
	Node  string `json:"node,omitempty"`
	Timer string `json:"timer,omitempty"`

	Message   uint64          `json:"message,omitempty"`
	Type      string          `json:"type,omitempty"`
	From      string          `json:"from,omitempty"`
	Duplicate bool            `json:"duplicate,omitempty"`
	Document  json.RawMessage `json:"document,omitempty"`
	Wait      int64           `json:"wait_ns,omitempty"`
	Direction string          `json:"direction,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Deadline  int64           `json:"deadline_ns,omitempty"`

	Input        string    `json:"input,omitempty"`
	Answered     bool      `json:"answered,omitempty"`
	Status       int       `json:"status,omitempty"`
	Code         string    `json:"code,omitempty"`
	RetryAfter   int64     `json:"retry_after_ns,omitempty"`
	ReplayFrom   *wire.Seq `json:"replay_from,omitempty"`
	AfterEntries int       `json:"after_entries,omitempty"`
	ReplyLost    bool      `json:"reply_lost,omitempty"`
	Requests     []string  `json:"requests,omitempty"`
	Effects      []string  `json:"effects,omitempty"`

	Count      int          `json:"count,omitempty"`
	InboxDepth int          `json:"inbox_depth,omitempty"`
	Capacity   int          `json:"capacity,omitempty"`
	Entries    []traceEntry `json:"entries,omitempty"`

	Notice   string         `json:"notice,omitempty"`
	Host     wire.Hostname  `json:"host,omitempty"`
	Rollout  wire.RolloutID `json:"rollout,omitempty"`
	Fault    string         `json:"fault,omitempty"`
	Effect   string         `json:"effect,omitempty"`
	For      int64          `json:"for_ns,omitempty"`
	Stored   bool           `json:"stored,omitempty"`
	Rebuilt  bool           `json:"rebuilt,omitempty"`
	Wiped    bool           `json:"wiped,omitempty"`
	Restored bool           `json:"restored,omitempty"`
	Ending   string         `json:"ending,omitempty"`
	Section  string         `json:"section,omitempty"`
	Text     string         `json:"text,omitempty"`
}

// traceEntry is a line of a log: of the plane's, or of an agent's.
type traceEntry struct {
	Number  wire.Seq       `json:"number,omitempty"` // in the plane's log
	Kind    string         `json:"kind"`
	Outcome wire.Name      `json:"outcome,omitempty"`
	Host    wire.Hostname  `json:"host,omitempty"`
	Rollout wire.RolloutID `json:"rollout,omitempty"`
	Text    string         `json:"text"`
}

// eventForms say how each kind of event is written, and what it is about.
var eventForms = [world.EventKindCount]struct {
	about string
	fill  func(*traceLine, *world.Event)
}{
	world.EventStepBegan: {"A timer went off: a step begins. `timer` is what it is for, `node` whose it is.", (*traceLine).stepBegan},
	world.EventStepEnded: {"The step is over. It is not written once a rule is broken.", (*traceLine).nothing},

	world.EventSent:     {"A request was put on the network. `document` is its body, `wait_ns` how long a poll waits; `duplicate` marks the second of two that the network made of one.", (*traceLine).sent},
	world.EventVanished: {"A request (`up`) or an answer (`down`) is lost; `reason` is the effect that took it.", (*traceLine).vanished},
	world.EventHeard:    {"The sender is about to be given the answer, if `answered`, or the news that none will come.", (*traceLine).heard},

	world.EventHandshakeRefused: {"The connection was refused: the certificate is not good.", (*traceLine).atPlane},
	world.EventArrived:          {"A request reached the plane.", (*traceLine).atPlane},
	world.EventAdmitted:         {"The gate took it into the inbox, to be answered by `deadline_ns`.", (*traceLine).admitted},
	world.EventRefused:          {"The gate refused it.", (*traceLine).withOutcome},
	world.EventPollRefused:      {"A poll that waited may wait no longer: the plane shuts down.", (*traceLine).withOutcome},
	world.EventDeadline:         {"The timer of the gate's next deadline went off.", (*traceLine).ofPlane},
	world.EventExpired:          {"The gate gave the request up at its deadline.", (*traceLine).withOutcome},
	world.EventAnswered:         {"The plane answered the request.", (*traceLine).withOutcome},

	world.EventClientGone: {"The process saw that the client of a poll has closed its connection. If the poll waited, it gets no answer; otherwise, with `answered`, the answer is still to come.", (*traceLine).clientGone},

	world.EventSection:  {"The loop carried out a `section` of the driver's worker. `count` is how many inputs a `take` took, how many entries a `commit` began with, and 1 if a `load` or a `take-over` succeeded.", (*traceLine).sectioned},
	world.EventTickDue:  {"The loop is told that a tick is due.", (*traceLine).ofPlane},
	world.EventRetryDue: {"The loop is told that the next attempt to load the log is due.", (*traceLine).ofPlane},
	world.EventSkipped:  {"The loop drops an input before its step.", (*traceLine).atPlane},
	world.EventStepping: {"An input is about to be stepped. Without a `message` it is a tick.", (*traceLine).stepping},
	world.EventStepDone: {"It was stepped. `status` and `code` are those of its reply, which may not leave before `after_entries` entries of those not yet durable are on the disk.", (*traceLine).stepDone},
	world.EventReplied:  {"The loop hands the reply back; `reply_lost` says that a fault drops it.", (*traceLine).replied},
	world.EventDropped:  {"An input was dropped without a reply.", (*traceLine).atPlane},
	world.EventFinished: {"The reducer is done with an input.", (*traceLine).atPlane},
	world.EventNoticed:  {"The plane put out a notice.", (*traceLine).noticed},

	world.EventCommitted:     {"Entries are on the plane's disk; `reply_lost` says that the process dies before it learns that.", (*traceLine).committed},
	world.EventCommitFailed:  {"A commit of `count` entries failed; the reducer is discarded and rebuilt once the loop learns that. With `count` 0 it was a trial after one that failed. `stored`: the entries are on the disk all the same.", (*traceLine).commitFailed},
	world.EventRebuildFailed: {"The plane's disk could not be read.", (*traceLine).ofPlane},

	world.EventPlaneUp:      {"The plane's process listens, with an inbox of `capacity`.", (*traceLine).planeUp},
	world.EventPlaneStarted: {"It has loaded its log, or rebuilt the reducer (`rebuilt`). `text` describes what it knows.", (*traceLine).planeStarted},
	world.EventPlaneClosing: {"A shutdown in good order begins, which may take `for_ns`.", (*traceLine).lasting},
	world.EventDrainOver:    {"That time is over with something left in the inbox.", (*traceLine).counted},
	world.EventPlaneDown:    {"The process ended: `ending` is `crashed`, `closed` or, if it was down before, `was_down`. `wiped`: its disk was lost. `restored`: its disk was put back to a backup, which is `for_ns` old.", (*traceLine).planeDown},
	world.EventPlaneClock:   {"The plane's wall clock is off by `for_ns` from now on.", (*traceLine).lasting},

	world.EventCompacted: {"A copy of the plane's database was compacted: `count` rollouts were retired from it.", (*traceLine).counted},

	world.EventHostAppended:  {"Entries are on the disk of a host.", (*traceLine).hostAppended},
	world.EventHostFetched:   {"A host's agent is about to be given signed artifacts of a rollout, or a status without them.", (*traceLine).hostFetched},
	world.EventHostStepped:   {"A host's agent stepped an input; it asks for `requests` and `effects`.", (*traceLine).hostStepped},
	world.EventFieldStepped:  {"A field agent stepped an input; it asks for `requests` and `effects`.", (*traceLine).hostStepped},
	world.EventHostLoaded:    {"An agent's process came up on what its disk has: `count` bytes.", (*traceLine).hostCount},
	world.EventHostCompacted: {"An agent's log was compacted to `count` bytes.", (*traceLine).hostCount},
	world.EventHostUnsynced:  {"The last `count` entries on the disk of a host were not synced, and are lost with its power.", (*traceLine).hostCount},
	world.EventHostNoticed:   {"An agent put out a notice.", (*traceLine).hostNoticed},
	world.EventHostLost:      {"A host lost its disk.", (*traceLine).ofHost},

	world.EventFaultBegan: {"A fault of the scenario came into force.", (*traceLine).faulty},
	world.EventFaultEnded: {"It is no longer in force.", (*traceLine).faulty},
	world.EventEffect:     {"A fault, or the protocol, really brought something about.", (*traceLine).effective},
}
