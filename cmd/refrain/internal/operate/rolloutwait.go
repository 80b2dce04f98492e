package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/cmd/refrain/internal/planeclient"
	"github.com/refrain-fleet/refrain/core/wire"
)

// RolloutWait waits for a rollout.
type RolloutWait struct {
	Connection
	rolloutArg
	For     string        `default:"converged" enum:"converged,terminal,dispatched,halted,failed,superseded" env:"REFRAIN_WAIT_FOR" placeholder:"WORD" help:"What is waited for: ${enum} (${default}). Converged: every host; terminal: every host is at an end, whichever; dispatched: every wave; failed: a host failed or rolled back."`
	Timeout time.Duration `default:"1h" placeholder:"DUR" help:"How long to wait at most (${default})."`
	Every   time.Duration `default:"2s" placeholder:"DUR" help:"How often the plane is asked (${default})."`
	Quiet   bool          `short:"q" help:"Print nothing but the result."`
}

// verdict is what a look at a rollout says of a condition.
type verdict uint8

const (
	notYet verdict = iota
	reached
	never // it cannot be reached any more, or not without an operator
)

// judge looks at a rollout. The text says why a condition cannot be reached.
func judge(condition string, r *wire.RolloutStatus) (verdict, string) {
	n, hosts := &r.Counts, hostsOf(&r.Counts)
	ended := n.Converged + n.Failed + n.Reverted
	failed := n.Failed + n.Reverted
	so := map[string]bool{
		"converged":  n.Converged == hosts,
		"terminal":   ended == hosts || r.State == wire.Terminal,
		"dispatched": int(r.WavesDispatched) == len(r.Policy.Waves),
		"halted":     r.HaltedBy != "",
		"failed":     failed > 0,
		"superseded": r.SupersededBy != "",
	}[condition]
	switch {
	case so:
		return reached, ""
	case r.SupersededBy != "":
		return never, "it is superseded by " + string(r.SupersededBy)
	case r.State == wire.Held:
		return never, "it is held until an operator chooses a rollout of the channel"
	case condition == "superseded":
		return notYet, ""
	case !r.Aborted.IsUnset() && n.Activating+n.Soaking == 0:
		return never, "it is aborted"
	case condition == "converged" && failed > 0:
		return never, fmt.Sprintf("%d of its hosts failed", failed)
	case r.HaltedBy != "":
		return never, fmt.Sprintf("it is halted by %s", r.HaltedBy)
	case ended == hosts || r.State == wire.Terminal:
		return never, "all of its hosts are at an end, or skipped"
	}
	return notYet, ""
}

// Run implements the command.
func (c *RolloutWait) Run(ctx context.Context, out IO) error {
	if c.Timeout <= 0 || c.Every < minEvery {
		return usage("nothing was sent", "--timeout is %v and --every %v; want more than 0s, and at least %v", c.Timeout, c.Every, minEvery)
	}
	client, err := c.connect(c.Timeout, out)
	if err != nil {
		return err
	}
	defer client.Close()
	late := fmt.Errorf("not %s within %v", c.For, c.Timeout)
	within, cancel := context.WithTimeoutCause(ctx, c.Timeout, late)
	defer cancel()
	last := ""
	id, err := rolloutNamed(within, client, c.Rollout)
	for err == nil {
		var r *wire.RolloutStatus
		r, err = c.look(within, client, id, out)
		if err != nil {
			break
		}
		if line := progress(r); line != last {
			if last = line; !c.Quiet {
				fmt.Fprintf(out.Err, "%s  %s\n", time.Now().UTC().Format(time.RFC3339), line)
			}
		}
		switch v, why := judge(c.For, r); v {
		case reached:
			fmt.Fprintf(out.Out, "%s: %s\n", id, c.For)
			return nil
		case never:
			return &Error{Err: fmt.Errorf("%s is not %s and will not be by itself: %s", id, c.For, why), Code: CodeFailed, Hint: "refrain rollout show " + string(id) + " shows its hosts"}
		}
		err = planeclient.Sleep(within, c.Every)
	}
	if errors.Is(err, late) || errors.Is(context.Cause(within), late) {
		if last != "" {
			late = fmt.Errorf("%w; %s", late, last)
		}
		return &Error{Err: fmt.Errorf("%s: %w", c.Rollout, late), Code: CodeFailed}
	}
	return explain(err)
}

// look reads the rollout. A plane that cannot be reached for a while is asked again: a
// wait outlasts a restart of the plane.
func (c *RolloutWait) look(ctx context.Context, client *planeclient.Client, id wire.RolloutID, out IO) (*wire.RolloutStatus, error) {
	noted := false
	for {
		r, err := planeclient.Head(ctx, client, id)
		var unreachable *planeclient.Unreachable
		if !errors.As(err, &unreachable) || unreachable.Fault {
			return r, err
		}
		if !noted {
			fmt.Fprintf(out.Err, "note: %v; asking again\n", err)
			noted = true
		}
		if err := planeclient.Sleep(ctx, c.Every); err != nil {
			return nil, err
		}
	}
}

// progress is the state of a rollout in a line.
func progress(r *wire.RolloutStatus) string {
	parts := []string{fmt.Sprintf("%s %v", r.RolloutID, r.State), fmt.Sprintf("wave %d of %d", r.WavesDispatched, len(r.Policy.Waves)), countsOf(&r.Counts)}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}
