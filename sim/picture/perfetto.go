package picture

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// traceEvent is one event of the Chrome trace event format, as Perfetto reads
// it. Times are microseconds.
type traceEvent struct {
	Name  string         `json:"name"`
	Cat   string         `json:"cat,omitempty"`
	Phase string         `json:"ph"`
	At    micros         `json:"ts"`
	Dur   *micros        `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	ID    string         `json:"id,omitempty"`
	Scope string         `json:"s,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// micros is a time that is written in microseconds, to the nanosecond.
type micros time.Duration

// MarshalJSON implements json.Marshaler.
func (m micros) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%03d", int64(m)/1000, int64(m)%1000), nil
}

// Processes of a trace: what the scenario does, the plane, and then the hosts
// by number.
const (
	pidScenario = 1
	pidPlane    = 2
	pidHosts    = 2 // and the host's number
)

// WritePerfetto writes a run as Chrome trace events, for ui.perfetto.dev: a
// process for the plane and for each host; requests as asynchronous slices;
// states of processes and records as slices; the inbox, refusals, reachable
// hosts and records as counters; faults, acts and the violation.
func WritePerfetto(w io.Writer, run Run) error {
	t := traceWriter{to: bufio.NewWriterSize(w, 1<<16)}
	result := &run.Recording.Result
	t.text(`{"displayTimeUnit":"ms","otherData":`)
	about := map[string]string{"verdict": result.Word(), "again": run.Again}
	for _, fact := range facts(&run) {
		about[fact[0]] = fact[1]
	}
	t.json(about)
	t.text(",\n\"traceEvents\":[\n")
	t.scenario(run.Recording)
	t.plane(run.Recording)
	for i := range run.Recording.Hosts {
		t.host(run.Recording, i+1)
	}
	t.records(run.Recording)
	for _, m := range run.Recording.Messages {
		t.message(m)
	}
	t.text("\n]}\n")
	if t.err != nil {
		return fmt.Errorf("trace: %w", t.err)
	}
	return t.to.Flush()
}

// traceWriter writes events one by one: a trace may be large.
type traceWriter struct {
	to    *bufio.Writer
	begun bool
	err   error
}

func (t *traceWriter) text(s string) {
	if _, err := t.to.WriteString(s); t.err == nil {
		t.err = err
	}
}

func (t *traceWriter) json(v any) {
	b, err := json.Marshal(v)
	if t.err == nil {
		t.err = err
	}
	t.text(string(b))
}

func (t *traceWriter) event(e traceEvent) {
	if t.begun {
		t.text(",\n")
	}
	t.begun = true
	t.json(e)
}

func (t *traceWriter) named(pid, tid int, process, thread string) {
	if process != "" {
		t.event(traceEvent{Name: "process_name", Phase: "M", PID: pid, Args: map[string]any{"name": process}})
		t.event(traceEvent{Name: "process_sort_index", Phase: "M", PID: pid, Args: map[string]any{"sort_index": pid}})
	}
	if thread != "" {
		t.event(traceEvent{Name: "thread_name", Phase: "M", PID: pid, TID: tid, Args: map[string]any{"name": thread}})
	}
}

// slice writes a complete slice; one of no length is an instant.
func (t *traceWriter) slice(pid, tid int, name, cat string, from, to time.Duration, args map[string]any) {
	dur := micros(to - from)
	t.event(traceEvent{Name: name, Cat: cat, Phase: "X", At: micros(from), Dur: &dur, PID: pid, TID: tid, Args: args})
}

func (t *traceWriter) scenario(rec *record.Recording) {
	t.named(pidScenario, 0, "scenario", "")
	for i, b := range bands(&rec.Scenario, rec.Result.Simulated) {
		cat := "fault"
		if b.On == "operator" {
			cat = "act"
		}
		id := "f" + strconv.Itoa(i+1)
		args := map[string]any{"on": b.On}
		t.event(traceEvent{Name: b.Text, Cat: cat, Phase: "b", At: micros(b.From), PID: pidScenario, ID: id, Args: args})
		t.event(traceEvent{Name: b.Text, Cat: cat, Phase: "e", At: micros(max(b.To, b.From+1)), PID: pidScenario, ID: id})
	}
	if rec.Healed > 0 {
		t.event(traceEvent{Name: "healed", Cat: "phase", Phase: "i", At: micros(rec.Healed), PID: pidScenario, Scope: "g"})
	}
	if v := rec.Result.Violation; v != nil {
		name := v.Checker + " violated"
		if rec.Result.Expected {
			name += ", as expected"
		}
		t.event(traceEvent{Name: name, Cat: "violation", Phase: "i", At: micros(v.At), PID: pidScenario, Scope: "g",
			Args: map[string]any{"step": v.Step, "detail": v.Detail}})
	}
}

func (t *traceWriter) plane(rec *record.Recording) {
	t.named(pidPlane, 1, "plane", "process")
	end := rec.Result.Simulated
	for i, c := range rec.Plane {
		to := end
		if i+1 < len(rec.Plane) {
			to = rec.Plane[i+1].At
		}
		t.slice(pidPlane, 1, c.State.String(), "plane", c.At, to, map[string]any{"step": c.Step})
	}
	s := &rec.Series
	var last [4]string
	for i := range s.Buckets {
		b := &s.Buckets[i]
		refused, records := map[string]any{}, map[string]any{}
		for r, n := range b.Refused {
			refused[wire.UnavailableCodes[r].String()] = n
		}
		for r, n := range b.Records {
			records[wire.States[r].String()] = n
		}
		for k, c := range []struct {
			name string
			args map[string]any
		}{
			{"inbox depth", map[string]any{"requests": b.Depth}},
			{"503", refused},
			{"hosts", map[string]any{"reachable": b.Reachable, "agents up": b.Up}},
			{"records", records},
		} {
			if now := fmt.Sprint(c.args); now != last[k] { // maps are printed in key order
				last[k] = now
				t.event(traceEvent{Name: c.name, Phase: "C", At: micros(time.Duration(i) * s.Width), PID: pidPlane, Args: c.args})
			}
		}
	}
}

func (t *traceWriter) host(rec *record.Recording, n int) {
	h, pid, end := &rec.Hosts[n-1], pidHosts+n, rec.Result.Simulated
	name := string(h.Name)
	if kind := hostKinds[h.Kind]; kind != "" {
		name += " (" + kind + ")"
	}
	t.named(pid, 1, name, "process")
	for i, c := range h.Process {
		to := end
		if i+1 < len(h.Process) {
			to = h.Process[i+1].At
		}
		word := "down"
		switch {
		case c.Up && c.Switching != "":
			word = "switching to " + string(c.Switching)
		case c.Up:
			word = "runs " + string(c.Running)
		}
		t.slice(pid, 1, word, "host", c.At, to, map[string]any{"step": c.Step})
	}
	t.named(pid, 2, "", "reachable, says the plane")
	for i, c := range h.Reach {
		to := end
		if i+1 < len(h.Reach) {
			to = h.Reach[i+1].At
		}
		if c.State != 0 {
			t.slice(pid, 2, c.State.String(), "host", c.At, to, map[string]any{"step": c.Step})
		}
	}
}

func (t *traceWriter) records(rec *record.Recording) {
	tracks := make(map[int]int) // by host
	for _, r := range rec.Records {
		pid := pidHosts + r.Host
		tid := 10 + 2*tracks[r.Host]
		tracks[r.Host]++
		agents := make([]record.RecordVersion, len(r.Agent))
		for i := range r.Agent {
			agents[i] = r.Agent[i].RecordVersion
		}
		t.named(pid, tid, "", "agent: "+string(r.Rollout))
		t.states(pid, tid, agents, rec.Result.Simulated)
		t.named(pid, tid+1, "", "plane: "+string(r.Rollout))
		t.states(pid, tid+1, r.Plane, rec.Result.Simulated)
	}
}

// states writes a record's states as slices.
func (t *traceWriter) states(pid, tid int, versions []record.RecordVersion, end time.Duration) {
	for i := 0; i < len(versions); {
		v := &versions[i]
		next := i + 1
		for next < len(versions) && versions[next].There == v.There && versions[next].Record.State == v.Record.State {
			next++
		}
		to := end
		if next < len(versions) {
			to = versions[next].At
		}
		if v.There {
			t.slice(pid, tid, v.Record.State.String(), "record", v.At, to, map[string]any{"step": v.Step, "seq": v.Record.LastEventSeq})
		}
		i = next
	}
}

// message writes a request as an asynchronous slice, with its stay at the plane
// inside.
func (t *traceWriter) message(m *record.MessageTrack) {
	pid, id := pidScenario, "m"+strconv.FormatUint(m.ID, 10)
	if m.Host > 0 {
		pid = pidHosts + m.Host
	}
	cat, end := m.Kind.String(), max(m.Sent.At, m.Arrived.At, m.Answered.At, m.Heard.At, m.Late.At)
	args := map[string]any{"message": id, "says": m.Text, "step": m.Sent.Step}
	answer := "no answer"
	if m.Answered.Happened() {
		answer = fmt.Sprintf("%d %v", m.Code.Status(), m.Code)
	}
	args["answer"] = answer
	if m.RetryAfter > 0 {
		args["retry_after"] = m.RetryAfter.Seconds()
	}
	if m.Replay {
		args["replay_from"] = m.ReplayFrom
	}
	point := func(phase, name string, at time.Duration, args map[string]any) {
		t.event(traceEvent{Name: name, Cat: cat, Phase: phase, At: micros(at), PID: pid, ID: id, Args: args})
	}
	name := cat + ": " + answer
	point("b", name, m.Sent.At, args)
	if m.Lost != scenario.Both {
		point("n", "lost: "+m.Why.String(), m.Gone.At, map[string]any{"step": m.Gone.Step})
	}
	if m.Arrived.Happened() && m.Answered.Happened() {
		point("b", "at the plane", m.Arrived.At, map[string]any{"step": m.Arrived.Step})
		point("e", "at the plane", m.Answered.At, map[string]any{"step": m.Answered.Step})
	}
	if m.Late.Happened() {
		point("n", "late reply", m.Late.At, map[string]any{"step": m.Late.Step})
	}
	point("e", name, end, nil)
}
