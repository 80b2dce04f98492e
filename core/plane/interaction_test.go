package plane_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestInteractions plays the files of testdata, each of which shows one
// behaviour. Run with -rewrite to write down what the plane does now, and read
// the difference.
//
// Every command steps one batch and prints its output: entries, replies, wakes
// and notices. Check runs after every step.
//
//	new [interval=60s] [stall=10s] [replays=256]
//	                                 a plane that knows nothing, at the epoch
//	open ID [policy=halt] [serial=N]
//	                                 opens a rollout; a line for each wave:
//	                                 wave [soak=MINUTES] HOST=CLOSURE …
//	files                            opens the manifests that each line has, as
//	                                 the arguments of open, together, as those
//	                                 of a directory
//	heartbeat HOST [rollout=ID] [closure=C] [at=SECONDS]
//	event HOST ID SEQ KIND [at=SECONDS] [closure=C] [probe=P] [mode=M] [status=S]
//	heartbeats N M                   those of hosts hN to hM (four digits), in one
//	                                 batch, of which only the notices are printed
//	poll HOST [again]                again: it has asked before, and waited
//	unread HOST [body=TEXT]          an event of a field agent that cannot be read
//	resume ID
//	choose ID
//	clear CHANNEL CLOSURE
//	revoke NAME [before=SECONDS]
//	tick [impaired]
//	storage unavailable | available
//	query host HOST | hosts | rollout ID | rollouts | quarantine | revocations
//	      [after=A] [limit=N]
//	batch                            steps each line as one of the above,
//	                                 all in one batch
//	advance D                        moves the clock, with a tick every 5 s
//	jump D                           moves the clock, and nothing else
//	state [durable]                  prints the state's canonical lines
//	check                            prints the plane's own description
//
// Heartbeats, events and polls with the argument field are a field agent's.
// Seconds count from the epoch, which both clocks show at first; an event or a
// heartbeat without at= happens now. With the argument json a reply's document
// is printed as it goes out.
func TestInteractions(t *testing.T) { // PROTOCOL H, E, D, R, T5, L
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := &script{harness: started(t)}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				s.t = t
				return s.run(d)
			})
		})
	}
}

// script is the state of one file.
type script struct {
	*harness
}

func (s *script) run(d *datadriven.TestData) string {
	defer func() {
		if err := s.plane.Check(); err != nil {
			d.Fatalf(s.t, "%v", err)
		}
	}()
	c := command{d.Cmd, d.CmdArgs, d.Input}
	switch d.Cmd {
	case "new":
		var cfg plane.Config
		if v := c.value("interval"); v != "" {
			cfg.HeartbeatInterval = s.duration(v)
		}
		if v := c.value("stall"); v != "" {
			cfg.StallAfter = s.duration(v)
		}
		if v := c.value("replays"); v != "" {
			cfg.MaxReplays = int(s.number(v))
		}
		cfg.SignedOnly = c.has("signed-only")
		p, err := plane.New(cfg)
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		s.plane, s.now = p, 0
		s.step(&plane.Started{})
		return ""
	case "batch":
		s.out.Reset()
		json := c.has("json")
		for line := range strings.Lines(c.input) {
			word, args, err := datadriven.ParseLine(line)
			if err != nil {
				d.Fatalf(s.t, "%v", err)
			}
			s.add(s.input(command{word, args, ""}))
		}
		return s.output(json)
	case "files":
		s.out.Reset()
		for _, m := range arranged(s.manifests(d, c)) {
			s.add(m)
		}
		return s.output(false)
	case "release": // that is taken up and opened, as a driver does
		s.out.Reset()
		in := &plane.Release{Manifests: s.manifests(d, c)}
		if reply := s.add(in); reply.Outcome.Code == wire.NoContent && !c.has("unopened") {
			for _, m := range in.Manifests {
				s.add(&plane.FileManifest{Manifest: m, Signed: true})
			}
		}
		return s.output(false)
	case "heartbeats":
		s.out.Reset()
		for i := s.number(c.positional(0)); i <= s.number(c.positional(1)); i++ {
			s.add(heartbeat(wire.Hostname(fmt.Sprintf("h%04d", i)), "", ""))
		}
		s.out.Replies = s.out.Replies[:0]
		return s.output(false)
	case "start": // again, from what is durable
		s.plane = restored(s.t, s.plane.Config(), s.plane.AppendDurable(nil))
		s.step(&plane.Started{})
		return ""
	case "advance":
		return s.advance(s.duration(c.positional(0)))
	case "jump":
		s.now += s.duration(c.positional(0))
		return ""
	case "state":
		if c.has("durable") {
			return s.durable()
		}
		return string(s.plane.AppendState(nil))
	case "check":
		return s.plane.String() + "\n"
	case "query":
		reply := s.step(s.query(c))
		if c.has("json") {
			return s.output(true)
		}
		return summary(reply)
	default:
		s.step(s.input(c))
		return s.output(c.has("json"))
	}
}

// manifests reads a manifest of each line below a command.
func (s *script) manifests(d *datadriven.TestData, c command) (list []wire.Manifest) {
	for line := range strings.Lines(c.input) {
		id, args, err := datadriven.ParseLine(line)
		if err != nil {
			d.Fatalf(s.t, "%v", err)
		}
		args = append([]datadriven.CmdArg{{Key: id}}, args...)
		list = append(list, s.manifest(command{"open", args, ""}))
	}
	return list
}

// advance ticks as a healthy driver does and prints what the ticks said, each
// with the time at which it was said.
func (s *script) advance(d time.Duration) string {
	var b strings.Builder
	for end := s.now + d; s.now < end; {
		s.now = min(s.now+stall/2, end)
		s.step(&plane.Tick{})
		if said := s.output(false); said != "" {
			for line := range strings.Lines(said) {
				fmt.Fprintf(&b, "%v %s", s.now, line)
			}
		}
	}
	return b.String()
}

// output prints the batch in the order in which a driver carries it out.
func (s *script) output(json bool) string {
	var b strings.Builder
	for _, e := range s.out.Entries {
		fmt.Fprintf(&b, "entry %v\n", e)
	}
	for i := range s.out.Replies {
		r := &s.out.Replies[i]
		fmt.Fprintf(&b, "reply %v\n", *r)
		if !json {
			continue
		}
		if at := r.Outcome.Heartbeat.ReceivedAt; at.IsSet() {
			fmt.Fprintf(&b, "  received_at=%v\n", at)
		}
		for j := range r.Outcome.Heartbeat.Bootstrap {
			fmt.Fprintf(&b, "  %s\n", wire.SnapshotSchema.Append(nil, &r.Outcome.Heartbeat.Bootstrap[j]))
		}
		if r.Outcome.Document != nil {
			fmt.Fprintf(&b, "  %s\n", r.Outcome.Document.AppendJSON(nil))
		}
	}
	if s.out.RevocationsChanged {
		b.WriteString("revocations changed\n")
	}
	for _, h := range s.out.Wakes {
		fmt.Fprintf(&b, "wake %s\n", h)
	}
	for _, n := range s.out.Notices {
		fmt.Fprintf(&b, "notice %v\n", n)
	}
	return b.String()
}

// summary prints the document of a query in a few words a line.
func summary(r plane.Reply) string {
	var b strings.Builder
	switch doc := r.Outcome.Document.(type) {
	case *wire.HostStatus:
		summariseHost(&b, doc)
	case *wire.Page[wire.HostStatus]:
		for i := range doc.Items {
			summariseHost(&b, &doc.Items[i])
		}
		summariseNext(&b, doc.Next)
	case *wire.RolloutStatus:
		summariseRollout(&b, doc)
	case *wire.Page[wire.RolloutStatus]:
		for i := range doc.Items {
			summariseRollout(&b, &doc.Items[i])
		}
		summariseNext(&b, doc.Next)
	case *wire.Page[wire.QuarantineEntry]:
		for _, q := range doc.Items {
			fmt.Fprintf(&b, "%s %s since=%v by=%s %s\n", q.Channel, q.Closure, q.Since, q.By, q.Hostname)
		}
	case *wire.Page[wire.Revocation]:
		for _, q := range doc.Items {
			fmt.Fprintf(&b, "%s before=%v\n", q.CommonName, q.RevokedBefore)
		}
	default:
		fmt.Fprintf(&b, "reply %v\n", r)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func summariseNext(b *strings.Builder, next string) {
	if next != "" {
		fmt.Fprintf(b, "next=%s\n", next)
	}
}

func summariseHost(b *strings.Builder, h *wire.HostStatus) {
	fmt.Fprintf(b, "%s %v silent=%ds heartbeat=%v", h.Hostname, h.Reachability, h.SilentSeconds, h.LastHeartbeatAt)
	if h.CurrentClosure != "" {
		fmt.Fprintf(b, " closure=%s", h.CurrentClosure)
	}
	b.WriteString("\n")
	for i := range h.Records {
		summariseRecord(b, &h.Records[i])
	}
}

func summariseRollout(b *strings.Builder, r *wire.RolloutStatus) {
	fmt.Fprintf(b, "%s %v waves=%d/%d", r.RolloutID, r.State, r.WavesDispatched, len(r.Policy.Waves))
	for _, state := range wire.States {
		if n := *r.Counts.Of(state); n > 0 {
			fmt.Fprintf(b, " %v=%d", state, n)
		}
	}
	if r.HaltedBy != "" {
		fmt.Fprintf(b, " halted_by=%s", r.HaltedBy)
	}
	if r.SupersededBy != "" {
		fmt.Fprintf(b, " superseded_by=%s", r.SupersededBy)
	}
	if r.Signed {
		b.WriteString(" signed")
	}
	if r.Backed {
		b.WriteString(" backed")
	}
	b.WriteString("\n")
	for i := range r.Hosts {
		summariseRecord(b, &r.Hosts[i])
	}
	summariseNext(b, string(r.Next))
}

func summariseRecord(b *strings.Builder, rec *wire.RecordStatus) {
	s := &rec.Snapshot
	fmt.Fprintf(b, "  %s %s wave=%d %v", s.RolloutID, s.Hostname, rec.Wave, s.State)
	if rec.Synthesised {
		b.WriteString("*")
	}
	fmt.Fprintf(b, " seq=%d target=%s", s.LastEventSeq, s.TargetClosure)
	if s.CurrentClosure != "" {
		fmt.Fprintf(b, " current=%s", s.CurrentClosure)
	}
	if s.DispatchedAt.IsSet() {
		fmt.Fprintf(b, " dispatched=%v", s.DispatchedAt.Std().Sub(epoch))
	}
	for _, probe := range rec.FailingProbes {
		fmt.Fprintf(b, " failing=%s", probe)
	}
	b.WriteString("\n")
}

// command is one line of a script.
type command struct {
	word  string
	args  []datadriven.CmdArg
	input string
}

// positional returns the i-th argument without a value.
func (c command) positional(i int) string {
	for _, a := range c.args {
		if len(a.Vals) > 0 {
			continue
		}
		if i == 0 {
			return a.Key
		}
		i--
	}
	return ""
}

func (c command) has(flag string) bool {
	for _, a := range c.args {
		if len(a.Vals) == 0 && a.Key == flag {
			return true
		}
	}
	return false
}

// value returns the value of a named argument, "" without it.
func (c command) value(name string) string {
	for _, a := range c.args {
		if len(a.Vals) == 1 && a.Key == name {
			return a.Vals[0]
		}
	}
	return ""
}
