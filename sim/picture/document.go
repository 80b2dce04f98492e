package picture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Run is a run to be drawn, and what its maker knows of it.
type Run struct {
	Recording *record.Recording
	// Profile is the one that the scenario was drawn in, File where it was read
	// from; one of them may be empty, or both.
	Profile, File string
	// Source is that file with its lines; nil if there is none.
	Source *scenario.File
	// Build is what the hash holds for: commit, compiler, architecture.
	Build string
	// Again is the line that runs it again.
	Again string
}

// document is what the page's script reads. Times are nanoseconds of virtual
// time, hosts are numbers from 1, and 0 is none. Columns have one value for
// each item.
type document struct {
	// Verdict is that of [check.Verdict.Word], Headline the line that the
	// command prints. Broken is the violation, expected or not.
	Verdict  string
	Headline [2]string
	Broken   *violation
	Unmet    []unmet
	// Expectations is how many there are, met or not.
	Expectations int
	Facts        [][2]string
	Scenario     string
	Again        string
	End          int64
	Healed       int64
	// ReplyTimeout is the time from a request\'s arrival to its deadline.
	ReplyTimeout int64
	Focus        focus
	Strings      []string
	States       []string
	Effects      []string
	Codes        []code
	Plane        [][3]int64
	PlaneIs      []string
	Hosts        []host
	Bands        []band
	Messages     messages
	Steps        steps
	Fields       []string
	Extras       []string
	Records      []recordTracks
	Series       series
	Omitted      *omitted
}

type violation struct {
	Checker, Rule, Detail string
	Step                  uint64
	At                    int64
	Expected              bool
}

// unmet is an expectation that the run did not meet. At is the instant that it
// is about, or -1; Line is its place in the file, or 0.
type unmet struct {
	Expect, Saw string
	Line        int
	At          int64
	Focus       focus
}

type focus struct {
	Host    int
	Rollout string
}

type code struct {
	Word        string
	Status      int
	Unavailable bool
}

// host has rows of step, time and what is so from then on.
type host struct {
	Name, Kind string
	Process    [][5]int64 // up (0, 1), running and switching (strings)
	Reach      [][3]int64 // 0 unknown, 1 reachable, 2 not, 3 never seen
}

// band is a fault or an act of the operator, over time.
type band struct {
	Text        string
	On          string // plane, hosts or operator
	From, To    int64
	First, Last int
}

// messages are columns. Stamps are steps and times since the message was sent,
// which are themselves since the message before; a step of 0 means never.
type messages struct {
	ID, Kind, Host, Text, Rollout, Flags, Code, Why []int64
	RetryAfter, ReplayFrom                          []int64
	Sent, SentAt                                    []int64
	Arrived, ArrivedAt, Stepped, SteppedAt          []int64
	Answered, AnsweredAt, Heard, HeardAt            []int64
	Late, LateAt, Gone, GoneAt                      []int64
}

// The bits of a message's flags.
const (
	flagDuplicate = 1 << iota
	flagNoAnswer
	flagDropped
	flagLostRequest
	flagLostAnswer
	flagReplay
	flagRoutine
)

// steps are columns; lines are in strings, with a tab after where they are.
type steps struct {
	Step, At, Host, Message, What []int64
	Lines                         []string
}

// record has rows of step, time, a state (0: not there), then the fields.
type recordTracks struct {
	Rollout      string
	Host         int
	Plane, Agent [][]int64
}

type series struct {
	Width                int64
	Hosts                int
	Limits               [][3]int // from a bucket on: the inbox's capacity, and how many others than heartbeats it takes
	Depth, Others        []int
	Answered             []int
	Refused              [][]int // by reason
	Reasons              []string
	Up, Known, Reachable []int
	Records              [][]int // by state
}

type omitted struct {
	Messages, Steps int
	Before          int64
}

// table numbers strings; 0 is the empty one.
type table struct {
	list    []string
	numbers map[string]int64
}

func newTable() *table { return &table{list: []string{""}, numbers: map[string]int64{"": 0}} }

func (t *table) number(s string) int64 {
	n, known := t.numbers[s]
	if !known {
		n = int64(len(t.list))
		t.list = append(t.list, s)
		t.numbers[s] = n
	}
	return n
}

// describe makes a run's document.
func describe(run Run) *document {
	rec := run.Recording
	t := newTable()
	d := &document{
		Verdict: rec.Result.Word(), Unmet: describeUnmet(&run), Expectations: rec.Result.Expectations, Facts: facts(&run), Scenario: rec.Scenario.String(), Again: run.Again,
		End: int64(rec.Result.Simulated), Healed: int64(rec.Healed), ReplyTimeout: int64(rec.Scenario.Plane.ReplyTimeout),
		Focus: focus{rec.Focus.Host, string(rec.Focus.Rollout)},
	}
	if v := rec.Result.Violation; v != nil {
		d.Broken = &violation{Checker: v.Checker, Rule: scenario.RuleText(v.Checker), Detail: v.Detail, Step: v.Step, At: int64(v.At), Expected: rec.Result.Expected}
	}
	d.Headline[0], d.Headline[1] = rec.Result.Headline()
	if d.Broken == nil && len(d.Unmet) > 0 {
		first := max(0, slices.IndexFunc(d.Unmet, func(u unmet) bool { return u.At >= 0 })) // the page opens there
		d.Focus = d.Unmet[first].Focus
	}
	for _, s := range wire.States {
		d.States = append(d.States, s.String())
	}
	for e := scenario.EffectNone; e.String() != "?"; e++ {
		d.Effects = append(d.Effects, e.String())
	}
	for c := range wire.Code(wire.CodeCount) {
		d.Codes = append(d.Codes, code{c.String(), c.Status(), c.Unavailable()})
	}
	for s := world.PlaneDown; s <= world.PlaneSuspended; s++ {
		d.PlaneIs = append(d.PlaneIs, s.String())
	}
	for _, c := range rec.Plane {
		d.Plane = append(d.Plane, [3]int64{int64(c.Step), int64(c.At), int64(c.State)})
	}
	for i := range rec.Hosts {
		d.Hosts = append(d.Hosts, describeHost(&rec.Hosts[i], t))
	}
	d.Bands = bands(&rec.Scenario, rec.Result.Simulated)
	d.Messages = describeMessages(rec.Messages, t)
	d.Steps = describeSteps(rec.Steps, t)
	d.Fields, d.Extras = fieldNames[:], extraNames[:]
	for _, r := range rec.Records {
		d.Records = append(d.Records, describeRecord(r, t))
	}
	d.Series = describeSeries(&rec.Series, len(rec.Hosts))
	if o := rec.Omitted; o.Messages+o.Steps > 0 {
		d.Omitted = &omitted{o.Messages, o.Steps, int64(o.Before)}
	}
	d.Strings = t.list
	return d
}

// describeUnmet lists the expectations that the run did not meet.
func describeUnmet(run *Run) []unmet {
	var list []unmet
	result := &run.Recording.Result
	for i := range result.Unmet {
		u := &result.Unmet[i]
		d := unmet{Expect: u.Expect.String(), Saw: u.Saw, At: -1, Focus: focus{u.Expect.Hosts.First, string(u.Expect.Rollout)}}
		if u.Expect.At.Given {
			d.At = int64(min(u.Expect.At.Min, result.Simulated))
		}
		if run.Source != nil {
			d.Line = run.Source.ExpectLine(u.Index)
		}
		list = append(list, d)
	}
	return list
}

// facts are the lines of the summary.
func facts(run *Run) [][2]string {
	r := &run.Recording.Result
	list := [][2]string{{"seed", strconv.FormatUint(r.Seed, 10)}}
	add := func(name, value string) {
		if value != "" {
			list = append(list, [2]string{name, value})
		}
	}
	add("profile", run.Profile)
	add("file", run.File)
	add("hosts", strconv.Itoa(len(run.Recording.Hosts)))
	add("simulated", r.Simulated.Round(time.Millisecond).String())
	if run.Recording.Healed > 0 {
		add("healed", run.Recording.Healed.String())
	}
	add("steps", strconv.FormatUint(r.Events, 10))
	add("hash", fmt.Sprintf("%016x", r.Hash))
	add("build", run.Build)
	return list
}

var hostKinds = map[world.HostKind]string{world.FullHost: "", world.LegacyHost: "legacy", world.HostileHost: "hostile", world.FieldHost: "field"}

func describeHost(h *record.HostTrack, t *table) host {
	d := host{Name: string(h.Name), Kind: hostKinds[h.Kind]}
	for _, c := range h.Process {
		up := int64(0)
		if c.Up {
			up = 1
		}
		d.Process = append(d.Process, [5]int64{int64(c.Step), int64(c.At), up, t.number(string(c.Running)), t.number(string(c.Switching))})
	}
	for _, c := range h.Reach {
		d.Reach = append(d.Reach, [3]int64{int64(c.Step), int64(c.At), int64(c.State)})
	}
	return d
}

// The fields of a record, and what an agent knows besides.
var (
	fieldNames = [...]string{
		"state", "last event", "target", "runs", "ran at dispatch", "dispatched", "acknowledged", "activation started",
		"activation completed", "soak due", "ended", "probes", "inferred",
	}
	extraNames = [...]string{"answered up to", "busy", "events to send", "replaying", "superseded", "plane does not know it"}
)

func describeRecord(r *record.RecordTrack, t *table) recordTracks {
	d := recordTracks{Rollout: string(r.Rollout), Host: r.Host}
	for i := range r.Plane {
		d.Plane = append(d.Plane, describeVersion(&r.Plane[i], t))
	}
	for i := range r.Agent {
		v := &r.Agent[i]
		row := describeVersion(&v.RecordVersion, t)
		if v.There {
			for _, s := range []string{
				strconv.FormatUint(uint64(v.View.Acknowledged), 10), yes(v.View.Busy), yes(v.View.Unsent),
				yes(v.View.Replaying), yes(v.View.Superseded), yes(v.View.Unknown),
			} {
				row = append(row, t.number(s))
			}
		}
		d.Agent = append(d.Agent, row)
	}
	return d
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func describeVersion(v *record.RecordVersion, t *table) []int64 {
	row := []int64{int64(v.Step), int64(v.At), 0}
	if !v.There {
		return row
	}
	rec := &v.Record
	row[2] = int64(rec.State)
	state := rec.State.String()
	if rec.Synthesised() {
		state += " (inferred)"
	}
	for _, s := range []string{
		state, strconv.FormatUint(uint64(rec.LastEventSeq), 10), string(rec.TargetClosure), string(rec.CurrentClosure),
		string(rec.CurrentClosureAtDispatch), sinceEpoch(rec.DispatchedAt), sinceEpoch(rec.DispatchAckedAt), sinceEpoch(rec.ActivationStartedAt),
		sinceEpoch(rec.ActivationCompletedAt), sinceEpoch(rec.SoakDueAt), sinceEpoch(rec.EndedAt), probes(rec.Probes), marks(rec.Marks),
	} {
		row = append(row, t.number(s))
	}
	return row
}

// sinceEpoch writes an instant of somebody's wall clock as seconds since the
// world began, so that it can be compared with the time axis.
func sinceEpoch(at wire.Time) string {
	if !at.IsSet() {
		return ""
	}
	return strconv.FormatFloat(at.Std().Sub(scenario.Epoch.Std()).Seconds(), 'f', -1, 64) + " s"
}

func probes(list []rollout.Probe) string {
	var words []string
	for i := range list {
		p := &list[i]
		status := "not run yet"
		if p.LastObservedAt.IsSet() {
			status = p.Status.String()
		}
		if p.FirstFailedAt.IsSet() {
			status += " since " + sinceEpoch(p.FirstFailedAt)
		}
		words = append(words, string(p.Name)+" "+status)
	}
	return strings.Join(words, ", ")
}

func marks(m rollout.Marks) string {
	var words []string
	for _, mark := range []struct {
		bit  rollout.Marks
		word string
	}{
		{rollout.MarkDispatchAckedAt, "acknowledged"}, {rollout.MarkActivationCompletedAt, "activation completed"},
		{rollout.MarkSoakDueAt, "soak due"}, {rollout.MarkCurrentClosure, "runs"},
	} {
		if m.Has(mark.bit) {
			words = append(words, mark.word)
		}
	}
	return strings.Join(words, ", ")
}
