package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// acts is S54: whatever an operator's request puts into the log has the operator and the
// request, and the hash of the act before it; nothing else has. The plane that is loaded
// at a start, after a crash, from its rows or from a backup, goes on with the chain that
// is on its disk, and a compaction leaves the head (PROTOCOL T15). The hashes are worked
// out here a second time.
type acts struct {
	head     wire.ActHead // of what is on the disk
	first    wire.ActHead // of what was on it at first
	requests map[wire.Name]wire.Actor
	files    map[wire.RolloutID]bool // rollouts that files asked for
}

func newActs(s *Checks) {
	c := &acts{requests: make(map[wire.Name]wire.Actor), files: make(map[wire.RolloutID]bool)}
	c.first = s.World.Durable().Acts()
	c.head = c.first
	s.on(world.EventArrived, c.arrived)
	s.on(world.EventCommitted, func(e *world.Event) { c.committed(e.World, e.Entries) })
	s.on(world.EventPlaneDown, c.planeDown)
	s.on(world.EventPlaneStarted, c.planeStarted)
	s.on(world.EventCompacted, c.compacted)
}

func (c *acts) arrived(e *world.Event) {
	m := e.Message
	if actor := e.World.ActorOf(m); actor.IsSet() {
		c.requests[actor.Request] = actor
	} else if file, is := m.Operator().(*plane.FileManifest); is {
		c.files[file.Manifest.ID()] = true
	}
}

// committed takes entries that are on the disk now.
func (c *acts) committed(w *world.World, entries []plane.Entry) {
	for i := range entries {
		e := &entries[i]
		if e.Act == nil {
			if by := c.wanted(e); by != "" {
				w.Violate("S54", "entry %d, %v, has no operator; want that of %s", e.Number, e.Input, by)
			}
			continue
		}
		asked, known := c.requests[e.Act.By.Request]
		switch {
		case !known || asked != e.Act.By:
			w.Violate("S54", "entry %d, %v, is an act of %q by request %q; want that of an operator who sent it: %q", e.Number, e.Input, e.Act.By.Name, e.Act.By.Request, asked.Name)
		case e.Act.Count != c.head.Count+1 || e.Act.Before != c.head.Hash:
			w.Violate("S54", "entry %d, %v, is act %d after one of the hash %q; want act %d after %q", e.Number, e.Input, e.Act.Count, e.Act.Before, c.head.Count+1, c.head.Hash)
		}
		c.head = wire.ActHead{Count: e.Act.Count, Hash: hashOfAct(e)}
	}
	c.compare(w, w.Durable(), "what is on the disk")
}

// wanted is whose request an entry without an operator must be of; empty if it may have
// none.
func (c *acts) wanted(e *plane.Entry) string {
	switch in := e.Input.(type) {
	case *plane.OpenRollout:
		if !c.files[in.Manifest.ID()] {
			return "the operator who opened the rollout, since no file did"
		}
	case *plane.ResumeRollout, *plane.ChooseRollout, *plane.ClearQuarantine, *plane.Revoke:
		return "the operator who requested it"
	}
	return ""
}

func (c *acts) compare(w *world.World, p *plane.Plane, what string) {
	if got := p.Acts(); got != c.head {
		w.Violate("S54", "%s has the head %v of the operators' acts; want %v, as the log gives", what, got, c.head)
	}
}

func (c *acts) planeDown(e *world.Event) {
	switch {
	case e.Wiped:
		c.head = wire.ActHead{}
	case e.Restored:
		if c.head = (wire.ActHead{}); e.World.StartOnDisk() {
			c.head = c.first
		}
		c.committed(e.World, e.Entries)
	}
}

func (c *acts) planeStarted(e *world.Event) {
	c.compare(e.World, e.World.Plane(), "the plane that was started")
}

// compacted: the head stays.
func (c *acts) compacted(e *world.Event) {
	line := []byte("acts ")
	if at := bytes.Index(append([]byte("\n"), e.Lines...), append([]byte("\n"), line...)); (at >= 0) != (c.head.Count > 0) {
		e.World.Violate("S54", "a compaction leaves a head of the operators' acts: %v; want %v, as before it: %v", at >= 0, c.head.Count > 0, c.head)
	} else if at >= 0 && !bytes.Contains(e.Lines, []byte(c.head.Hash)) {
		e.World.Violate("S54", "a compaction leaves another head of the operators' acts; want %v, as before it", c.head)
	}
}

// hashedAct is what is hashed of an act, in the order of its members.
type hashedAct struct {
	Count  wire.Seq `json:"count"`
	Before string   `json:"before,omitempty"`
	By     struct {
		Name        string `json:"name"`
		Serial      string `json:"serial,omitempty"`
		Fingerprint string `json:"fingerprint,omitempty"`
		Request     string `json:"request,omitempty"`
	} `json:"by"`
	Number    wire.Seq `json:"number"`
	At        string   `json:"at,omitempty"`
	Kind      string   `json:"kind"`
	Hostname  string   `json:"hostname,omitempty"`
	RolloutID string   `json:"rollout_id,omitempty"`
	Outcome   string   `json:"outcome"`
	Input     string   `json:"input"`
}

func hashOfAct(e *plane.Entry) wire.Name {
	a := hashedAct{
		Count: e.Act.Count, Before: string(e.Act.Before), Number: e.Number, Kind: string(e.Kind), Hostname: string(e.Hostname),
		RolloutID: string(e.RolloutID), Outcome: string(e.Outcome),
	}
	if e.At.IsSet() {
		a.At = e.At.String()
	}
	by := &e.Act.By
	a.By.Name, a.By.Serial, a.By.Fingerprint, a.By.Request = string(by.Name), string(by.Serial), string(by.Fingerprint), string(by.Request)
	a.Input = fmt.Sprintf("%x", sha256.Sum256(e.AppendInput(nil)))
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(&a) // texts and numbers can be written
	sum := sha256.Sum256(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	return wire.Name(hex.EncodeToString(sum[:]))
}
