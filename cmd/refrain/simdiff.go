package main

import (
	"context"
	"fmt"
	goio "io"
	"os"
	"strconv"
	"strings"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/picture"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/search"
	"github.com/refrain-fleet/refrain/sim/world"
)

// simDiffCommand compares two runs.
type simDiffCommand struct {
	A string `arg:"" help:"A scenario file, or a seed and its profile: 42:swarm."`
	B string `arg:"" help:"The other one."`

	Before int    `default:"5" placeholder:"N" help:"How many steps are shown before the first that differs (${default})."`
	Steps  int    `default:"20" placeholder:"N" help:"How many steps of each are shown from there on (${default}); a page has a hundred times as many."`
	Wire   bool   `help:"Run the second one in wire fidelity: every document is encoded and decoded on its way."`
	Width  int    `default:"160" placeholder:"N" help:"How many columns the text may have (${default})."`
	HTML   string `name:"html" placeholder:"FILE" help:"Write both as a page, too."`
	JSON   bool   `name:"json" help:"Print one JSON object and nothing else."`
}

// pageSteps is how many steps of each run a page has for one of the text.
const pageSteps = 100

// simDiffReport is the result of a comparison as JSON.
type simDiffReport struct {
	Same  bool           `json:"same"`
	Step  uint64         `json:"step,omitempty"` // the first that differs
	A     simDiffOutcome `json:"a"`
	B     simDiffOutcome `json:"b"`
	Build string         `json:"build"`
}

type simDiffOutcome struct {
	Name      string        `json:"name"`
	Verdict   string        `json:"verdict"`
	Violation *simViolation `json:"violation,omitempty"`
	Events    uint64        `json:"events"`
	Hash      string        `json:"hash"`
	What      string        `json:"what,omitempty"` // at the step that differs
}

// Run implements the command.
func (c *simDiffCommand) Run(ctx context.Context, io stdio) error {
	defer endSoon(ctx, io.Err)()
	if c.Before < 0 || c.Steps < 1 || c.Width < 80 {
		return usageError(fmt.Sprintf("--before is %d, --steps %d and --width %d; want at least 0, 1 and 80", c.Before, c.Steps, c.Width))
	}
	a, err := c.scenario(c.A)
	if err != nil {
		return err
	}
	b, err := c.scenario(c.B)
	if err != nil {
		return err
	}
	var page *outputFile
	if c.HTML != "" {
		if page, err = createOutput("--html", c.HTML, io.Out); err != nil {
			return err
		}
	}
	d, err := c.compare(a, b)
	if err != nil {
		return err
	}
	if page != nil {
		if err := page.write(func(w goio.Writer) error { return picture.WriteDifference(w, d) }); err != nil {
			return err
		}
		d.Rows = c.rows(d, c.Steps)
	}
	if c.JSON {
		err = writeJSON(io.Out, c.report(d))
	} else {
		err = picture.WriteDifferenceText(io.Out, d, c.Width)
	}
	if err == nil && d.Step > 0 {
		err = errDiffers
	}
	return err
}

// errDiffers says that two runs differ; the differences have been printed.
var errDiffers = &commandError{code: exitFailed, reported: true}

// diffSide is a scenario that is compared.
type diffSide struct {
	name     string
	scenario scenario.Scenario
	from     *origin
	wire     bool
}

// scenario reads a word of the command line: a file if there is one of that
// name, or else a seed and its profile.
func (c *simDiffCommand) scenario(word string) (*diffSide, error) {
	seed, profile, found := strings.Cut(word, ":")
	n, err := strconv.ParseUint(seed, 10, 64)
	_, missing := os.Stat(word)
	file, drawn := word, (*uint64)(nil)
	if found && err == nil && missing != nil {
		file, drawn = "", &n
	}
	s, from, err := scenarioOf(file, drawn, profile)
	if err != nil {
		if missing != nil && !found {
			return nil, usageError(err.Error() + "; want a scenario file, or a seed and its profile such as 42:swarm")
		}
		return nil, err
	}
	return &diffSide{name: word, scenario: s, from: from}, nil
}

// compare runs both side by side until they diverge, and then each by itself.
func (c *simDiffCommand) compare(a, b *diffSide) (*picture.Difference, error) {
	b.wire = c.Wire
	var worlds [2]*world.World
	for i, s := range []*diffSide{a, b} {
		w, err := sim.New(s.scenario, planted(sim.Options{Wire: s.wire}))
		if err != nil {
			return nil, usageError(s.name + ": " + err.Error())
		}
		worlds[i] = w.World
	}
	d := &picture.Difference{}
	parted := search.Diverge(worlds[0], worlds[1])
	if parted != nil {
		d.Step, d.Same = parted.Step, parted.Step-1
		d.A.What, d.B.What = parted.A.What, parted.B.What
	}
	steps := c.Steps
	if c.HTML != "" {
		steps *= pageSteps
	}
	for _, s := range []struct {
		of *diffSide
		to *picture.Side
	}{{a, &d.A}, {b, &d.B}} {
		whole, err := sim.Run(s.of.scenario, planted(sim.Options{Wire: s.of.wire}))
		if err != nil {
			return nil, err
		}
		recorder := record.NewRecorder(record.Limits{})
		// Not every step has lines, so a few more are run than are shown.
		part, err := sim.Run(s.of.scenario, planted(sim.Options{Wire: s.of.wire, Record: recorder, Until: max(d.Step, 1) + 4*uint64(steps)}))
		if err != nil {
			return nil, err
		}
		again := s.of.from.again
		if s.of.wire {
			again += " --wire"
		}
		s.to.Name, s.to.Whole = s.of.name, whole
		s.to.Run = picture.Run{Recording: recorder.Recording(part), Profile: s.of.from.profile, File: s.of.from.file, Build: repro.Build(), Again: again}
	}
	if parted == nil {
		d.Same = d.A.Whole.Events
		return d, nil
	}
	d.Rows = c.rows(d, steps)
	return d, nil
}

// rows are the lines around the step that differs: a few before it, and so many
// steps of each from it on.
func (c *simDiffCommand) rows(d *picture.Difference, steps int) []picture.Row {
	var lines [2][]picture.Line
	for i, s := range []*picture.Side{&d.A, &d.B} {
		before := picture.Lines(s.Run.Recording, d.Step-min(d.Step, uint64(c.Before)), c.Before)
		for len(before) > 0 && before[len(before)-1].Step >= d.Step {
			before = before[:len(before)-1]
		}
		lines[i] = append(before, picture.Lines(s.Run.Recording, d.Step, steps)...)
	}
	// What one of them shows beyond the end of the other has nothing beside it,
	// unless the other run is over.
	for i := range lines {
		mine, other := &lines[i], lines[1-i]
		if n := len(other); n > 0 && other[n-1].Step < [2]*picture.Side{&d.B, &d.A}[i].Whole.Events {
			for len(*mine) > 0 && (*mine)[len(*mine)-1].At > other[n-1].At {
				*mine = (*mine)[:len(*mine)-1]
			}
		}
	}
	return picture.Align(lines[0], lines[1])
}

func (c *simDiffCommand) report(d *picture.Difference) *simDiffReport {
	outcome := func(s *picture.Side) simDiffOutcome {
		r := simReport{}
		r.ended(&s.Whole)
		return simDiffOutcome{
			Name: s.Name, Verdict: r.Verdict, Violation: r.Violation, Events: s.Whole.Events,
			Hash: fmt.Sprintf("%016x", s.Whole.Hash), What: s.What,
		}
	}
	return &simDiffReport{Same: d.Step == 0, Step: d.Step, A: outcome(&d.A), B: outcome(&d.B), Build: repro.Build()}
}
