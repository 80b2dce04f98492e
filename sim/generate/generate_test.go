package generate

import (
	"reflect"
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
	"pgregory.net/rapid"
)

func TestEveryGeneratedScenarioReadsBackToTheSameText(t *testing.T) {
	for _, p := range Profiles() {
		t.Run(p.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := Scenario(rapid.Uint64().Draw(t, "seed"), p)
				text := s.String()
				read, err := scenario.ParseScenario(text)
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				if again := read.String(); again != text {
					t.Fatalf("reads back as\n%s\nwant\n%s", again, text)
				}
				if got, want := read.Filled(), s.Filled(); !reflect.DeepEqual(got, want) {
					t.Fatalf("reads back as\n%+v\nwant\n%+v", got, want)
				}
			})
		})
	}
}

func TestEveryScenarioIsTheSameWithoutItsDefaults(t *testing.T) {
	for _, p := range Profiles() {
		t.Run(p.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := Scenario(rapid.Uint64().Draw(t, "seed"), p)
				read, err := scenario.ParseScenario(s.Brief())
				if err != nil {
					t.Fatalf("%v\n%s", err, s.Brief())
				}
				if again := read.String(); again != s.String() {
					t.Fatalf("without defaults\n%s\nit reads back as\n%s\nwant\n%s", s.Brief(), again, s.String())
				}
			})
		})
	}
}
