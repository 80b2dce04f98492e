package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent/machine"
)

// agentStatusCommand prints what the agent knows, from its directory and from the
// host, whether it runs or not.
type agentStatusCommand struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

// agentReport is what status and why print. Its JSON is stable.
type agentReport struct {
	Hostname   string              `json:"hostname"`
	Running    bool                `json:"running"`
	Process    agentStatus         `json:"process"`
	Current    string              `json:"current"`
	Booted     string              `json:"booted"`
	NextBoot   string              `json:"next_boot"`
	Rollouts   []agentRollout      `json:"rollouts"`
	Transition *machine.Transition `json:"switch"`
	Staged     *machine.Staged     `json:"staged"`
	config     machine.Config
}

// agentRollout is one rollout in a report.
type agentRollout struct {
	Rollout      string    `json:"rollout"`
	State        string    `json:"state"`
	Target       string    `json:"target"`
	Unsent       bool      `json:"unsent"`
	Acknowledged uint64    `json:"acknowledged"`
	SoakEnds     time.Time `json:"soak_ends,omitzero"`
	Failing      []string  `json:"failing"`
	busy         bool
	state        wire.State
}

// report collects what is known locally.
func (f *agentFlags) report() (*agentReport, error) {
	reducer, err := f.reducer()
	if err != nil {
		return nil, err
	}
	config, err := f.machine()
	if err != nil {
		return nil, err
	}
	r := &agentReport{
		Hostname: string(reducer.Hostname), Rollouts: []agentRollout{}, config: config,
		Current: config.Current(), Booted: config.Booted(), NextBoot: config.Next(),
	}
	if r.Transition, err = machine.LoadTransition(f.StateDir); err != nil {
		return nil, err
	}
	if r.Staged, err = machine.LoadStaged(f.StateDir); err != nil {
		return nil, err
	}
	if text, err := os.ReadFile(f.statusFile()); err == nil {
		if err := json.Unmarshal(text, &r.Process); err != nil {
			return nil, fmt.Errorf("%s: %w", f.statusFile(), err)
		}
		r.Running = alive(r.Process.PID) && time.Since(r.Process.Written) < time.Minute
	}
	views, err := f.views()
	if err != nil {
		return nil, err
	}
	for _, v := range views {
		if !v.Superseded {
			r.Rollouts = append(r.Rollouts, rolloutOf(v))
		}
	}
	return r, nil
}

// alive reports whether there is a process.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

func rolloutOf(v agent.View) agentRollout {
	o := agentRollout{
		Rollout: string(v.Record.RolloutID), State: v.Record.State.String(), Target: string(v.Record.TargetClosure),
		Unsent: v.Unsent, Acknowledged: uint64(v.Acknowledged), Failing: []string{}, busy: v.Busy, state: v.Record.State,
	}
	if v.Record.State == wire.Soaking {
		o.SoakEnds = v.Record.ActivationCompletedAt.Add(v.Record.Soak()).Std()
	}
	for _, p := range v.Record.FailingProbes() {
		o.Failing = append(o.Failing, string(p))
	}
	return o
}

// Run implements the command.
func (c *agentStatusCommand) Run(io stdio, parent *agentCommand) error {
	r, err := parent.report()
	if err != nil {
		return agentUsage(err)
	}
	if c.JSON {
		return json.NewEncoder(io.Out).Encode(r)
	}
	table := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "host\t%s\n", r.Hostname)
	fmt.Fprintf(table, "agent\t%s\n", r.process())
	fmt.Fprintf(table, "runs\t%s\n", orUnknown(r.Current))
	fmt.Fprintf(table, "booted\t%s\n", orUnknown(r.Booted))
	fmt.Fprintf(table, "next boot\t%s\n", orUnknown(r.NextBoot))
	for _, o := range r.Rollouts {
		unsent := ""
		if o.Unsent {
			unsent = ", events are unsent"
		}
		fmt.Fprintf(table, "rollout\t%s is %s, target %s%s\n", o.Rollout, o.State, o.Target, unsent)
	}
	if t := r.Transition; t != nil {
		fmt.Fprintf(table, "switch\t%s of %s to %s: %s\n", t.Kind, t.Rollout, t.Target, t.Phase)
	}
	return table.Flush()
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

func (r *agentReport) process() string {
	switch {
	case !r.Running:
		return "not running"
	case r.Process.Answered.IsZero():
		return fmt.Sprintf("runs as process %d; the plane has not answered yet", r.Process.PID)
	}
	return fmt.Sprintf("runs as process %d; the plane answered at %s", r.Process.PID, r.Process.Answered.Format(time.RFC3339))
}

// agentWhyCommand says what the agent waits for.
type agentWhyCommand struct{}

// Run implements the command.
func (c *agentWhyCommand) Run(io stdio, parent *agentCommand) error {
	r, err := parent.report()
	if err != nil {
		return agentUsage(err)
	}
	r.why(io.Out)
	return nil
}

// why prints a line for each thing that is waited for.
func (r *agentReport) why(w io.Writer) {
	say := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	if !r.Running {
		say("The agent does not run, so nothing happens: start it with 'refrain agent run'.")
	} else if r.Process.LastError != "" && r.Process.Failed.After(r.Process.Answered) {
		say("The plane is not reached: %s. It is tried again.", r.Process.LastError)
	}
	if r.Current == "" {
		say("What the host runs is not known: %s is no link into %s. The agent takes no work.", r.config.CurrentSystem, r.config.StoreDir)
	}
	if r.Running && r.Process.Doing != "" {
		say("The host %s.", r.Process.Doing)
	}
	waits := false
	for _, o := range r.Rollouts {
		if line := r.waiting(o); line != "" {
			waits = true
			say("%s", line)
		}
		if o.Unsent {
			waits = true
			say("%s: events after number %d wait for the plane's answer.", o.Rollout, o.Acknowledged)
		}
	}
	switch {
	case waits:
	case r.Running && r.Current != "":
		say("Nothing is under way: the agent waits for a dispatch.")
	default:
		say("Nothing is under way.")
	}
}

// waiting says what a rollout waits for; empty if it has ended.
func (r *agentReport) waiting(o agentRollout) string {
	switch {
	case o.state == wire.Pending:
		return o.Rollout + ": it was taken up; the activation is next."
	case o.state == wire.Activating && r.Transition != nil && r.Transition.Phase == machine.Trial:
		left := max(0, r.Transition.Deadline-machine.Awake()).Round(time.Second)
		return fmt.Sprintf("%s: %s runs on trial. Unless a plane is reached within %v, the host goes back to %s.", o.Rollout, o.Target, left, r.Transition.Previous)
	case o.state == wire.Activating && r.Transition != nil:
		return fmt.Sprintf("%s: the switch to %s is in its phase %s.", o.Rollout, o.Target, r.Transition.Phase)
	case o.state == wire.Activating:
		return fmt.Sprintf("%s: %s is fetched, and then switched to.", o.Rollout, o.Target)
	case o.state == wire.Deferred:
		return fmt.Sprintf("%s: %s waits for a boot; the reboot policy is %s.", o.Rollout, o.Target, r.config.RebootPolicy)
	case o.state == wire.Soaking && len(o.Failing) > 0:
		return fmt.Sprintf("%s: probes fail: %v. If one does so without a pass for long enough, the host has failed.", o.Rollout, o.Failing)
	case o.state == wire.Soaking:
		return fmt.Sprintf("%s: the soak ends at %s; the host has converged then if every enforced probe passes.", o.Rollout, o.SoakEnds.Format(time.RFC3339))
	case o.busy:
		return o.Rollout + ": it has failed; the host rolls back to what it ran before."
	}
	return ""
}
