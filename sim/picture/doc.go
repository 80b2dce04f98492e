// Package picture draws runs of the simulator: as one self-contained page of
// HTML for a browser, as trace events for Perfetto, and as the difference of
// two runs, side by side. docs/picture.md says how to read them.
//
// It refuses to run anything: it draws a [record.Recording], which a
// [record.Recorder] collected. It refuses the network: a page has its styles, its
// script and its data inside, asks for nothing, and says so to the browser with
// a content security policy. It has no framework and no build step; what is in
// the directory page is what the browser gets.
//
//	recorder := record.NewRecorder(record.Limits{})
//	verdict, err := sim.Run(s, sim.Options{Record: recorder})
//	...
//	err = picture.Write(file, picture.Run{Recording: recorder.Recording(verdict)})
//
// The same recording gives the same bytes.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package picture
