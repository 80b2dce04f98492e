package conform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/world"
)

// patience is how long the player waits, in real time, for a server that does not
// come to where the tape says. Only a difference, or a machine that has come to a
// standstill, makes it wait that long.
const patience = 30 * time.Second

// player plays a tape to a server. Its own goroutine does everything; the
// others post.
type player struct {
	tape         *record.Tape
	certificates *Certificates
	stores       Stores
	mail         *mailbox
	dir          string // has the manifests
	releases     int    // that were put into the directory of releases
	at           int    // index of the step that is played
	life
	virtual atomic.Int64 // now, for those who receive answers
	flying  int          // requests that are under way
}

// life is what the player knows of one life of the server's process.
type life struct {
	clock   *drivenClock
	faults  *httpserver.Faults
	server  *httpserver.Server
	clients *clients
	store   *heldStore
	ctx     context.Context // of the process
	kill    context.CancelFunc

	// inputs says which request an input belongs to.
	inputs map[plane.Input]int
	// offers are those who are about to ask the gate, offered those whom it has
	// let in.
	offers, offered map[plane.Input]*httpserver.Held
	// loop is where the loop stands, loading its call if it waits for its log to
	// be loaded: at most one is set. committing is the committer's call.
	loop                *httpserver.Held
	loading, committing *storeCall
	// serving: the gate was opened.
	serving bool
	// told says that the loop was told how a commit has ended.
	told bool
	// started and ended take what [httpserver.Server.Start] and Shutdown say.
	started, ended *error
	timers         []time.Duration
	responses      map[int]*response
	closing, dead  bool
	// hangUp ends a request as a client does that gives up, gone are the requests
	// that were, noticed those of which the server has seen it.
	hangUp  map[int]context.CancelFunc
	gone    map[int]bool
	noticed plane.Input
	// marks are how many timers had been made when a manifest was offered.
	marks map[int]int
	// files are the inputs that are manifests of the directory, file the one that
	// is at the gate, filesLeft how many the server has not opened yet.
	files      map[plane.Input]bool
	servedLast *world.SignedRelease // that the process was seen to serve
	file       plane.Input
	filesLeft  int
}

// Play plays a tape to a real server with a memory store.
func Play(tape *record.Tape, c *Certificates) (*Difference, error) {
	return PlayWith(tape, c, NewMemoryStores())
}

// PlayWith plays a tape to a real server whose disk is one of stores. It returns
// the first difference, nil if there is none, and an error if the tape could not
// be played.
func PlayWith(tape *record.Tape, c *Certificates, stores Stores) (found *Difference, err error) {
	if tape.Scenario.Start.State != nil {
		return nil, errors.New("the scenario starts from a recorded state, which no store of a server can be given")
	}
	dir, err := os.MkdirTemp("", "refrain-conform-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(filepath.Join(dir, "manifests"), 0o700); err != nil {
		return nil, err
	}
	p := &player{tape: tape, certificates: c, stores: stores, mail: newMailbox(), dir: filepath.Join(dir, "manifests")}
	defer func() {
		if closing := p.bury(); err == nil && found == nil {
			err = closing
		}
	}()
	for p.at = range tape.Steps {
		s := &tape.Steps[p.at]
		d, err := p.play(s)
		if err != nil {
			return nil, fmt.Errorf("step %d of the tape (%v at %v): %w", p.at, s.Kind, s.At, err)
		}
		if d != nil {
			return d, nil
		}
	}
	return nil, nil
}

// play plays one step.
func (p *player) play(s *record.TapeStep) (*Difference, error) {
	if s.Kind == record.TapeUp {
		return nil, p.comeUp(s)
	}
	if p.server != nil && s.At > p.clock.now {
		p.virtual.Store(int64(s.At))
		p.clock.moveTo(s.At)
		p.read()
	}
	switch s.Kind {
	case record.TapeStart:
		return p.start()
	case record.TapeHandshake, record.TapeArrive:
		return p.arrive(s)
	case record.TapeOffer:
		return p.offer(s)
	case record.TapeWork:
		if s.Work == driver.Storage && p.store != nil {
			p.store.scarce.Store(s.N == 1)
		}
		return p.work(s)
	case record.TapeTickDue:
		if !p.clock.tickDue() {
			return p.differ("the server's next tick is not due"), nil
		}
	case record.TapeRetryDue:
		if !p.clock.retryDue() {
			return p.differ("the server's next attempt to load is not due"), nil
		}
	case record.TapeCommit, record.TapeCommitLost, record.TapeCommitFailed:
		return p.disk(s)
	case record.TapeExpire:
		p.clock.moveTo(p.clock.now) // a timer may have been set to now
		p.clock.expire()
	case record.TapeAnswer:
		return p.answer(s)
	case record.TapeGone:
		return p.clientGone(s)
	case record.TapeClock:
		if p.server != nil {
			p.faults.SkewWall(s.For)
		}
	case record.TapeClose:
		return p.close(s)
	case record.TapeDrainOver: // the clock has moved, and the timer is the server's
	case record.TapeDown:
		return p.down()
	case record.TapeCrash:
		return nil, p.bury()
	case record.TapeWipe:
		return nil, p.stores.Wipe()
	case record.TapeRestore:
		return nil, p.stores.Restore(s.Entries)
	case record.TapeRelease:
		return nil, p.putRelease(s.Release)
	case record.TapeServed:
		return p.served(s.Release)
	case record.TapeState:
		return p.compare(s.State), nil
	}
	return nil, nil
}

// now is the virtual time, for whoever asks.
func (p *player) now() time.Duration { return time.Duration(p.virtual.Load()) }

// read takes in what was posted.
func (p *player) read() {
	for _, news := range p.mail.take() {
		news(p)
	}
}

// until waits until something holds. It reports false if that takes too long.
func (p *player) until(holds func() bool) bool {
	var late <-chan time.Time
	for {
		p.read()
		if holds() {
			return true
		}
		if late == nil {
			late = time.After(patience)
		}
		select {
		case <-p.mail.ring:
		case <-late:
			return false
		}
	}
}

// held is told of everybody that the faults hold, by the one who stands still.
func (p *player) held(l *httpserver.Faults, h *httpserver.Held) {
	if l != p.faults || p.dead {
		h.Release()
		return
	}
	switch h.At {
	case httpserver.BeforeOffer:
		p.offers[h.Input] = h
	case httpserver.AfterOffer:
		p.offered[h.Input] = h
	case httpserver.AfterCommit:
		p.told = true
		h.Release()
	case httpserver.AfterClientGone:
		p.noticed = h.Input
		h.Release()
	default:
		p.loop = h
	}
}

// storeAsks is told of a loop that waits for its store.
func (p *player) storeAsks(c *storeCall) {
	if c.of != p.store || p.dead {
		c.verdict <- errDead
		return
	}
	if c.load {
		p.loading = c
	} else {
		p.committing = c
	}
}

// stands reports whether the loop stands where the player can see it.
func (p *player) stands() bool { return p.loop != nil || p.loading != nil }

// isAt reports whether the loop stands at a point.
func (p *player) isAt(at httpserver.FaultPoint) bool { return p.loop != nil && p.loop.At == at }

// position says where the loop stands.
func (p *player) position() string {
	switch {
	case p.loading != nil:
		return "loads its log"
	case p.loop == nil:
		return "has nothing to do"
	}
	switch p.loop.At {
	case httpserver.BetweenSections:
		return "has done " + p.loop.Did.String()
	case httpserver.BeforeStep:
		return "is about to step " + p.nameOf(p.loop.Input)
	default:
		return "is about to reply to " + p.nameOf(p.loop.Input)
	}
}

// nameOf names the request of an input as traces do.
func (p *player) nameOf(in plane.Input) string {
	if n, known := p.inputs[in]; known {
		return fmt.Sprintf("m%d", p.tape.Requests[n].Message)
	}
	if in == nil {
		return "no input"
	}
	return in.String()
}

// differ makes a difference at the step that is played.
func (p *player) differ(format string, args ...any) *Difference {
	return &Difference{Scenario: p.tape.Scenario, Tape: p.tape, At: p.at, What: fmt.Sprintf(format, args...)}
}
