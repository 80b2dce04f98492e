package scenarios

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/scenarios/conform"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

var conformanceSeeds = flag.Uint64("conformance.seeds", 6, "how many seeds, each in every profile, conformance compares")

// The simulator and a real server, given the same requests and the same faults at
// the same instants, answer the same and hold the same state: every scenario of
// the corpus, and some drawn ones. make conform compares more of them.
func TestConformance(t *testing.T) {
	cases := corpusCases(t)
	for seed := uint64(1); seed <= *conformanceSeeds; seed++ {
		for _, p := range generate.Profiles() {
			cases = append(cases, conform.SeedCase(seed, p))
		}
	}
	compared, requests, codes := 0, 0, make(map[int]int)
	batch := conform.Batch{
		Cases: cases, Requests: conform.DefaultRequests, Workers: 8, GoOn: true,
		Each: func(o conform.Outcome) {
			compared++
			requests += o.Requests
			for code, n := range o.Codes {
				codes[code] += n
			}
			switch {
			case o.Err != nil:
				t.Errorf("%s: %v\nagain     %s", o.Name, o.Err, repro.Again(o.Again))
			case o.Difference != nil:
				t.Errorf("%s: simulator and server differ\n%v\n\nagain     %s", o.Name, o.Difference, repro.Again(o.Again))
			}
		},
	}
	if err := batch.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d scenarios, %d requests; answers by status: %v", compared, requests, codes)
	if compared < len(cases) {
		t.Errorf("%d scenarios were not compared", len(cases)-compared)
	}
	for _, status := range []int{200, 201, 204, 401, 403, 404, 409, 422, 503} {
		if codes[status] == 0 && !t.Failed() {
			t.Errorf("no answer %d was compared", status)
		}
	}
}

// corpusCases are the scenario files that need no more than a server.
func corpusCases(t *testing.T) (cases []conform.Case) {
	t.Helper()
	err := filepath.WalkDir("testdata", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".scenario") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s, err := scenario.ParseScenario(string(text))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(s.Acts, func(a scenario.Act) bool { return a.From != "" }) ||
			slices.ContainsFunc(s.Faults, func(f scenario.Fault) bool { return f.Kind == scenario.NetRoam }) {
			t.Logf("NOT COMPARED: %s: a heartbeat comes from another address than its host's, and all clients of the player have one", path)
			return nil
		}
		if s.Plane.SignedOnly {
			t.Logf("NOT COMPARED: %s: the player's server has no trust file", path)
			return nil
		}
		cases = append(cases, conform.Case{Name: path, Scenario: s, Again: "refrain sim conform scenarios/" + path})
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return cases
}
