package main

import (
	"strings"
	"testing"
)

// An edge that holds nothing back is named, and is no reason to refuse.
func TestReleaseVerify_NamesIgnoredEdges(t *testing.T) {
	v := verifiedRelease{Verdict: "good", Directory: "release", SignedAt: "2026-01-31T12:00:00Z", Notes: []string{"edges[0], db before web: the fleet has no host db"}}
	var out strings.Builder
	if err := v.print(&out); err != nil {
		t.Fatal(err)
	}
	if want := "\nnote: ignored: edges[0], db before web: the fleet has no host db\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("it prints\n%s\nwant at its end\n%s", out.String(), want)
	}
}
