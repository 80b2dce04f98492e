package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// recordedActive is how long a scenario that was made from a recording runs
// before the fleet has to converge.
const recordedActive = 10 * time.Minute

// toScenario writes a scenario that starts from a state of the recording.
func (c *simReplayCommand) toScenario(rec *flight.Recording, report *replayReport, out io.Writer) error {
	stop := report.Steps
	switch {
	case c.AtStep != nil:
		stop = *c.AtStep
	case report.First != nil && report.First.Panic != "":
		stop-- // a step that panicked leaves no valid state
	}
	player, err := rec.Play()
	if err != nil {
		return err
	}
	at := rec.Header.At
	for made := 0; made < stop; {
		s, more := player.Peek()
		if !more {
			break
		}
		if err := player.Next(); err != nil {
			return err
		}
		if s.Input != nil {
			made, at = made+1, s.At.Wall
		}
	}
	s, names, err := scenario.StartFrom(player.Plane(), at)
	if err != nil {
		return usageError(c.File + ": " + err.Error())
	}
	s.Active = recordedActive
	var text strings.Builder
	fmt.Fprintf(&text, "# The state of a plane after step %d of %d that were recorded: %s at %v.\n", stop, rec.Header.Steps, rec.Header.Reason, rec.Header.At)
	text.WriteString("# The agents have lost their logs, and recover from the plane's snapshots.\n#\n")
	for i, name := range names {
		fmt.Fprintf(&text, "# %s is %s\n", scenario.HostName(i+1), name)
	}
	text.WriteString(s.Brief())
	if c.ToScenario == "-" {
		_, err := io.WriteString(out, text.String())
		return err
	}
	if err := writeOutput("--to-scenario", c.ToScenario, []byte(text.String()), 0o600); err != nil {
		return err
	}
	report.Scenario = c.ToScenario
	return nil
}
