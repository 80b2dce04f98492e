package sabotage

import (
	"regexp"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// emptyPlane takes everything from the plane that it knows.
func emptyPlane(w *world.World) {
	p, err := plane.New(w.Scenario().PlaneConfig())
	if err != nil {
		panic(err)
	}
	*w.Plane() = *p
}

// editPlane makes the plane again from its state as text, after a change.
func editPlane(w *world.World, edit func(state string) string) {
	state := string(w.Plane().AppendState(nil))
	edited := edit(state)
	if edited == state {
		return
	}
	p, err := plane.Restore(w.Scenario().PlaneConfig(), []byte(edited))
	if err != nil {
		panic(err) // the test broke more than it wanted to
	}
	*w.Plane() = *p
}

// editRecord changes the line of a host's first record, once, if the pattern is
// in it. It reports whether it was.
func editRecord(w *world.World, host, pattern, by string) bool {
	done := false
	editPlane(w, func(state string) string {
		lines := strings.Split(state, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "record ") && strings.Contains(line, `"hostname":"`+host+`"`) && regexp.MustCompile(pattern).MatchString(line) {
				lines[i] = regexp.MustCompile(pattern).ReplaceAllString(line, by)
				done = true
				break
			}
		}
		return strings.Join(lines, "\n")
	})
	return done
}

// offerAnyway offers a host a rollout from an instant on.
func offerAnyway(host wire.Hostname, id wire.RolloutID, from time.Duration) func() *Saboteur {
	return onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		poll, is := in.(*plane.Poll)
		if !is || poll.Hostname != host || w.Now() < from {
			return
		}
		rec, _ := w.Plane().Record(id, host)
		r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{
			Hostname: host, RolloutID: id, TargetClosure: rec.TargetClosure, SoakDueAt: rec.SoakDueAt,
			SoakSeconds: rec.SoakSeconds, EnqueuedAt: rec.DispatchedAt, OnHealthFailure: wire.RollbackAndHalt,
		}}
	})
}

// replaceIn replaces what matches a pattern.
func replaceIn(pattern, by string) func(string) string {
	return func(s string) string { return regexp.MustCompile(pattern).ReplaceAllString(s, by) }
}
