// Package search runs many scenarios, and makes those small that break a rule.
//
//   - [Search] draws seeds of profiles and runs each under every checker.
//   - [Probes] are what a search ought to have seen, with how often runs show
//     each: make rates measures it.
//   - [Run] runs one scenario, and gives it up if it does not end.
//   - [Shrink] removes from a scenario what is not needed to break the same rule
//     in the same way ([Kind]), and rounds the rest.
//   - [Diverge] runs two worlds side by side and finds the first step after which
//     they differ. Runs of one scenario never should.
//
// It runs worlds on several goroutines, one world on each: worlds share nothing.
// What comes out depends on neither their number nor their order, unless a run
// takes longer than its limit of wall time. It judges
// nothing itself, writes no file and prints nothing.
//
//	found := search.Search{Profiles: generate.Profiles(), First: 1, Seeds: 1000}.Run(ctx)
//	for _, f := range found.Findings {
//		small, err := search.Shrink{}.Run(ctx, f.Scenario)
//		if err != nil {
//			return err
//		}
//		fmt.Print(small.Text(fmt.Sprintf("seed %d of profile %s", f.Seed, f.Profile)))
//	}
//
// # Glossary
//
//	finding    a run that broke a rule
//	probe      an effect that runs show now and then, at a rate that was measured
//	candidate  a scenario that may be simpler and break the same rule
//	edit       one change of a scenario; pass: the edits of one sort, in order
//	weight     how much there is to a scenario: lines first, then hosts
//
// Stability: public (docs/architecture.md).
package search
