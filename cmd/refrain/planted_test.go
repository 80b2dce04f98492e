package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/world"
)

// mainWithABug is refrain with a bug in every simulated run, which PLANT names.
// A bug "second-…" is only in a second process, which a search gives GOMAXPROCS.
func mainWithABug() {
	bug := os.Getenv("PLANT")
	second := os.Getenv("GOMAXPROCS") != ""
	switch {
	case bug == "no-second":
		secondFile = func() (string, error) { return "/nowhere/refrain", nil }
	case bug == "endless":
		planted = plantAt(30, neverEnd)
	case bug == "mark":
		planted = plantAt(30, func(*world.World) { markReached() })
	case bug == "violation":
		planted = plantAt(30, func(w *world.World) { w.Violate("S0", "made up") })
	case bug == "cut": // so that no probe is hit
		planted = func(o sim.Options) sim.Options { o.Until = 1; return o }
	case !second:
	case bug == "second-violates":
		planted = plantAt(30, func(w *world.World) { w.Violate("S0", "made up") })
	case bug == "second-dies":
		planted = plantAt(30, func(*world.World) {
			fmt.Fprintln(os.Stderr, "out of luck")
			os.Exit(7)
		})
	case bug == "second-differs":
		planted = func(o sim.Options) sim.Options { o.Until = 30; return o }
	case bug == "second-does-not-end":
		planted = plantAt(30, neverEnd)
	}
	main()
}

// neverEnd is a step that does not end, and never yields.
func neverEnd(*world.World) {
	markReached()
	for n := 0; ; n++ {
	}
}

// reachedFile is made once a planted bug was reached.
const reachedFile = "reached"

func markReached() {
	if err := os.WriteFile(reachedFile, nil, 0o600); err != nil {
		panic(err)
	}
}

// markingWriter is standard output; writing to it marks as well.
type markingWriter struct{}

func (markingWriter) Write(p []byte) (int, error) {
	markReached()
	return os.Stdout.Write(p)
}

// interruptMain is the program interrupt SIGNAL COMMAND...: it runs a command,
// sends it a signal once the planted bug was reached, or it has printed something,
// and exits as it does.
func interruptMain() {
	signal := map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM}[os.Args[1]]
	_ = os.Remove(reachedFile) // there is none the first time
	command := exec.Command(os.Args[2], os.Args[3:]...)
	command.Stdout, command.Stderr = markingWriter{}, os.Stderr
	if err := command.Start(); err != nil {
		panic(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }() // the exit code says what came of it
	for reached := false; !reached; {
		select {
		case <-ended: // and was not interrupted
			os.Exit(command.ProcessState.ExitCode())
		case <-time.After(time.Millisecond):
			_, err := os.Stat(reachedFile)
			reached = err == nil
		}
	}
	if err := command.Process.Signal(signal); err != nil {
		panic(err)
	}
	<-ended
	os.Exit(command.ProcessState.ExitCode())
}

// plantAt has something happen after a step of every run.
func plantAt(step uint64, do func(*world.World)) func(sim.Options) sim.Options {
	return func(o sim.Options) sim.Options {
		o.Checkers = append(check.Checkers(), check.Checker{Number: "S0", New: func(c *check.Checks) {
			c.World.Subscribe(world.EventStepEnded, func(e *world.Event) {
				if e.Step == step {
					do(e.World)
				}
			})
		}})
		return o
	}
}
