package scenario

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/sample"
)

const referenceFile = "../../docs/scenarios.md"

func TestTheReferenceOfTheLanguageIsMadeOfItsTables(t *testing.T) {
	sample.Check(t, referenceFile, "the tables", referenceSections())
	text, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range lineWords {
		if !strings.Contains(string(text), "`"+word) {
			t.Errorf("%s says nothing of lines that begin with %s", referenceFile, word)
		}
	}
}

func referenceSections() map[string]string {
	plain := Scenario{Fleet: Fleet{Hosts: 1}, Rollouts: []Rollout{{ID: "stable@r1"}}}.Filled()
	return map[string]string{
		"fleet": settingTable(fleetSettings, &plain.Fleet), "plane": settingTable(planeSettings, &plain.Plane),
		"network": settingTable(networkSettings, &plain.Network), "rollout": settingTable(rolloutSettings, &plain.Rollouts[0]),
		"faults": faultTable(), "fault-settings": faultFieldTable(),
		"acts": actTable(), "send-settings": settingTable(sendSettings, nil),
		"expectations": expectTable(), "expect-settings": settingTable(expectSettings, nil),
		"answers": wordList(answerWords()), "notices": wordList(noticeTexts()), "entries": wordList(entryWords()),
		"effects": wordList(effectTexts()), "rollout-states": wordList(rolloutWords()), "plane-states": wordList(planeWords), "reachabilities": wordList(reachabilityWords), "checkers": checkerTable(),
	}
}

// settingTable lists settings, with their defaults if there is something that
// has only those.
func settingTable[T any](list []setting[T], plain *T) string {
	var b strings.Builder
	if plain == nil {
		b.WriteString("| setting | what |\n|---|---|\n")
	} else {
		b.WriteString("| setting | default | what |\n|---|---|---|\n")
	}
	for _, s := range list {
		fmt.Fprintf(&b, "| `%s=%s` |", s.key, cell(s.brief()))
		if plain != nil {
			value := "`" + cell(s.print(plain)) + "`"
			if value == "``" {
				value = ""
			}
			fmt.Fprintf(&b, " %s |", value)
		}
		fmt.Fprintf(&b, " %s |\n", s.about)
	}
	return b.String()
}

// cell is a text in a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func faultTable() string {
	var b strings.Builder
	b.WriteString("| fault | what |\n|---|---|\n")
	for _, k := range FaultKinds() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", cell(k.Form()), faultForms[k].about)
	}
	return b.String()
}

func faultFieldTable() string {
	var b strings.Builder
	b.WriteString("| setting | what |\n|---|---|\n")
	for _, f := range faultFields {
		fmt.Fprintf(&b, "| `%s=%s` | %s |\n", f.key, cell(f.example), faultAbout[f.key])
	}
	return b.String()
}

func actTable() string {
	var b strings.Builder
	b.WriteString("| act | what |\n|---|---|\n")
	for k := ActKind(1); k < actKindEnd; k++ {
		form := k.Form()
		if k == ActSend {
			form = "send ROUTE HOSTS [settings]"
		}
		about := actForms[k].about
		if k != ActSend {
			for _, s := range actForms[k].settings {
				if s.key == unknownKey { // the page explains it for all of them
					continue
				}
				about += "; " + s.key + ": " + s.about
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", form, about)
	}
	return b.String()
}

func expectTable() string {
	var b strings.Builder
	b.WriteString("| line | what the run has to show |\n|---|---|\n")
	for k := ExpectKind(1); k < expectKindEnd; k++ {
		form := &expectForms[k]
		fmt.Fprintf(&b, "| `expect %s %s` | %s; may have `%s` |\n", form.what, strings.Join(form.subjects(), " "), form.about, strings.Join(form.takes, "`, `"))
	}
	return b.String()
}

func wordList(words []string) string { return "`" + strings.Join(words, "`, `") + "`\n" }

func checkerTable() string {
	var b strings.Builder
	b.WriteString("| checker | rule |\n|---|---|\n")
	for _, number := range ruleNumbers() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", number, RuleText(number))
	}
	return b.String()
}

// What the tables say of each word is for people, so it has to be there.
func TestEveryWordOfTheLanguageIsExplained(t *testing.T) {
	for _, f := range faultFields {
		if faultAbout[f.key] == "" {
			t.Errorf("nothing is said of the setting %s of faults", f.key)
		}
	}
	for _, k := range FaultKinds() {
		if faultForms[k].about == "" {
			t.Errorf("nothing is said of %v", k)
		}
	}
	explained(t, fleetSettings)
	explained(t, planeSettings)
	explained(t, networkSettings)
	explained(t, rolloutSettings)
	explained(t, expectSettings)
	for k := ActKind(1); k < actKindEnd; k++ {
		explained(t, actForms[k].settings)
	}
	for _, number := range ruleNumbers() {
		if RuleText(number) == "" {
			t.Errorf("nothing is said of the checker %s", number)
		}
	}
	if len(wire.States) != len(stateWords())-1 {
		t.Error("a state has no word")
	}
}

func explained[T any](t *testing.T, list []setting[T]) {
	t.Helper()
	for _, s := range list {
		if s.about == "" || s.example == "" {
			t.Errorf("nothing is said of the setting %s", s.key)
		}
	}
}
