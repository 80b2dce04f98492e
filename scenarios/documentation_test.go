package scenarios_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
)

// builds are what follows "# build" in what a failure prints.
var builds = regexp.MustCompile(`# build .*`)

// What docs/properties.md shows is what the properties print.
func TestDocumentation_OutputIsWhatIsPrinted(t *testing.T) {
	counts := runTest(t, "^TestACrash", "-rapid.seed=1", "-rapid.checks=100", "-test.short=false")
	var reached strings.Builder
	for _, line := range regexp.MustCompile(`(?m)reached +\d+ times: .*$`).FindAllString(counts, -1) {
		reached.WriteString("    " + line + "\n")
	}
	failure, passed := runSubject(t, "fails", t.TempDir())
	if passed {
		t.Fatalf("the subject passes:\n%s", failure)
	}
	where := regexp.MustCompile(`\S*/TestSubject\.scenario`)
	var again strings.Builder
	for _, line := range regexp.MustCompile(`(?m)(judge it|again  ) .*$`).FindAllString(failure, 2) {
		line = where.ReplaceAllString(line, "/tmp/refrain-TestX-1093850347/TestX.scenario")
		again.WriteString(strings.ReplaceAll(line, "TestSubject", "TestX") + "\n")
	}
	sample.Check(t, "../docs/properties.md", "the output", map[string]string{
		"counts":  sample.Block("", "$ go test ./scenarios -v -run Crash -rapid.seed=1\n"+reached.String()),
		"failure": sample.Block("", again.String()),
	}, builds)
}
