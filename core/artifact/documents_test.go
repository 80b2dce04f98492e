package artifact_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/internal/sample"
)

func TestDocumentation_ReasonsAreListed(t *testing.T) {
	var table strings.Builder
	table.WriteString("| reason | what to do |\n|---|---|\n")
	for reason := artifact.Reason(1); int(reason) < artifact.ReasonCount; reason++ {
		fmt.Fprintf(&table, "| `%v` | %s |\n", reason, reason.Remedy())
	}
	sample.Check(t, "../../docs/releases.md", "the reasons", map[string]string{"table": table.String()})
}
