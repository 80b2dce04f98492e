package rollout_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestStories plays the files of testdata. Their commands:
//
//	record [target=c2] [soak=300] [dispatched=10:00:00]   starts with a fresh record
//	apply        takes events, one a line: number, kind, members
//	heartbeat    closure= [at=]; with at= it names no rollout and may confirm (H4),
//	             without it is judged for drift (H2)
//	restore seq=N   a plane from a backup: the record as it was at that number
//	bootstrap    the agent goes on from the snapshot (A4)
//	show         writes the record, a member a line
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var r rollout.Record
		backups := map[wire.Seq]rollout.Record{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s := &story{t: t, d: d}
			switch d.Cmd {
			case "record":
				soak, _ := strconv.Atoi(s.arg("soak", "300"))
				r = rollout.New(id, host, wire.Closure(s.arg("target", "c2")), 0, wire.Count(soak))
				if d.HasArg("dispatched") {
					r.Dispatch(s.clock(s.arg("dispatched", "")))
				}
			case "apply":
				for _, line := range strings.Split(d.Input, "\n") {
					s.apply(&r, line)
					backups[r.LastEventSeq] = r.Clone()
				}
			case "heartbeat":
				closure := wire.Closure(s.arg("closure", ""))
				switch {
				case d.HasArg("at") && r.Confirm(closure, s.clock(s.arg("at", ""))):
					s.out.WriteString("confirmed\n")
				case d.HasArg("at"):
					s.out.WriteString("nothing to confirm\n")
				case r.Drifted(closure):
					fmt.Fprintf(&s.out, "drift: replay from %d\n", r.LastEventSeq)
				default:
					s.out.WriteString("no drift\n")
				}
			case "restore":
				seq, _ := strconv.Atoi(s.arg("seq", ""))
				backup := backups[wire.Seq(seq)]
				r = backup.Clone()
			case "bootstrap":
				r = rollout.FromSnapshot(r.Snapshot(), r.Wave, r.SoakSeconds)
			case "show":
				s.show(&r)
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			sound(t, &r)
			if d.Cmd != "show" {
				s.out.WriteString(r.String() + "\n")
			}
			return s.out.String()
		})
	})
}

// story is one command of a file.
type story struct {
	t   *testing.T
	d   *datadriven.TestData
	out strings.Builder
}

func (s *story) arg(name, otherwise string) string {
	if s.d.HasArg(name) {
		s.d.ScanArgs(s.t, name, &otherwise)
	}
	return otherwise
}

// clock reads an hour of the day on which every story plays.
func (s *story) clock(hour string) wire.Time {
	at, err := wire.ParseTime("2026-01-31T" + hour + "Z")
	if err != nil {
		s.d.Fatalf(s.t, "%q is no time of day: %v", hour, err)
	}
	return at
}

func (s *story) apply(r *rollout.Record, line string) {
	words := strings.Fields(line)
	seq, err := strconv.Atoi(words[0])
	if err != nil {
		s.d.Fatalf(s.t, "%q does not begin with a number", line)
	}
	members := map[string]string{}
	for _, word := range words[2:] {
		name, value, _ := strings.Cut(word, "=")
		members[name] = value
	}
	got := r.Apply(wire.Event{Seq: wire.Seq(seq), Body: s.body(words[1], members)})
	fmt.Fprintf(&s.out, "%d %s: %v", seq, words[1], got.Outcome)
	if got.Detail != "" {
		s.out.WriteString(": " + got.Detail)
	}
	s.out.WriteString("\n")
}

func (s *story) body(kind string, members map[string]string) wire.EventBody {
	at := s.clock(members["at"])
	closure := wire.Closure(members["closure"])
	probe := wire.Name(members["probe"])
	mode := map[string]wire.Mode{"": wire.Enforce, "observe": wire.Observe, "disabled": wire.Disabled}[members["mode"]]
	switch kind {
	case "DispatchAck":
		return wire.DispatchAck{CurrentClosureAtDispatch: closure, ReceivedAt: at}
	case "ActivationStarted":
		return wire.ActivationStarted{StartedAt: at, SwitchMethod: "switch"}
	case "ActivationCompleted":
		return wire.ActivationCompleted{ObservedCurrentClosure: closure, CompletedAt: at}
	case "ActivationDeferred":
		return wire.ActivationDeferred{Component: "kernel", DeferredAt: at}
	case "ActivationFailed":
		return wire.ActivationFailed{ExitCode: 1, FailedAt: at}
	case "ProbeTopologyDeclared":
		b := wire.ProbeTopologyDeclared{DeclaredAt: at}
		for _, name := range strings.Split(members["probes"], ",") {
			b.Probes = append(b.Probes, wire.ProbeDeclaration{ProbeName: wire.Name(name), ProbeKind: "tcp", Mode: mode})
		}
		return b
	case "ProbeObservedFirst":
		return wire.ProbeObservedFirst{ProbeName: probe, Mode: mode, ObservedAt: at}
	case "ProbeResult":
		status := map[string]wire.ProbeStatus{"pass": wire.Pass, "fail": wire.Fail}[members["status"]]
		return wire.ProbeResult{ProbeName: probe, Mode: mode, Status: status, ObservedAt: at}
	case "ProbeFailureFirst":
		return wire.ProbeFailureFirst{ProbeName: probe, Mode: mode, FirstFailedAt: at}
	case "Failed":
		return wire.HealthFailed{FailedAt: at, SustainedDurationSecs: 120, PolicyApplied: wire.RollbackAndHalt}
	case "RollbackComplete":
		return wire.RollbackComplete{RevertedToClosure: closure, CompletedAt: at}
	case "Converged":
		return wire.HostConverged{ConvergedAt: at, CurrentClosure: closure}
	}
	s.d.Fatalf(s.t, "unknown kind %s", kind)
	return nil
}

// show writes the record's canonical JSON for people: a member a line, the day
// left out.
func (s *story) show(r *rollout.Record) {
	var indented bytes.Buffer
	if err := json.Indent(&indented, r.AppendJSON(nil), "", "  "); err != nil {
		s.t.Fatal(err)
	}
	s.out.WriteString(strings.ReplaceAll(indented.String(), s.clock("00:00:00").Std().Format(time.DateOnly)+"T", "") + "\n")
}
