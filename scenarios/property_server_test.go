package scenarios_test

import (
	"flag"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/scenarios/conform"
	"github.com/refrain-fleet/refrain/sim"
)

var serverDraws = flag.Int("server.draws", 4, "how many scenarios of each contract property are played to a real server")

// contract is every property of the contract.
var contract = []struct {
	name string
	property
}{
	{"wedge", wedgeContract}, {"deadline", deadlineContract}, {"dropped reply", droppedReplyContract},
	{"saturation", saturationContract}, {"drift", driftContract}, {"crash", crashContract}, {"wipe", wipeContract},
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
	reached := make(map[string]int)
	statuses := make(map[int]int)
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; n <= *serverDraws; n++ {
				s := rapid.Custom(c.draw).Example(n)
				if complaint := c.complaint(t.Name(), s, reached); complaint != "" {
					t.Fatal(complaint)
				}
				o := conform.Compare(conform.Case{Name: fmt.Sprintf("draw %d of %s", n, c.name), Scenario: s}, serverRequests, certificates, nil)
				if o.Err != nil {
					t.Fatalf("%s could not be played: %v\n%s", o.Name, o.Err, conformAgain(t, s))
				}
				if o.Difference != nil {
					t.Fatalf("%s: the server differs\n%v\n%s", o.Name, o.Difference, conformAgain(t, s))
				}
				for status, count := range o.Codes {
					statuses[status] += count
				}
			}
		})
	}
	t.Logf("answers of the server by status: %v; reached: %v", statuses, reached)
	for _, premise := range []string{wedgedOut, atDeadline, justInTime, droppedBefore, droppedAfter, fullInbox, fullShare, fromStart, fromMiddle, survived, seenDown} {
		if reached[premise] == 0 && !t.Failed() {
			t.Errorf("in no scenario that the server played was it reached that %s", premise)
		}
	}
}

// serverRequests is how many requests of a scenario are played: those of the
// minutes in which its faults are.
const serverRequests = 400

// conformAgain writes the scenario down and says how to compare it again.
func conformAgain(t *testing.T, s sim.Scenario) string {
	path := writeScenario(t.Name(), s.String())
	return fmt.Sprintf("\n%s\nagain     %s\n", s, sim.Again("refrain sim conform "+path))
}
