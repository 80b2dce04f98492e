package main

import (
	"io"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/picture"
	"github.com/refrain-fleet/refrain/sim/record"
)

// simPictureFlags say how a run is drawn.
type simPictureFlags struct {
	HTML     string `name:"html" placeholder:"FILE" help:"Draw the run as a page for a browser."`
	Perfetto string `placeholder:"FILE" help:"Write the run as trace events for ui.perfetto.dev."`
}

// simDrawing is a run that is going to be drawn. The zero value draws nothing.
type simDrawing struct {
	recorder *record.Recorder
	pages    []drawnFile
}

type drawnFile struct {
	file *outputFile
	draw func(io.Writer, picture.Run) error
}

// begin opens the files, so that an unwritable path is an error before the run.
func (f *simPictureFlags) begin(out io.Writer) (*simDrawing, error) {
	d := &simDrawing{}
	for _, want := range []struct {
		flag, path string
		draw       func(io.Writer, picture.Run) error
	}{
		{"--html", f.HTML, picture.Write},
		{"--perfetto", f.Perfetto, picture.WritePerfetto},
	} {
		if want.path == "" {
			continue
		}
		file, err := createOutput(want.flag, want.path, out)
		if err != nil {
			return nil, err
		}
		d.pages = append(d.pages, drawnFile{file, want.draw})
	}
	if len(d.pages) > 0 {
		d.recorder = record.NewRecorder(record.Limits{})
	}
	return d, nil
}

// finish draws the run into the files.
func (d *simDrawing) finish(verdict check.Verdict, report *simReport) error {
	if d.recorder == nil {
		return nil
	}
	run := picture.Run{
		Recording: d.recorder.Recording(verdict), Profile: report.Profile, File: report.File, Source: report.source, Build: report.Build, Again: report.Again,
	}
	for _, p := range d.pages {
		if err := p.file.write(func(w io.Writer) error { return p.draw(w, run) }); err != nil {
			return err
		}
	}
	return nil
}
