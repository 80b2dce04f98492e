package operate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// table is rows whose columns are aligned when it is printed.
type table struct {
	header []string
	rows   [][]string
}

// newTable makes a table; without a header it is a list of names and values.
func newTable(header ...string) *table { return &table{header: header} }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// print prints the table, or the text for a table without rows.
func (t *table) print(w io.Writer, empty string) error {
	if len(t.rows) == 0 {
		if empty != "" {
			fmt.Fprintln(w, empty)
		}
		return nil
	}
	var aligned bytes.Buffer
	columns := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	if len(t.header) > 0 {
		fmt.Fprintln(columns, strings.Join(t.header, "\t"))
	}
	for _, cells := range t.rows {
		fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// writeJSON prints a document as the plane writes it, indented.
func writeJSON(w io.Writer, canonical []byte) error {
	var text bytes.Buffer
	if err := json.Indent(&text, canonical, "", "  "); err != nil {
		return err
	}
	text.WriteByte('\n')
	_, err := w.Write(text.Bytes())
	return err
}

// writeList prints items as one document, {"<name>": […]}.
func writeList[T any](w io.Writer, name string, s *wire.Schema[T], items []T) error {
	page := wire.Page[T]{Name: name, Schema: s, Items: items}
	return writeJSON(w, page.AppendJSON(nil))
}

// stamp is an instant in a table, in UTC to the second; a dash if it is unset.
func stamp(t wire.Time) string {
	if !t.IsSet() {
		return "-"
	}
	text, _, _ := strings.Cut(t.String(), ".")
	return strings.TrimSuffix(text, "Z") + "Z"
}

// span is a number of seconds in a table: 45s, 12m, 5h10m, 3d2h.
func span(seconds wire.Count) string {
	d := time.Duration(seconds) * time.Second
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// listOf joins names, or is a dash.
func listOf[S ~string](names []S) string {
	if len(names) == 0 {
		return "-"
	}
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	return strings.Join(texts, ", ")
}
