package scenarios_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/scenarios/conform"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

var serverDraws = flag.Int("server.draws", 4, "how many scenarios of each contract property are played to a real server")

// contract is every property of the contract, and the premises that the server
// has to be brought to.
var contract = []struct {
	name string
	property
	played []string
}{
	{"wedge", wedgeContract, []string{wedgedOut}},
	{"deadline", deadlineContract, []string{atDeadline, justInTime}},
	{"dropped reply", droppedReplyContract, []string{droppedBefore, droppedAfter}},
	{"saturation", saturationContract, []string{fullInbox, fullShare, fullCap}},
	{"drift", driftContract, []string{fromStart, fromMiddle}},
	{"crash", crashContract, []string{survived, takenBack}},
	{"wipe", wipeContract, []string{seenDown}},
}

// The contract holds on the other driver: scenarios of each property are judged
// in the simulator, and then the real server is made to do the same and has to
// give every answer that was judged, byte for byte, at its instant, and to hold
// the same state. PROTOCOL G, E2, H2
func TestTheContractHoldsOnTheServerToo(t *testing.T) {
	certificates, err := conform.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	statuses := make(map[int]int)
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			played := make(map[string]int)
			wanting := func() bool {
				return slices.ContainsFunc(c.played, func(premise string) bool { return played[premise] == 0 })
			}
			for n := 1; n <= *serverDraws || wanting() && n <= 100; n++ {
				s, reached := rapid.Custom(c.draw).Example(n), make(map[string]int)
				if complaint := c.complaint(t, s, reached); complaint != "" {
					t.Fatal(complaint)
				}
				more := slices.ContainsFunc(c.played, func(premise string) bool { return reached[premise] > 0 && played[premise] == 0 })
				if n > *serverDraws && !more {
					continue
				}
				o := conform.Compare(conform.Case{Name: fmt.Sprintf("draw %d", n), Scenario: s}, serverRequests, certificates, nil)
				if o.Err != nil {
					t.Fatalf("%s could not be played: %v\n%s", o.Name, o.Err, conformAgain(t, s))
				}
				if o.Difference != nil {
					t.Fatalf("%s: the server differs\n%v\n%s", o.Name, o.Difference, conformAgain(t, s))
				}
				for premise, count := range reached {
					played[premise] += count
				}
				for status, count := range o.Codes {
					statuses[status] += count
				}
			}
			if wanting() {
				t.Errorf("the server was not brought to all of %q; reached: %v", c.played, played)
			}
		})
	}
	t.Logf("answers of the server by status: %v", statuses)
}

// serverRequests is how many requests of a scenario are played: those of the
// minutes in which its faults are.
const serverRequests = 400

// conformAgain writes the scenario down and says how to compare it again.
func conformAgain(t *testing.T, s scenario.Scenario) string {
	path := keepScenario(t, s.String())
	return fmt.Sprintf("\n%s\nagain     %s\n", s, repro.Again("refrain sim conform "+path))
}
