package conform

import (
	"context"
	"fmt"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/sim/record"
)

// arrive sends a request and waits until it has come as far as it comes by
// itself: to the gate, or to an answer. A manifest is not sent; the server has
// read it, and comes to the gate with it.
func (p *player) arrive(s *record.TapeStep) (*Difference, error) {
	request := &p.tape.Requests[s.Request]
	if request.Manifest {
		if !p.until(func() bool { return p.manifest(s.Request) }) {
			return p.differ("the server does not put the manifest through its gate"), nil
		}
		return nil, nil
	}
	if request.Release {
		return p.arriveRelease(s), nil
	}
	server, number, made := p.server, s.Request, len(p.timers)
	p.flying++
	ctx, hangUp := context.WithCancel(p.ctx)
	p.hangUp[number] = hangUp
	err := p.clients.send(ctx, request, s.Kind == record.TapeHandshake, func(r response) {
		p.mail.post(func(p *player) {
			p.flying--
			hangUp()
			if p.server == server {
				p.responses[number] = &r
			}
		})
	}, p.now)
	if err != nil {
		p.flying--
		hangUp()
		return nil, err
	}
	if !p.until(func() bool { return p.responses[number] != nil || p.newcomer(number) }) {
		return p.differ("the request comes neither to the gate nor to an answer"), nil
	}
	// The timer of a poll is made before it comes to the gate, and is none that
	// anybody else waits for.
	p.timers = p.timers[:made]
	r := p.responses[number]
	switch {
	case s.Kind == record.TapeArrive && r != nil && r.err != nil:
		return p.differ("the server does not answer: %v", r.err), nil
	case s.Kind == record.TapeHandshake && (r == nil || r.err == nil):
		return p.differ("the server lets in a certificate that the simulator refuses in the handshake"), nil
	}
	return nil, nil
}

// clientGone closes the connection of a poll and waits until the server has seen
// that.
func (p *player) clientGone(s *record.TapeStep) (*Difference, error) {
	if r := p.responses[s.Request]; r != nil {
		return p.differ("the server has answered already:\n%s", r.text()), nil
	}
	p.noticed, p.gone[s.Request] = nil, true
	p.hangUp[s.Request]()
	seen := func() bool {
		n, known := p.inputs[p.noticed]
		return p.noticed != nil && known && n == s.Request && p.responses[s.Request] != nil
	}
	if !p.until(seen) {
		return p.differ("the server does not see that the client of the poll is gone"), nil
	}
	return nil, nil
}

// newcomer looks for somebody at the gate who was not there before, and takes
// him for a request.
func (p *player) newcomer(request int) bool {
	for in := range p.offers { // there is one at most
		if n, known := p.inputs[in]; !isFile(in) && (!known || p.isOver(n)) {
			p.inputs[in] = request
			return true
		}
	}
	return false
}

// isOver reports whether a request has its answer, so that its input may be
// another's by now.
func (p *player) isOver(request int) bool {
	r := &p.tape.Requests[request]
	return p.responses[request] != nil || r.Manifest || r.Release
}

// isFile reports whether an input is of a file, and of no request.
func isFile(in plane.Input) bool {
	switch in.(type) {
	case *plane.FileManifest, *plane.Release:
		return true
	}
	return false
}

// manifest looks for a file at the gate, and takes it for a request.
func (p *player) manifest(request int) bool {
	if !p.fileComes() {
		return false
	}
	p.inputs[p.file] = request
	return true
}

// fileComes looks for the next manifest of the directory at the gate. The server
// comes there with it by itself, and earlier than the tape says.
func (p *player) fileComes() bool {
	if p.file != nil {
		return true
	}
	for in := range p.offers {
		if file, open := in.(*plane.FileManifest); open && !file.Signed {
			if _, known := p.inputs[in]; !known {
				p.file, p.files[in] = in, true
				return true
			}
		}
	}
	return false
}

// nextFile waits for the next manifest at the gate, if there is one more, so that
// it is not taken for a request.
func (p *player) nextFile() *Difference {
	if p.filesLeft == 0 || p.until(p.fileComes) {
		return nil
	}
	return p.differ("the server does not put the next manifest through its gate")
}

// offer lets a request ask the gate.
func (p *player) offer(s *record.TapeStep) (*Difference, error) {
	var in plane.Input
	found := func() bool {
		for held := range p.offers {
			if n, known := p.inputs[held]; known && n == s.Request {
				in = held
				return true
			}
		}
		return p.responses[s.Request] != nil
	}
	if !p.until(found) || in == nil {
		if r := p.responses[s.Request]; r != nil {
			return p.differ("the server answers, and does not ask its gate:\n%s", r.text()), nil
		}
		return p.differ("the request does not come to the gate"), nil
	}
	h := p.offers[in]
	delete(p.offers, in)
	file := p.tape.Requests[s.Request].Manifest || p.tape.Requests[s.Request].Release
	if file {
		p.marks[s.Request] = len(p.timers)
		if p.tape.Requests[s.Request].Manifest {
			p.file = nil
		}
	}
	h.Release()
	if s.N == 0 && file {
		return nil, nil // the answer says whether it was refused
	}
	if !p.until(func() bool { return p.offered[in] != nil || p.responses[s.Request] != nil }) {
		return p.differ("the gate says nothing"), nil
	}
	admitted := p.offered[in]
	switch {
	case s.N == 1 && admitted == nil:
		return p.differ("the simulator's gate lets the request in, the server's does not:\n%s", p.responses[s.Request].text()), nil
	case s.N == 0 && admitted != nil:
		return p.differ("the simulator's gate refuses the request, the server's lets it in"), nil
	}
	if admitted != nil {
		delete(p.offered, in)
		admitted.Release()
	}
	return nil, nil
}

// work lets the loop carry out its next section, and compares it.
func (p *player) work(s *record.TapeStep) (*Difference, error) {
	for {
		if !p.until(func() bool { return p.isAt(httpserver.BetweenSections) }) {
			return p.differ("the simulator's loop does %s, the server's %s", p.does(s), p.position()), nil
		}
		h := p.loop
		p.loop = nil
		h.Release()
		if d := p.section(s); d != nil {
			return d, nil
		}
		// A loop that is rung once more than needed rests, or finds nothing.
		if did := p.loop.Did; did != driver.Rest && !(did == driver.Take && p.loop.Took == 0 && (s.Work != driver.Take || s.N > 0)) {
			break
		}
	}
	depth := p.server.InboxDepth()
	switch {
	case p.loop.Did != s.Work:
		return p.differ("the simulator's loop does %s, the server's %s", p.does(s), p.position()), nil
	case s.Work == driver.Take && p.loop.Took != s.N:
		return p.differ("the simulator's loop takes %d inputs, the server's %d", s.N, p.loop.Took), nil
	case s.Work == driver.Take && depth != s.Depth:
		return p.differ("%d inputs are inside the simulator's inbox, %d inside the server's", s.Depth, depth), nil
	}
	if s.Work == driver.Open && !p.serving && !p.closing {
		p.serving = true
		return p.opened()
	}
	return nil, nil
}

// section sees a loop that was let go through its section, until it stands
// between two sections again.
func (p *player) section(s *record.TapeStep) *Difference {
	for {
		if !p.until(p.stands) {
			return p.differ("the simulator's loop does %s, the server's %s", p.does(s), p.position())
		}
		switch {
		case p.loading != nil:
			if s.Work != driver.Load {
				return p.differ("the simulator's loop does %s, the server's %s", p.does(s), p.position())
			}
			verdict := errDisk
			if s.N == 1 {
				verdict = nil
			}
			p.loading.verdict <- verdict
			p.loading = nil
		case p.loop.At == httpserver.BetweenSections:
			return nil
		default:
			if !p.isAbout(s) {
				return p.differ("the simulator's loop does %s, the server's %s", p.does(s), p.position())
			}
			h := p.loop
			p.loop = nil
			if s.N == 1 {
				h.Drop()
			} else {
				h.Release()
			}
		}
	}
}

// isAbout reports whether the loop is about to step the input, or to reply to
// it, that the tape says.
func (p *player) isAbout(s *record.TapeStep) bool {
	switch {
	case s.Work == driver.Tick:
		_, tick := p.loop.Input.(*plane.Tick)
		return tick
	case s.Work == driver.Step && p.loop.At == httpserver.BeforeStep, s.Work == driver.Reply && p.loop.At == httpserver.BeforeReply:
		number, known := p.inputs[p.loop.Input]
		return known && number == s.Request
	}
	return false
}

// does says what the loop does by the tape.
func (p *player) does(s *record.TapeStep) string {
	if s.Request < 0 {
		return s.Work.String()
	}
	return fmt.Sprintf("%v of m%d", s.Work, p.tape.Requests[s.Request].Message)
}

// disk lets the store do what the tape says. The loop goes on meanwhile.
func (p *player) disk(s *record.TapeStep) (*Difference, error) {
	if !p.until(func() bool { return p.committing != nil }) || len(p.committing.entries) != s.N {
		entries := 0
		if p.committing != nil {
			entries = len(p.committing.entries)
		}
		return p.differ("the simulator commits %d entries, the server %d", s.N, entries), nil
	}
	if depth := p.server.InboxDepth(); depth != s.Depth {
		return p.differ("before the commit is done %d inputs are inside the simulator's inbox, %d inside the server's", s.Depth, depth), nil
	}
	if s.Kind == record.TapeCommitLost {
		// The loop is not told until the process is dead.
		return nil, p.store.inner.Commit(p.committing.entries, p.committing.rows)
	}
	var verdict error
	if s.Kind == record.TapeCommitFailed {
		verdict = errDisk
		if s.Stored {
			if err := p.store.inner.Commit(p.committing.entries, p.committing.rows); err != nil {
				return nil, err
			}
		}
	}
	p.told = false
	p.committing.verdict <- verdict
	p.committing = nil
	if !p.until(func() bool { return p.told }) {
		return p.differ("the server's loop is not told how its commit has ended"), nil
	}
	return nil, nil
}
