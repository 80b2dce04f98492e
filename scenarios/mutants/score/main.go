// Score puts every mutant of scenarios/mutants/testdata to the test and prints
// the scorecard. `make mutants` runs it. Exit codes: 0 all are caught as
// expected, 1 one is not, 2 wrong use or a defect of the harness. With -scenario
// it runs one scenario with one mutant, with the exit codes of refrain sim run.
//
// It refuses to change the source: mutants live in overlays only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/scenarios/mutants"
)

func main() { os.Exit(run()) }

func run() int {
	var cfg mutants.Config
	flag.IntVar(&cfg.Workers, "workers", runtime.GOMAXPROCS(0), "how many mutants are worked on at a time")
	flag.IntVar(&cfg.Starts, "starts", 5, "from how many first seeds each is searched for")
	flag.IntVar(&cfg.Seeds, "seeds", 300, "how many seeds are run from each, each in every profile")
	scenario := flag.String("scenario", "", "run this scenario file with the one mutant that -only leaves, in place of a scorecard")
	until := flag.String("until", "", "the last layer to try, for instance simulation; default all")
	only := flag.String("only", "", "a pattern: only the mutants whose names it matches")
	asJSON := flag.Bool("json", false, "print one JSON object and nothing else")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: score [flags], anywhere inside refrain's source")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cfg.Until = mutants.Layer(*until)
	root, list, err := load(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		return 2
	}
	if *scenario != "" {
		return show(ctx, root, list, *scenario)
	}
	card, err := score(ctx, root, list, cfg)
	if err == nil && *asJSON {
		err = card.WriteJSON(os.Stdout)
	} else if err == nil {
		err = card.Write(os.Stdout)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "score:", err)
		return 2
	case !card.Good():
		return 1
	}
	return 0
}

// load returns the mutants whose names a pattern matches.
func load(only string) (root string, list []mutants.Mutant, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return "", nil, fmt.Errorf("-only: %w", err)
	}
	if root, err = mutants.Root(); err != nil {
		return "", nil, err
	}
	if list, err = mutants.Load(filepath.Join(root, filepath.FromSlash(mutants.Dir))); err != nil {
		return "", nil, err
	}
	list = slices.DeleteFunc(list, func(m mutants.Mutant) bool { return !pattern.MatchString(m.Name) })
	if len(list) == 0 {
		return "", nil, fmt.Errorf("-only: no mutant is called like %q", only)
	}
	return root, list, nil
}

// show runs a scenario with one mutant.
func show(ctx context.Context, root string, list []mutants.Mutant, scenario string) int {
	if len(list) != 1 {
		fmt.Fprintf(os.Stderr, "score: -scenario wants one mutant; -only leaves %d\n", len(list))
		return 2
	}
	code, err := mutants.Show(ctx, root, &list[0], scenario, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "score:", err)
		return 2
	}
	return code
}

func score(ctx context.Context, root string, list []mutants.Mutant, cfg mutants.Config) (*mutants.Scorecard, error) {
	done := 0
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		cfg.Each = func(r *mutants.Result) {
			done++
			fmt.Fprintf(os.Stderr, "%d of %d: %s %s %s %s, %v\n", done, len(list), r.Mutant.Name, r.Verdict, r.Layer, r.By, r.Took.Round(time.Second))
		}
	}
	return mutants.Run(ctx, root, list, cfg)
}
