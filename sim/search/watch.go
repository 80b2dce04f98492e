package search

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// UnendedError says that a run was given up before its end: it took longer than
// its limit, or the context ended and the run did not soon after. Its goroutine
// cannot be stopped from outside and is left behind; the process should end.
type UnendedError struct {
	Scenario scenario.Scenario
	// Limit is the one that was exceeded; 0 if the context ended.
	Limit time.Duration
	// Last are the last steps that the run began. The run is inside the last of
	// them, or steps go on for ever.
	Last []record.BegunStep
	// Stacks are those of the goroutines that run worlds.
	Stacks string
}

// Error implements error, in one line.
func (e *UnendedError) Error() string {
	where := "before its first step"
	if n := len(e.Last); n > 0 {
		where = fmt.Sprintf("at step %d, %v", e.Last[n-1].Step, e.Last[n-1].At)
	}
	if e.Limit == 0 {
		return "the run was given up " + where
	}
	return fmt.Sprintf("the run did not end within %v; it is %s", e.Limit, where)
}

// runGrace is how long a run may go on once its context has ended. Nearly every
// run ends within it.
const runGrace = 400 * time.Millisecond

// Run runs a scenario as [sim.Run] does, on a goroutine of its own, and gives it
// up after a limit of wall time, or soon after the context has ended. A limit of
// 0 is none. The error is then an [*UnendedError], or else that of sim.Run.
func Run(ctx context.Context, s scenario.Scenario, o sim.Options, limit time.Duration) (check.Verdict, error) {
	type end struct {
		verdict check.Verdict
		err     error
	}
	o.Progress = new(record.Progress)
	ended := make(chan end, 1)
	go func() {
		verdict, err := sim.Run(s, o)
		ended <- end{verdict, err}
	}()
	var expired <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case e := <-ended:
		return e.verdict, e.err
	case <-expired:
	case <-ctx.Done():
		limit = 0
		grace := time.NewTimer(runGrace)
		defer grace.Stop()
		select {
		case e := <-ended:
			return e.verdict, e.err
		case <-grace.C:
		}
	}
	return check.Verdict{}, &UnendedError{Scenario: s, Limit: limit, Last: o.Progress.Last(), Stacks: WorldStacks()}
}

// WorldStacks returns the stacks of the goroutines that run worlds now.
func WorldStacks() string {
	buffer := make([]byte, 1<<20)
	all := string(buffer[:runtime.Stack(buffer, true)])
	var of []string
	for stack := range strings.SplitSeq(all, "\n\n") {
		if strings.Contains(stack, "/sim/world.") {
			of = append(of, strings.TrimSpace(stack))
		}
	}
	return strings.Join(of, "\n\n")
}
