package conform

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// DefaultRequests is how many requests of a scenario are compared by default. A
// drawn scenario lasts for hours of the same heartbeats; what is drawn happens in
// its first minutes. It costs about a quarter of a second of a processor.
const DefaultRequests = 250

// Case is one scenario that simulator and server are compared on.
type Case struct {
	// Name is a file's, or a seed's and its profile's.
	Name     string
	Scenario scenario.Scenario
	// Again is the line that compares it again.
	Again string
}

// SeedCase is the case of a seed in a profile.
func SeedCase(seed uint64, p generate.Profile) Case {
	s := generate.Scenario(seed, p)
	// All clients of the player have one address.
	s.Faults = slices.DeleteFunc(s.Faults, func(f scenario.Fault) bool { return f.Kind == scenario.NetRoam })
	for i := range s.Acts {
		s.Acts[i].From = ""
	}
	return Case{
		Name: fmt.Sprintf("seed %d of %s", seed, p.Name), Scenario: s,
		Again: repro.Program() + " sim conform --seed " + strconv.FormatUint(seed, 10) + " --profile " + p.Name,
	}
}

// Outcome is what came of a case.
type Outcome struct {
	Case
	// Difference is the first difference; nil if there is none.
	Difference *Difference
	// Err is why the case could not be compared.
	Err error
	// Requests, Steps and Virtual are how much was compared.
	Requests, Steps int
	Virtual         time.Duration
	// Codes counts the answers that were compared, by status.
	Codes map[int]int
	// Restarts is how many lives of a process were compared, but for the first.
	Restarts int
	// Releases is how many signed releases both have taken up, and the server served
	// byte for byte.
	Releases int
}

// Failed reports whether the case shows no conformance.
func (o *Outcome) Failed() bool { return o.Difference != nil || o.Err != nil }

// Compare records a case and plays it to a real server. requests is how many of
// its requests are compared at least; 0 means all of them. stores makes the disk;
// nil means one in memory.
func Compare(c Case, requests int, certificates *Certificates, stores func() (Stores, error)) Outcome {
	o := Outcome{Case: c, Codes: make(map[int]int)}
	tape, err := record.NewTape(c.Scenario, record.TapeOptions{Requests: requests})
	if err != nil {
		o.Err = err
		return o
	}
	disk := NewMemoryStores()
	if stores != nil {
		if disk, err = stores(); err != nil {
			o.Err = err
			return o
		}
	}
	o.Difference, o.Err = PlayWith(tape, certificates, disk)
	if err := disk.Discard(); o.Err == nil {
		o.Err = err
	}
	o.Requests, o.Steps = len(tape.Requests), len(tape.Steps)
	for i := range tape.Steps {
		o.Virtual = tape.Steps[i].At
		switch tape.Steps[i].Kind {
		case record.TapeAnswer:
			o.Codes[tape.Requests[tape.Steps[i].Request].Answer.Status]++
		case record.TapeUp:
			o.Restarts++
		case record.TapeServed:
			o.Releases++
		}
	}
	o.Restarts = max(0, o.Restarts-1)
	return o
}

// Batch compares many cases, several at a time: a server that is played to spends
// most of the time waiting for its clock.
type Batch struct {
	Cases []Case
	// Requests is how many requests of each are compared at least; 0 means all.
	Requests int
	// Workers is how many cases are compared at a time, at least 1.
	Workers int
	// Stores makes the disks; nil means in memory.
	Stores func() (Stores, error)
	// Each is told of every outcome, one at a time.
	Each func(Outcome)
	// GoOn says to go on after a case that failed.
	GoOn bool
}

// Run compares the cases. It returns early when ctx ends.
func (b *Batch) Run(ctx context.Context) error {
	certificates, err := NewCertificates()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	next := make(chan Case)
	go func() {
		defer close(next)
		for _, c := range b.Cases {
			select {
			case next <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range max(1, b.Workers) {
		workers.Go(func() {
			for c := range next {
				o := Compare(c, b.Requests, certificates, b.Stores)
				mu.Lock()
				b.Each(o)
				mu.Unlock()
				if o.Failed() && !b.GoOn {
					stop()
				}
			}
		})
	}
	workers.Wait()
	return nil
}
