package driver

import (
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The pace of polls (PROTOCOL D3): of one host PollBurst polls are admitted at
// once, and then one every PollEvery. In any time t at most PollBurst + t/PollEvery
// are.
const (
	PollEvery = time.Second
	PollBurst = 10
)

// pace is how far the polls of a host are ahead of their pace: the instant at which
// it would have used up nothing of its burst. It is a leaky bucket in one number
// (the generic cell rate algorithm of ITU-T I.371).
type pace time.Duration

// ahead reports whether another poll now would exceed the pace.
func (p pace) ahead(now time.Duration) bool {
	return time.Duration(p)-now > (PollBurst-1)*PollEvery
}

// count counts a poll that was admitted.
func (p *pace) count(now time.Duration) { *p = pace(max(time.Duration(*p), now) + PollEvery) }

// placeOf returns the place of a host's poll, which it makes if there is none.
func (p *polls[T]) placeOf(host wire.Hostname) *place[T] {
	at := p.byHost[host]
	if at == nil {
		at = new(place[T])
		p.byHost[host] = at
	}
	return at
}

// arrivePoll takes a poll that has passed every check. One that exceeds the pace of
// its host is refused saturated before the gate has seen it: it costs the plane
// nothing, and does not answer the host's older poll.
func (f *Front[T]) arrivePoll(now wire.Instant, r *Request[T], in *plane.Poll) (admitted bool) {
	if at := f.polls.byHost[in.Hostname]; at != nil && at.pace.ahead(now.Mono) && !f.rebuilding && f.gate.State() == gate.Open {
		f.polls.paced++
		f.refuse(now, r, f.gate.Refuse(now.Mono, r.Caller, wire.Saturated), Refused)
		return false
	}
	in.Again = false
	if !f.offer(now, r) {
		return false
	}
	at := f.polls.placeOf(in.Hostname)
	at.pace.count(now.Mono)
	if r.Wait > 0 {
		f.enter(now, r, at)
	}
	return true
}

// PacedPolls returns how many polls were refused since they exceeded the pace of
// their host.
func (f *Front[T]) PacedPolls() uint64 { return f.polls.paced }
