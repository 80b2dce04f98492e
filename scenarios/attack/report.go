package attack

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is the result of a run.
type Report struct {
	Binary  string   `json:"binary"`
	Build   string   `json:"build"` // what the binary says of itself
	Short   bool     `json:"short"`
	Seconds float64  `json:"seconds"` // of an attack
	Limits  Limits   `json:"limits"`
	Results []Result `json:"results"`
}

// Result is what an attack has done to honest hosts and to the server.
type Result struct {
	Name string `json:"name"`
	Does string `json:"does"`
	// Quiet is before the attack, During is in it.
	Quiet  Window `json:"quiet"`
	During Window `json:"during"`
	// Failures counts failed requests by their cause.
	Failures map[string]int `json:"failures,omitempty"`
	// AttackSeconds is how long the attack took.
	AttackSeconds float64 `json:"attack_seconds"`
	// RecoverySeconds is when, after the end of the attack, a second begins in which
	// no request fails and the p99 is within its limit.
	RecoverySeconds float64 `json:"recovery_seconds"`
	Recovered       bool    `json:"recovered"`
	// ResidentBytes and Descriptors are the most that the server had; Cores is how
	// many processors it used on average. They are 0 where there is no /proc.
	ResidentBytes   int64   `json:"resident_bytes"`
	Descriptors     int     `json:"descriptors"`
	DescriptorLimit int     `json:"descriptor_limit,omitempty"` // 0 for the machine's
	Cores           float64 `json:"cores"`
	// DatabaseBytes is by how much the database grew, with its write-ahead log.
	DatabaseBytes int64 `json:"database_bytes"`
	// Dead says how the server does not live any more; empty if it does.
	Dead string `json:"dead,omitempty"`
	// Attackers is what the attackers report.
	Attackers findings `json:"attackers"`
	// Problems are the limits that are broken; none if the attack was withstood.
	Problems []string `json:"problems,omitempty"`
}

// judge notes the limits that are broken.
func (r *Result) judge(limits Limits) {
	problem := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	if r.Dead != "" {
		problem("%s", r.Dead)
	}
	for _, wrong := range r.Attackers.Wrong {
		problem("%s", wrong)
	}
	if share := r.During.Share(); share > limits.Failed {
		problem("%.1f %% of the honest requests failed; want at most %.1f %%", 100*share, 100*limits.Failed)
	}
	if limit := limits.p99(r.Quiet.P99); r.During.P99 > limit {
		problem("p99 was %.0f ms; want at most %.0f ms", r.During.P99, limit)
	}
	if limit := limits.p99(r.Quiet.EventP99); r.During.EventP99 > limit {
		problem("p99 of events was %.0f ms; want at most %.0f ms", r.During.EventP99, limit)
	}
	if !r.Recovered {
		problem("the hosts were not answered as before within %.0f s", r.RecoverySeconds)
	}
}

// Withstood reports whether no attack broke a limit.
func (r *Report) Withstood() bool {
	return !slices.ContainsFunc(r.Results, func(one Result) bool { return len(one.Problems) > 0 })
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

var columns = []string{"attack", "requests", "failed", "p50 ms", "p99 ms", "quiet", "event p99", "quiet", "recovery s", "RSS MB", "descriptors", "CPU", "database MB", "verdict"}

// row is a line of the table.
func (r *Result) row() []string {
	recovery := fmt.Sprintf("%.1f", r.RecoverySeconds)
	if !r.Recovered {
		recovery = "none"
	}
	verdict := "withstood"
	if len(r.Problems) > 0 {
		verdict = "BROKEN"
	}
	known := func(yes bool, format string, value any) string {
		if !yes {
			return "-"
		}
		return fmt.Sprintf(format, value)
	}
	took := func(ms float64) string { return known(ms > 0, "%.1f", ms) } // none was answered
	descriptors := known(r.Descriptors > 0, "%d", r.Descriptors)
	if r.DescriptorLimit > 0 {
		descriptors += fmt.Sprintf(" of %d", r.DescriptorLimit)
	}
	return []string{
		r.Name, fmt.Sprint(r.During.Requests), fmt.Sprintf("%.1f %%", 100*r.During.Share()),
		took(r.During.P50), took(r.During.P99), took(r.Quiet.P99), took(r.During.EventP99), took(r.Quiet.EventP99),
		recovery, known(r.ResidentBytes > 0, "%.0f", float64(r.ResidentBytes)/1e6), descriptors,
		known(r.ResidentBytes > 0, "%.2f", r.Cores), fmt.Sprintf("%.1f", float64(r.DatabaseBytes)/1e6), verdict,
	}
}

// details are the lines about an attack below the table.
func (r *Result) details() (lines []string) {
	var counts []string
	for _, what := range slices.Sorted(maps.Keys(r.Attackers.Counts)) {
		counts = append(counts, fmt.Sprintf("%s %d", what, r.Attackers.Counts[what]))
	}
	if len(counts) > 0 {
		lines = append(lines, "attackers: "+strings.Join(counts, ", "))
	}
	for _, note := range r.Attackers.Notes {
		lines = append(lines, "note: "+note)
	}
	var causes []string
	for _, cause := range slices.Sorted(maps.Keys(r.Failures)) {
		causes = append(causes, fmt.Sprintf("%s %d", cause, r.Failures[cause]))
	}
	if len(causes) > 0 {
		lines = append(lines, "failed: "+strings.Join(causes, ", "))
	}
	for _, problem := range r.Problems {
		lines = append(lines, "BROKEN: "+problem)
	}
	return lines
}

// Write writes the report as an aligned table, with details below.
func (r *Report) Write(w io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for i := range r.Results {
		fmt.Fprintln(table, strings.Join(r.Results[i].row(), "\t"))
	}
	_ = table.Flush()
	text.WriteByte('\n')
	details := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for i := range r.Results {
		for _, line := range r.Results[i].details() {
			fmt.Fprintf(details, "%s\t%s\n", r.Results[i].Name, line)
		}
	}
	_ = details.Flush()
	fmt.Fprintf(&text, "\n%s\n", r.verdict())
	if r.Build != "" {
		fmt.Fprintf(&text, "build    %s\n", r.Build)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func (r *Report) verdict() string {
	broken := 0
	for i := range r.Results {
		broken += min(1, len(r.Results[i].Problems))
	}
	if broken == 0 {
		return fmt.Sprintf("WITHSTOOD %d attacks", len(r.Results))
	}
	return fmt.Sprintf("BROKEN by %d of %d attacks", broken, len(r.Results))
}

// WriteMarkdown writes the table as a part of a document.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var text strings.Builder
	line := func(cells []string) { fmt.Fprintf(&text, "| %s |\n", strings.Join(cells, " | ")) }
	line(columns)
	text.WriteString("|---" + strings.Repeat("|--:", len(columns)-2) + "|---|\n")
	for i := range r.Results {
		line(r.Results[i].row())
	}
	_, err := io.WriteString(w, text.String())
	return err
}
