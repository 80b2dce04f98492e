package operate

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/wire"
)

// RolloutCommand is about rollouts.
type RolloutCommand struct {
	List   RolloutList   `cmd:"" help:"List the rollouts that are not superseded, or all."`
	Show   RolloutShow   `cmd:"" help:"Show one rollout and its hosts."`
	Why    RolloutWhy    `cmd:"" help:"Say why a rollout is not at its target."`
	Open   RolloutOpen   `cmd:"" help:"Open a rollout from a manifest, or say what that would do."`
	Diff   RolloutDiff   `cmd:"" help:"Compare a manifest with the rollout in force on its channel."`
	Wait   RolloutWait   `cmd:"" help:"Wait until a rollout has come so far; the exit code says whether it has."`
	Trace  RolloutTrace  `cmd:"" help:"Show every change of state of every host, with its time and who reported it."`
	Resume RolloutResume `cmd:"" help:"Let a rollout go on that is paused, or halted: without the hosts that failed."`
	Pause  RolloutPause  `cmd:"" help:"Have nothing more of a rollout offered until it is resumed."`
	Abort  RolloutAbort  `cmd:"" help:"End a rollout: nothing of it is dispatched any more."`
	Choose RolloutChoose `cmd:"" help:"Put one of several held rollouts in force."`
}

const rolloutsPath = "/v1/operator/rollouts"

// RolloutList lists rollouts.
type RolloutList struct {
	Watching
	All     bool   `help:"Also those that are superseded."`
	State   string `placeholder:"STATE" help:"Only rollouts in this state, such as Halted."`
	Channel string `placeholder:"CHANNEL" help:"Only rollouts of this channel."`
}

// Run implements the command.
func (c *RolloutList) Run(ctx context.Context, out IO) error {
	state, err := word("--state", c.State, rolloutStates())
	if err != nil {
		return err
	}
	query := url.Values{}
	set(query, "state", state)
	set(query, "channel", c.Channel)
	if !c.All && state == "" {
		query.Set("current", "true")
	}
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		rollouts, err := planeclient.All(ctx, client, rolloutsPath, query, "rollouts", &wire.RolloutStatusSchema)
		if err != nil {
			return err
		}
		if c.asJSON() {
			return writeList(w, "rollouts", &wire.RolloutStatusSchema, rollouts)
		}
		return rolloutTable(rollouts, c.wide()).print(w, "no rollouts")
	})
}

func rolloutTable(rollouts []wire.RolloutStatus, wide bool) *table {
	t := newTable("ROLLOUT", "STATE", "WAVES", "HOSTS", "CONVERGED", "UNDER WAY", "FAILED", "OPENED")
	if wide {
		t.header = append(t.header, "ON FAILURE", "SIGNED", "BACKED", "HALTED BY", "SUPERSEDED BY")
	}
	for i := range rollouts {
		r := &rollouts[i]
		n := &r.Counts
		cells := []string{
			string(r.RolloutID), r.State.String(), fmt.Sprintf("%d/%d", r.WavesDispatched, len(r.Policy.Waves)), fmt.Sprint(hostsOf(n)),
			fmt.Sprint(n.Converged), fmt.Sprint(n.Activating + n.Deferred + n.Soaking), fmt.Sprint(n.Failed + n.Reverted), stamp(r.OpenedAt),
		}
		if wide {
			cells = append(cells, r.Policy.OnHealthFailure.String(), yesNo(bool(r.Signed)), yesNo(bool(r.Backed)), wire.OrDash(r.HaltedBy), wire.OrDash(r.SupersededBy))
		}
		t.row(cells...)
	}
	return t
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// hostsOf counts the hosts of a rollout.
func hostsOf(n *wire.StateCounts) (hosts wire.Count) {
	for _, s := range wire.States {
		hosts += *n.Of(s)
	}
	return hosts
}

// countsOf lists the states that hosts are in, in path order.
func countsOf(n *wire.StateCounts) string {
	var parts []string
	for _, s := range wire.States {
		if count := *n.Of(s); count > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", count, s))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// currentRollouts are the rollouts that are not superseded.
func currentRollouts(ctx context.Context, client *planeclient.Client) (map[wire.RolloutID]bool, error) {
	current := make(map[wire.RolloutID]bool)
	err := planeclient.Each(ctx, client, rolloutsPath, url.Values{"current": {"true"}}, "rollouts", &wire.RolloutStatusSchema, func(r *wire.RolloutStatus) bool {
		current[r.RolloutID] = true
		return true
	})
	return current, err
}

// rolloutNamed finds a rollout by its ID, or by its channel: then it is the one of the
// channel that is not superseded.
func rolloutNamed(ctx context.Context, client *planeclient.Client, name string) (wire.RolloutID, error) {
	if strings.Contains(name, "@") {
		id, err := wire.ParseRolloutID(name)
		if err != nil {
			return "", usage("nothing was sent", "the rollout %q: %w", name, err)
		}
		return id, nil
	}
	if _, err := wire.ParseChannel(name); err != nil {
		return "", usage("nothing was sent", "the rollout %q: want CHANNEL@REF, or a channel", name)
	}
	list, err := planeclient.All(ctx, client, rolloutsPath, url.Values{"current": {"true"}, "channel": {name}}, "rollouts", &wire.RolloutStatusSchema)
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "", &Error{Err: fmt.Errorf("no rollout of channel %s is in force", name), Code: CodeFailed, Hint: "refrain rollout list --all shows all rollouts"}
	case len(list) > 1:
		var ids []wire.RolloutID
		for _, r := range list {
			ids = append(ids, r.RolloutID)
		}
		return "", &Error{Err: fmt.Errorf("several rollouts of channel %s are held: %s", name, listOf(ids)), Code: CodeFailed, Hint: "name one of them; refrain rollout choose puts it in force"}
	}
	return list[0].RolloutID, nil
}

// rolloutArg names a rollout.
type rolloutArg struct {
	Rollout string `arg:"" help:"The rollout, CHANNEL@REF; or a channel, for its rollout in force."`
}

// RolloutShow shows a rollout.
type RolloutShow struct {
	Watching
	rolloutArg
	State string `placeholder:"STATE" help:"Only its hosts in this state, such as Failed."`
}

// Run implements the command.
func (c *RolloutShow) Run(ctx context.Context, out IO) error {
	state, err := word("--state", c.State, states())
	if err != nil {
		return err
	}
	query := url.Values{}
	set(query, "state", state)
	return c.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		id, err := rolloutNamed(ctx, client, c.Rollout)
		if err != nil {
			return err
		}
		r, err := planeclient.Rollout(ctx, client, id, query)
		if err != nil {
			return err
		}
		if c.asJSON() {
			return writeJSON(w, r.AppendJSON(nil))
		}
		if err := aboutRollout(r).print(w, ""); err != nil {
			return err
		}
		fmt.Fprintln(w)
		t := newTable("HOST", "WAVE", "STATE", "RUNS", "TARGET", "SOAK DUE", "ENDED", "FAILING")
		if c.wide() {
			t.header = append(t.header, "DISPATCHED", "ACKED", "ACTIVATED", "EVENTS")
		}
		for i := range r.Hosts {
			rec := &r.Hosts[i]
			s := &rec.Snapshot
			cells := []string{string(s.Hostname), fmt.Sprint(rec.Wave), stateOf(rec), wire.OrDash(s.CurrentClosure), string(s.TargetClosure), stamp(s.SoakDueAt), stamp(rec.EndedAt), listOf(rec.FailingProbes)}
			if c.wide() {
				cells = append(cells, stamp(s.DispatchedAt), stamp(s.DispatchAckedAt), stamp(s.ActivationCompletedAt), fmt.Sprint(s.LastEventSeq))
			}
			t.row(cells...)
		}
		return t.print(w, "no hosts in this state")
	})
}

// aboutRollout is what is to be said of a rollout as a whole.
func aboutRollout(r *wire.RolloutStatus) *table {
	t := newTable()
	t.row("rollout", string(r.RolloutID))
	state := r.State.String()
	switch {
	case r.SupersededBy != "":
		state += " by " + string(r.SupersededBy)
	case !r.Aborted.IsUnset():
		state += " since " + markOf(r.Aborted)
	case r.HaltedBy != "":
		state += " by " + string(r.HaltedBy)
	}
	t.row("state", state)
	if !r.Paused.IsUnset() {
		t.row("paused", "since "+markOf(r.Paused))
	}
	t.row("opened", stamp(r.OpenedAt))
	t.row("waves", fmt.Sprintf("%d of %s dispatched", r.WavesDispatched, soaks(r.Policy.Waves)))
	t.row("on failure", r.Policy.OnHealthFailure.String())
	if r.Signed {
		t.row("signed", "yes, backed: "+yesNo(bool(r.Backed)))
	}
	t.row("hosts", countsOf(&r.Counts))
	if held := blockedOf(&r.Blocked); held != "" {
		t.row("held back", held)
	}
	return t
}

// RolloutResume resumes a rollout.
type RolloutResume struct {
	Reading
	rolloutArg
}

// Run implements the command.
func (c *RolloutResume) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, c.act(c.Rollout, "resume", nil))
}

// RolloutChoose chooses a rollout.
type RolloutChoose struct {
	Reading
	rolloutArg
}

// Run implements the command.
func (c *RolloutChoose) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, c.act(c.Rollout, "choose", nil))
}

// act does something to a rollout and prints the rollout that the plane answers with.
func (r *Reading) act(name, what string, body []byte) printer {
	return func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		id, err := rolloutNamed(ctx, client, name)
		if err != nil {
			return err
		}
		path := planeclient.RolloutPath(id) + "/" + what
		answer, err := client.Do(ctx, planeclient.Request{Path: path, Post: true, Body: body})
		if err != nil {
			return err
		}
		status, err := planeclient.Decode(path, answer, &wire.RolloutStatusSchema)
		if err != nil {
			return err
		}
		if r.asJSON() {
			return writeJSON(w, status.AppendJSON(nil))
		}
		return aboutRollout(status).print(w, "")
	}
}
