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

// steering is the flags of a command by which an operator steers (PROTOCOL O).
type steering struct {
	Reading
	Reason string `placeholder:"TEXT" help:"Why; it is shown as long as the act is in force."`
}

func (s *steering) body() []byte {
	return wire.SteerRequestSchema.Append(nil, &wire.SteerRequest{Reason: wire.Text(s.Reason)})
}

// RolloutPause pauses a rollout.
type RolloutPause struct {
	steering
	rolloutArg
}

// Run implements the command.
func (c *RolloutPause) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, c.act(c.Rollout, "pause", c.body()))
}

// RolloutAbort aborts a rollout.
type RolloutAbort struct {
	steering
	rolloutArg
}

// Run implements the command.
func (c *RolloutAbort) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, c.act(c.Rollout, "abort", c.body()))
}

// hostArg names a host.
type hostArg struct {
	Hostname string `arg:"" help:"The host."`
}

// HostSkip skips a host of a rollout.
type HostSkip struct {
	steering
	hostArg
	rolloutArg
}

// Run implements the command.
func (c *HostSkip) Run(ctx context.Context, out IO) error {
	return c.show(ctx, out, c.act(c.Rollout, "hosts/"+url.PathEscape(c.Hostname)+"/skip", c.body()))
}

// HostCordon cordons a host.
type HostCordon struct {
	steering
	hostArg
}

// Run implements the command.
func (c *HostCordon) Run(ctx context.Context, out IO) error {
	return c.steer(ctx, out, planeclient.Request{Path: hostPath(c.Hostname) + "/cordon", Body: c.body()},
		c.Hostname+" is cordoned: no dispatch is offered to it")
}

// HostUncordon ends the cordon of a host.
type HostUncordon struct {
	steering
	hostArg
}

// Run implements the command.
func (c *HostUncordon) Run(ctx context.Context, out IO) error {
	return c.steer(ctx, out, planeclient.Request{Path: hostPath(c.Hostname) + "/uncordon", Body: c.body()},
		c.Hostname+" is not cordoned")
}

// HostForget forgets a host.
type HostForget struct {
	steering
	hostArg
}

// Run implements the command.
func (c *HostForget) Run(ctx context.Context, out IO) error {
	return c.steer(ctx, out, planeclient.Request{Path: hostPath(c.Hostname) + "/forget", Body: c.body()},
		c.Hostname+" is forgotten until its next heartbeat")
}

// steer sends an act about a host, whose answer has no document, and prints what is so
// then.
func (s *steering) steer(ctx context.Context, out IO, r planeclient.Request, done string) error {
	return s.show(ctx, out, func(ctx context.Context, client *planeclient.Client, w io.Writer) error {
		_, err := client.Do(ctx, r)
		if err == nil && !s.asJSON() {
			_, err = fmt.Fprintln(w, done)
		}
		return err
	})
}

func hostPath(name string) string { return hostsPath + "/" + url.PathEscape(name) }

// markOf is since when an act is in force, and why.
func markOf(m wire.Mark) string {
	if m.Reason == "" {
		return stamp(m.Since)
	}
	return stamp(m.Since) + ": " + string(m.Reason)
}

// blockedOf counts the hosts that are held back, by what does.
func blockedOf(counts *wire.BlockedCounts) string {
	var parts []string
	for gate := wire.Gate(1); int(gate) < wire.GateCount; gate++ {
		if n := counts[gate]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", n, gate))
		}
	}
	return strings.Join(parts, ", ")
}
