package picture

import (
	"html/template"
	"io"
)

// diffDocument is what the script of a page with two runs reads.
type diffDocument struct {
	Step, Same uint64
	Scenario   [][2]string // side and line
	Sides      []diffSide
	Rows       []diffRow
}

type diffSide struct {
	Name, Ending, What, Verdict string
	// Document has the side's records and hosts, and no messages or steps.
	Document *document
}

// diffRow has each side's step, time, host, place (a string) and text.
type diffRow struct {
	Sign string
	A, B *diffCell
}

type diffCell struct {
	Step  uint64
	At    int64
	Host  int
	Where string
	Text  string
}

// WriteDifference writes a difference as one page of HTML that needs nothing
// else.
func WriteDifference(w io.Writer, d *Difference) error {
	doc := diffDocument{Step: d.Step, Same: d.Same}
	for _, l := range scenarioLines(d) {
		doc.Scenario = append(doc.Scenario, [2]string{string(l.side), l.text})
	}
	for _, s := range []*Side{&d.A, &d.B} {
		whole := *s.Run.Recording // how it ends is not how the part that was recorded ends
		whole.Result = s.Whole
		run := s.Run
		run.Recording = &whole
		side := diffSide{Name: s.Name, Ending: ending(&s.Whole), What: s.What, Verdict: s.Whole.Word(), Document: describe(run)}
		side.Document.Messages, side.Document.Steps, side.Document.Series = messages{}, steps{}, series{}
		doc.Sides = append(doc.Sides, side)
	}
	for _, row := range d.Rows {
		doc.Rows = append(doc.Rows, diffRow{string(sign(row)), cellOf(row.A), cellOf(row.B)})
	}
	data, err := pack(doc)
	if err != nil {
		return err
	}
	return writePage(w, "diff.html", map[string]any{
		"Title":  d.A.Name + " and " + d.B.Name,
		"Style":  template.CSS(read("style.css") + read("diff.css")),
		"Script": template.JS(join(diffScripts)),
		"Data":   data,
	})
}

func cellOf(l *Line) *diffCell {
	if l == nil {
		return nil
	}
	return &diffCell{l.Step, int64(l.At), l.Host, l.Where, l.Text}
}
