package picture

import (
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

func describeMessages(list []*record.MessageTrack, t *table) messages {
	var d messages
	var before record.Stamp
	var id uint64
	for _, m := range list {
		add(&d.ID, int64(m.ID-id))
		id = m.ID
		add(&d.Kind, int64(m.Kind))
		add(&d.Host, int64(m.Host))
		add(&d.Text, t.number(m.Text))
		add(&d.Rollout, t.number(string(m.Rollout)))
		add(&d.Flags, flags(m))
		add(&d.Code, int64(m.Code))
		add(&d.Why, int64(m.Why))
		add(&d.RetryAfter, int64(m.RetryAfter/time.Second))
		add(&d.ReplayFrom, int64(m.ReplayFrom))
		add(&d.Sent, int64(m.Sent.Step)-int64(before.Step))
		add(&d.SentAt, int64(m.Sent.At-before.At))
		before = m.Sent
		for _, s := range []struct {
			of       record.Stamp
			step, at *[]int64
		}{
			{m.Arrived, &d.Arrived, &d.ArrivedAt}, {m.Stepped, &d.Stepped, &d.SteppedAt}, {m.Answered, &d.Answered, &d.AnsweredAt},
			{m.Heard, &d.Heard, &d.HeardAt}, {m.Late, &d.Late, &d.LateAt}, {m.Gone, &d.Gone, &d.GoneAt},
		} {
			step, at := int64(0), int64(0)
			if s.of.Happened() {
				// One more than the difference, so that 0 is never.
				step, at = int64(s.of.Step-m.Sent.Step)+1, int64(s.of.At-m.Sent.At)
			}
			add(s.step, step)
			add(s.at, at)
		}
	}
	return d
}

func add(column *[]int64, value int64) { *column = append(*column, value) }

func flags(m *record.MessageTrack) int64 {
	f := int64(0)
	for _, flag := range []struct {
		bit int64
		set bool
	}{
		{flagDuplicate, m.Duplicate}, {flagNoAnswer, m.NoAnswer}, {flagDropped, m.Dropped}, {flagLostRequest, m.Lost == scenario.Up},
		{flagLostAnswer, m.Lost == scenario.Down}, {flagReplay, m.Replay}, {flagRoutine, m.Routine()},
	} {
		if flag.set {
			f |= flag.bit
		}
	}
	return f
}

func describeSteps(list []*record.StepTrack, t *table) steps {
	var d steps
	var before record.Stamp
	var text strings.Builder
	for _, s := range list {
		add(&d.Step, int64(s.Step-before.Step))
		add(&d.At, int64(s.At-before.At))
		before = s.Stamp
		add(&d.Host, int64(s.Host))
		add(&d.Message, int64(s.Message))
		add(&d.What, t.number(s.What()))
		text.Reset()
		for i, line := range s.Lines {
			if i > 0 {
				text.WriteByte('\n')
			}
			text.WriteString(line.Where + "\t" + strings.ReplaceAll(line.Text, "\n", " ⏎ "))
		}
		d.Lines = append(d.Lines, text.String())
	}
	return d
}

func describeSeries(s *record.Series, hosts int) series {
	d := series{Width: int64(s.Width), Hosts: hosts}
	for _, c := range wire.UnavailableCodes {
		d.Reasons = append(d.Reasons, c.String())
	}
	d.Refused = make([][]int, len(wire.UnavailableCodes))
	d.Records = make([][]int, len(wire.States))
	for i := range s.Buckets {
		b := &s.Buckets[i]
		d.Depth, d.Others = append(d.Depth, b.Depth), append(d.Others, b.Others)
		if n := len(d.Limits); b.Capacity > 0 && (n == 0 || d.Limits[n-1][1] != b.Capacity) {
			d.Limits = append(d.Limits, [3]int{i, b.Capacity, check.OthersAtMost(b.Capacity)})
		}
		d.Answered = append(d.Answered, b.Answered)
		d.Up = append(d.Up, b.Up)
		d.Known = append(d.Known, b.Known)
		d.Reachable = append(d.Reachable, b.Reachable)
		for r, n := range b.Refused {
			d.Refused[r] = append(d.Refused[r], n)
		}
		for r, n := range b.Records {
			d.Records[r] = append(d.Records[r], n)
		}
	}
	return d
}

// bands are the faults of a scenario, and what its operator does.
func bands(s *scenario.Scenario, end time.Duration) []band {
	var list []band
	for _, f := range s.Faults {
		b := band{On: onWhat(f.Kind), From: int64(f.At), First: f.Hosts.First, Last: f.Hosts.Last}
		_, b.Text, _ = strings.Cut(strings.TrimPrefix(f.String(), "at "), " ")
		switch {
		case f.For > 0:
			b.To = int64(min(f.At+f.For, end))
		case f.Kind.Instant():
			b.To = b.From
		default:
			b.To = int64(min(s.Active, end))
		}
		if f.At <= end {
			list = append(list, b)
		}
	}
	for i := range s.Rollouts {
		r := &s.Rollouts[i]
		if r.At <= end {
			list = append(list, band{Text: "open " + string(r.ID) + " target=" + string(r.Target), On: "operator", From: int64(r.At), To: int64(r.At),
				First: r.Targets.First, Last: r.Targets.Last})
		}
	}
	for _, a := range s.Acts {
		if a.At <= end {
			b := band{On: "operator", From: int64(a.At), To: int64(a.At), First: a.Hosts.First, Last: a.Hosts.Last}
			_, b.Text, _ = strings.Cut(strings.TrimPrefix(a.String(), "at "), " ")
			list = append(list, b)
		}
	}
	return list
}

// onWhat says what a kind of fault hits: the plane, or hosts and their links.
func onWhat(k scenario.FaultKind) string {
	word, _, _ := strings.Cut(k.String(), " ")
	switch word {
	case "reducer", "gate", "plane", "disk":
		return "plane"
	}
	return "hosts"
}
