package httpserver

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/refrain-fleet/refrain/internal/sample"
)

// described are the metrics of a registry by their names: what Describe says, which
// has those without a series, too.
func described(t *testing.T, registry *prometheus.Registry) map[string]string {
	t.Helper()
	ch := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(ch)
		close(ch)
	}()
	text := regexp.MustCompile(`fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)"`)
	all := make(map[string]string)
	for d := range ch {
		m := text.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read the description %s", d)
		}
		all[m[1]] = m[2]
	}
	return all
}

// TestDocumentation_EveryMetricIsInTheTable compares docs/metrics.md with what a
// server describes, and the kinds and labels with what a scrape of it returns.
func TestDocumentation_EveryMetricIsInTheTable(t *testing.T) {
	h := startEnrolRig(t)
	families, err := h.server.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	gathered := make(map[string]*dto.MetricFamily)
	for _, f := range families {
		gathered[f.GetName()] = f
	}
	help := described(t, h.server.metrics.registry)
	var names []string
	for name := range help {
		if strings.HasPrefix(name, "refrain_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var table strings.Builder
	table.WriteString("| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range names {
		kind, labels := "", ""
		if f := gathered[name]; f != nil {
			kind, labels = strings.ToLower(f.GetType().String()), labelsOf(f)
		} else if series, ok := seriesOnDemand[name]; ok {
			kind, labels = series.kind, series.labels
		} else {
			t.Errorf("%s has no series after the start, so that its kind is not known: add it to seriesOnDemand", name)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, kind, labels, help[name])
	}
	for name := range seriesOnDemand {
		if gathered[name] != nil || help[name] == "" {
			t.Errorf("%s is in seriesOnDemand, and has a series after the start or does not exist", name)
		}
	}
	sample.Check(t, "../docs/metrics.md", "the metrics", map[string]string{"table": table.String()})
	if !sample.Rewriting() {
		wantKnownMetrics(t, help)
	}
}

// seriesOnDemand are the metrics without a series after the start of a server that
// nobody has talked to.
var seriesOnDemand = map[string]struct{ kind, labels string }{
	"refrain_client_certificate_soonest_expiry_timestamp_seconds": {"gauge", ""},
	"refrain_operator_acts_info":                                  {"gauge", "`count`, `hash`"},
	"refrain_database_bytes":                                      {"gauge", ""},
	"refrain_database_free_bytes":                                 {"gauge", ""},
	"refrain_database_wal_bytes":                                  {"gauge", ""},
}

// variable are the metrics whose labels' values depend on the build or on flags.
var variable = map[string]bool{"refrain_build_info": true, "refrain_client_ca_connections": true, "refrain_certificate_expiry_timestamp_seconds": true}

// labelsOf are the names of a family's labels with their values, if they are few
// and the same for every server.
func labelsOf(f *dto.MetricFamily) string {
	var order []string
	values := make(map[string][]string)
	for _, m := range f.Metric {
		for _, l := range m.Label {
			if values[l.GetName()] == nil {
				order = append(order, l.GetName())
			}
			if !slices.Contains(values[l.GetName()], l.GetValue()) {
				values[l.GetName()] = append(values[l.GetName()], l.GetValue())
			}
		}
	}
	var said []string
	for _, name := range order {
		if variable[f.GetName()] {
			said = append(said, "`"+name+"`")
			continue
		}
		said = append(said, fmt.Sprintf("`%s`: %s", name, strings.Join(values[name], ", ")))
	}
	return strings.Join(said, "; ")
}

// wantKnownMetrics wants every metric that a document or a file of deploy names to
// exist, so that no alert and no runbook waits for one that was renamed.
func wantKnownMetrics(t *testing.T, help map[string]string) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../README.md", "../docs/*.md", "../deploy/*"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, matches...)
	}
	word := regexp.MustCompile(`\brefrain_[a-z0-9_]+`)
	series := regexp.MustCompile(`_(bucket|sum|count)$`)
	known := 0
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, name := range word.FindAllString(line, -1) {
				name = strings.TrimSuffix(name, "_") // refrain_log_lines_…
				_, exact := help[name]
				_, base := help[series.ReplaceAllString(name, "")]
				family := isFamily(help, name)
				if exact || base || family {
					known++
					continue
				}
				t.Errorf("%s:%d: there is no metric %s", file, i+1, name)
			}
		}
	}
	if known < len(help)/2 {
		t.Errorf("the documents name metrics %d times: are these the documents?", known)
	}
}

// isFamily reports whether metrics begin with the name, as in a pattern of grep.
func isFamily(help map[string]string, name string) bool {
	for full := range help {
		if strings.HasPrefix(full, name+"_") {
			return true
		}
	}
	return false
}
