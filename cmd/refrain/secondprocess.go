package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/search"
)

// secondProcess repeats runs in another process, with another number of
// processors.
type secondProcess struct {
	wire  bool
	limit time.Duration // of a run; 0 means none
}

// simDifference is a run to which a second process came to something else: the
// most important kind of finding, since it means that a seed repeats nothing.
type simDifference struct {
	Seed    uint64 `json:"seed"`
	Profile string `json:"profile"`
	// Problem says what the second process did.
	Problem    string `json:"problem"`
	Processors int    `json:"processors"`
	Events     uint64 `json:"events"` // of the first process
	Hash       string `json:"hash"`
	// SecondEvents and SecondHash are missing if the second process has none.
	SecondEvents uint64 `json:"second_events,omitempty"`
	SecondHash   string `json:"second_hash,omitempty"`
	// Stderr is the end of what the second process wrote there.
	Stderr string `json:"stderr,omitempty"`
	Again  string `json:"again"`
}

// print prints the difference.
func (d *simDifference) print(w io.Writer) {
	fmt.Fprintf(w, "DIFFERS  seed %d of profile %s, in a second process with GOMAXPROCS=%d: %s\n", d.Seed, d.Profile, d.Processors, d.Problem)
	for line := range strings.Lines(d.Stderr) {
		fmt.Fprintf(w, "         %s\n", strings.TrimSuffix(line, "\n"))
	}
	fmt.Fprintf(w, "again    %s\n", repro.Again(d.Again))
}

// compare repeats runs and returns how many were, and those that came to
// something else. A context that ends ends it.
func (p *secondProcess) compare(ctx context.Context, sample []search.Finding) (repeated int, differences []simDifference) {
	for i := range sample {
		f := &sample[i]
		d := simDifference{
			Seed: f.Seed, Profile: f.Profile, Processors: []int{1, 2, 8}[i%3],
			Events: f.Result.Events, Hash: fmt.Sprintf("%016x", f.Result.Hash),
		}
		d.Again = fmt.Sprintf("GOMAXPROCS=%d %s%s", d.Processors, repro.RunSeed(f.Seed, f.Profile), wireFlag(p.wire))
		p.repeat(ctx, &d)
		if ctx.Err() != nil {
			break // it was killed
		}
		repeated++
		if d.Problem != "" {
			differences = append(differences, d)
		}
	}
	return repeated, differences
}

// secondLimit is how long a second process may take beyond the limit of its run.
const secondLimit = 30 * time.Second

// stderrKept is how much is kept of what a second process writes.
const stderrKept = 4 << 10

// repeat repeats a run and notes the problem, if there is one.
func (p *secondProcess) repeat(ctx context.Context, d *simDifference) {
	if p.limit > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, p.limit+secondLimit)
		defer stop()
	}
	command, err := p.command(ctx, d)
	if err != nil {
		d.Problem = "it cannot be started: " + err.Error()
		return
	}
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	err = command.Run()
	d.Stderr = errs.String()[max(0, errs.Len()-stderrKept):]
	var second simReport
	_, exited := errors.AsType[*exec.ExitError](err)
	switch unreadable := json.Unmarshal([]byte(out.String()), &second); {
	case err != nil && !exited:
		d.Problem = "it cannot be started: " + err.Error()
		return
	case unreadable != nil && err != nil:
		d.Problem = "it died: " + err.Error()
		return
	case unreadable != nil:
		d.Problem = "its result cannot be read: " + unreadable.Error()
		return
	}
	d.SecondEvents, d.SecondHash = second.Events, second.Hash
	switch {
	case second.Build != repro.Build():
		d.Problem = fmt.Sprintf("it is another build: %s; this one is %s", second.Build, repro.Build())
	case second.Violation != nil:
		v := second.Violation
		d.Problem = fmt.Sprintf("it violated %s at step %d: %s", v.Checker, v.Step, v.Detail)
	case second.Verdict != verdictPassed && second.Verdict != check.WordStopped: // which differs in its events
		d.Problem = fmt.Sprintf("its verdict is %s: %s", second.Verdict, second.Error)
	case err != nil:
		d.Problem = "it passed, and then: " + err.Error()
	case second.Hash != d.Hash || second.Events != d.Events:
		d.Problem = fmt.Sprintf("%d events, hash %s; here %d, %s", second.Events, second.Hash, d.Events, d.Hash)
	}
}

// secondFile names the file that a second process runs: the very one that this
// process runs, whatever has become of the file since.
var secondFile = func() (string, error) {
	if _, err := os.Stat(repro.RunningFile); err == nil {
		return repro.RunningFile, nil
	}
	return os.Executable() // another build is found by its name
}

// command is the second process. Nothing of the environment but GOMAXPROCS tells
// it to do anything else than the first.
func (p *secondProcess) command(ctx context.Context, d *simDifference) (*exec.Cmd, error) {
	file, err := secondFile()
	if err != nil {
		return nil, err
	}
	args := []string{"sim", "run", "--json", "--seed", strconv.FormatUint(d.Seed, 10), "--profile", d.Profile, "--limit", p.limit.String()}
	if p.wire {
		args = append(args, "--wire")
	}
	command := exec.CommandContext(ctx, file, args...)
	command.Args[0] = os.Args[0]
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "REFRAIN_") && !strings.HasPrefix(variable, "GOMAXPROCS=") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, "GOMAXPROCS="+strconv.Itoa(d.Processors))
	command.WaitDelay = time.Second
	alone(command)
	return command, nil
}
