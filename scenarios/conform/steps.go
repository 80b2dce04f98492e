package conform

import (
	"errors"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/sim"
)

// arrive sends a request and waits until it has come as far as it comes by
// itself: to the gate, or to an answer. A manifest is not sent; the server has
// read it, and comes to the gate with it.
func (p *player) arrive(s *sim.TapeStep) (*Difference, error) {
	request := &p.tape.Requests[s.Request]
	if request.Manifest {
		if !p.until(func() bool { return p.manifest(s.Request) }) {
			return p.differ("the server does not put the manifest through its gate"), nil
		}
		return nil, nil
	}
	server, number, made := p.server, s.Request, len(p.timers)
	p.flying++
	err := p.clients.send(p.ctx, request, s.Kind == sim.TapeHandshake, func(r response) {
		p.mail.post(func(p *player) {
			p.flying--
			if p.server == server {
				p.responses[number] = &r
			}
		})
	}, p.now)
	if err != nil {
		p.flying--
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
	case s.Kind == sim.TapeArrive && r != nil && r.err != nil:
		return p.differ("the server does not answer: %v", r.err), nil
	case s.Kind == sim.TapeHandshake && (r == nil || r.err == nil):
		return p.differ("the server lets in a certificate that the simulator refuses in the handshake"), nil
	}
	return nil, nil
}

// newcomer looks for somebody at the gate who was not there before, and takes
// him for a request.
func (p *player) newcomer(request int) bool {
	for in := range p.offers { // there is one at most
		if n, known := p.inputs[in]; !p.files[in] && (!known || p.isOver(n)) {
			p.inputs[in] = request
			return true
		}
	}
	return false
}

// isOver reports whether a request has its answer, so that its input may be
// another's by now.
func (p *player) isOver(request int) bool {
	return p.responses[request] != nil || p.tape.Requests[request].Manifest
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
		if _, open := in.(*plane.OpenRollout); open {
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
func (p *player) offer(s *sim.TapeStep) (*Difference, error) {
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
	file := p.tape.Requests[s.Request].Manifest
	if file {
		p.marks[s.Request], p.file = len(p.timers), nil
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

// isAt reports whether the loop stands at a point.
func (p *player) isAt(at httpserver.FaultPoint) bool { return p.loop != nil && p.loop.At == at }

// comeTo lets a loop that is between two batches go on until it stands somewhere
// else than where it may be left standing.
func (p *player) comeTo(there func() bool) bool {
	return p.until(func() bool {
		if there() {
			return true
		}
		if p.isAt(httpserver.AfterBatch) || p.isAt(httpserver.BeforeBatch) {
			h := p.loop
			p.loop = nil
			h.Release()
			return false
		}
		return p.stands()
	}) && there()
}

// loopStep lets the loop do what it does next by itself.
func (p *player) loopStep(s *sim.TapeStep) (*Difference, error) {
	switch s.Kind {
	case sim.TapeTake:
		if !p.comeTo(func() bool { return p.isAt(httpserver.BeforeBatch) }) {
			return p.differ("the simulator's loop takes %d inputs, the server's %s", s.N, p.position()), nil
		}
		if depth := p.server.InboxDepth(); depth != s.Depth {
			return p.differ("%d inputs are inside the simulator's inbox, %d inside the server's", s.Depth, depth), nil
		}
		if !p.loopGoes(false) {
			return p.differ("the simulator's loop takes %d inputs, the server's finds none", s.N), nil
		}
		return nil, nil
	case sim.TapeTick:
		ticks := func() bool {
			if !p.isAt(httpserver.BeforeStep) {
				return false
			}
			_, tick := p.loop.Input.(*plane.Tick)
			return tick
		}
		if !p.comeTo(ticks) || !p.loopGoes(false) || !p.isAt(httpserver.AfterBatch) {
			return p.differ("the simulator's loop ticks, the server's %s", p.position()), nil
		}
		return nil, nil
	}
	at, does := httpserver.BeforeStep, "steps"
	switch s.Kind {
	case sim.TapeDropped:
		does = "lets go of"
	case sim.TapeReplied:
		at, does = httpserver.BeforeReply, "replies to"
	}
	drop := s.Kind == sim.TapeDropped || s.Kind == sim.TapeReplied && s.N == 1
	number, known := -1, false
	if p.isAt(at) {
		number, known = p.inputs[p.loop.Input]
	}
	if !known || number != s.Request {
		return p.differ("the simulator's loop %s m%d, the server's %s", does, p.tape.Requests[s.Request].Message, p.position()), nil
	}
	if !p.loopGoes(drop) {
		return p.differ("the server's loop comes to nothing after this"), nil
	}
	return nil, nil
}

// disk lets the store do what the tape says.
func (p *player) disk(s *sim.TapeStep) (*Difference, error) {
	if s.Kind == sim.TapeRebuild {
		return p.rebuild(s)
	}
	if p.call == nil || p.call.load || len(p.call.entries) != s.N {
		return p.differ("the simulator's loop commits %d entries, the server's %s", s.N, p.position()), nil
	}
	if depth := p.server.InboxDepth(); depth != s.Depth {
		return p.differ("before the commit is done %d inputs are inside the simulator's inbox, %d inside the server's", s.Depth, depth), nil
	}
	switch s.Kind {
	case sim.TapeCommitLost:
		// Nobody is told: the loop stands until the process is dead.
		return nil, p.store.inner.Commit(p.call.entries, p.call.rows)
	case sim.TapeCommitFailed:
		if !p.storeSays(errDisk) || p.call == nil || !p.call.load {
			return p.differ("after a commit that failed the server's loop %s; want that it loads the log", p.position()), nil
		}
	default:
		if !p.storeSays(nil) {
			return p.differ("the server's loop comes to nothing after the commit"), nil
		}
	}
	return nil, nil
}

// rebuild lets the server's plane be built again, or not. The server tries again
// in times of its own; what it finds is what the tape says in the end.
func (p *player) rebuild(s *sim.TapeStep) (*Difference, error) {
	if s.N == 0 {
		if p.call == nil || p.refused {
			return nil, nil // it waits for its next attempt
		}
		made := len(p.timers)
		c := p.call
		p.call, p.refused = nil, true
		c.verdict <- errDisk
		if !p.until(func() bool { return len(p.timers) > made || p.ended != nil }) {
			return p.differ("the server does not wait before it loads again"), nil
		}
		return nil, nil
	}
	p.refused = false
	if !p.until(func() bool { return p.call != nil }) || !p.call.load {
		return nil, errors.New("the server has not come to load its log again; plane.start of the scenario is shorter than the server waits")
	}
	if !p.storeSays(nil) || !p.isAt(httpserver.AfterBatch) {
		return p.differ("the server does not build its plane again: its loop %s", p.position()), nil
	}
	if !p.loopGoes(false) {
		return p.differ("the server's loop comes to nothing after it has built its plane again"), nil
	}
	return nil, nil
}

// state compares the planes. The loop has just ticked, and stands.
func (p *player) state(*sim.TapeStep) (*Difference, error) {
	if p.tape.Steps[p.at-1].Kind == sim.TapeStart {
		return nil, nil // start has compared it
	}
	if !p.isAt(httpserver.AfterBatch) {
		return p.differ("the server's loop %s; want that it has just ticked", p.position()), nil
	}
	return p.compare(p.tape.Steps[p.at].State), nil
}

// compareState compares the planes after a load, if the tape has a state there.
func (p *player) compareState() *Difference {
	if next := p.at + 1; next < len(p.tape.Steps) && p.tape.Steps[next].Kind == sim.TapeState {
		return p.compare(p.tape.Steps[next].State)
	}
	return nil
}
