package world

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// planeDump is the plane: its process, its loop, its gate, its reducer and its
// disk.
type planeDump struct {
	Up         bool     `json:"up"`
	Started    bool     `json:"started"`
	Suspended  bool     `json:"suspended"`
	Rebuilding bool     `json:"rebuilding"`
	WallOffset string   `json:"wall_offset,omitempty"`
	Loop       loopDump `json:"loop"`
	Gate       gateDump `json:"gate"`
	// Polls are those that wait for work.
	Polls []messageDump `json:"polls"`
	// State is the reducer's, by the words of its lines.
	State states `json:"state"`
	// Revoked are the certificates that the plane refuses, if they are older.
	Revoked []revokedDump `json:"revoked"`
	// Disk is the log, one entry a line.
	Disk []string `json:"disk"`
}

// loopDump is what the loop is at.
type loopDump struct {
	Next       string `json:"next"` // section of the driver's worker
	Wedged     bool   `json:"wedged"`
	Committing bool   `json:"committing"`
	// Batch are the inputs that the loop has taken and not finished.
	Batch []takenDump `json:"batch"`
	// Uncommitted are the entries that are not durable.
	Uncommitted []string `json:"uncommitted"`
	// CrashPhase says that the process dies at its next commit.
	CrashPhase string `json:"crash_phase,omitempty"`
}

// takenDump is an input that the loop has taken.
type takenDump struct {
	// Stepped says that it is, and that its reply waits for the commit.
	Stepped bool `json:"stepped"`
	messageDump
}

var phaseWords = [...]string{"", "before-commit", "inside-commit", "after-commit"}

// gateDump is the gate: what waits inside, and until when.
type gateDump struct {
	State        string        `json:"state"`
	Capacity     int           `json:"capacity"`
	Depth        int           `json:"depth"`
	NextDeadline string        `json:"next_deadline,omitempty"`
	Oldest       string        `json:"oldest,omitempty"` // how long it is inside
	Wedged       bool          `json:"wedged"`
	Impaired     bool          `json:"impaired"`
	Waiting      []messageDump `json:"waiting"` // admitted and not answered, by ID
	Summary      string        `json:"summary"`
}

type revokedDump struct {
	CommonName wire.CommonName `json:"common_name"`
	Before     string          `json:"before"`
}

func (p *planeNode) dump(w *World) planeDump {
	d := planeDump{
		Up: p.up, Started: p.started, Suspended: p.suspended, Rebuilding: p.front.Rebuilding(), WallOffset: dumpDuration(p.wallOffset),
		Loop: p.dumpLoop(), Gate: p.dumpGate(w), Polls: []messageDump{}, Revoked: []revokedDump{}, Disk: []string{},
	}
	for _, m := range p.open {
		if m.request.Waits() {
			d.Polls = append(d.Polls, dumpMessage(m))
		}
	}
	slices.SortFunc(d.Polls, func(a, b messageDump) int { return cmp.Compare(a.ID, b.ID) })
	if loaded := p.worker.Plane(); loaded != nil {
		d.State = statesOf(loaded.AppendState(nil))
	}
	for name, before := range p.revoked {
		d.Revoked = append(d.Revoked, revokedDump{name, before.String()})
	}
	slices.SortFunc(d.Revoked, func(a, b revokedDump) int { return cmp.Compare(a.CommonName, b.CommonName) })
	for i := range p.log {
		d.Disk = append(d.Disk, p.log[i].String())
	}
	return d
}

func (p *planeNode) dumpLoop() loopDump {
	d := loopDump{
		Next: p.worker.Next().String(), Wedged: p.wedged, Committing: p.worker.Committing(),
		Batch: []takenDump{}, Uncommitted: []string{}, CrashPhase: phaseWords[p.crashPhase],
	}
	p.worker.Each(func(r *driver.Request[*Message], stepped bool) {
		d.Batch = append(d.Batch, takenDump{stepped, dumpMessage(r.For)})
	})
	for i := range p.worker.Output().Entries {
		d.Uncommitted = append(d.Uncommitted, p.worker.Output().Entries[i].String())
	}
	return d
}

func (p *planeNode) dumpGate(w *World) gateDump {
	g := p.front.Gate()
	d := gateDump{
		State: g.State().String(), Capacity: p.capacity, Depth: g.Depth(), Wedged: g.Wedged(w.now), Impaired: g.Impaired(),
		Waiting: []messageDump{}, Summary: g.String(),
	}
	if at, waiting := g.NextDeadline(); waiting {
		d.NextDeadline = at.String()
	}
	if age, some := g.Oldest(w.now); some {
		d.Oldest = age.String()
	}
	for _, m := range p.open {
		if m.request.Waits() || !m.admitted {
			continue // it has left the gate, to wait for work; or never came in
		}
		d.Waiting = append(d.Waiting, dumpMessage(m))
	}
	slices.SortFunc(d.Waiting, func(a, b messageDump) int { return cmp.Compare(a.ID, b.ID) })
	return d
}

// hostDump is a host: the machine, its agent, and its disk.
type hostDump struct {
	Name       string       `json:"name"`
	Kind       string       `json:"kind"` // full, legacy, hostile or field
	Up         bool         `json:"up"`
	Wall       string       `json:"wall"` // by the host's own clock
	Running    wire.Closure `json:"running"`
	NextBoot   wire.Closure `json:"next_boot,omitempty"`
	Switching  *switchDump  `json:"switching,omitempty"`
	Probing    bool         `json:"probing"`
	NotBefore  string       `json:"certificate_not_before"`
	NextTimer  string       `json:"next_timer,omitempty"`
	DiesAtNext bool         `json:"dies_at_next_append,omitempty"`
	// Agent is the state of the agent's process, by the words of its lines: the
	// one that it had last, while it is down.
	Agent states `json:"agent"`
	// Disk is the agent's log, one entry a line.
	Disk []json.RawMessage `json:"disk"`
}

type switchDump struct {
	Kind    string       `json:"kind"`
	Closure wire.Closure `json:"closure"`
}

var hostKindWords = [...]string{"full", "legacy", "hostile", "field"}

func (h *hostNode) dump(w *World) hostDump {
	d := hostDump{
		Name: string(scenario.HostName(h.index + 1)), Kind: hostKindWords[h.kind], Up: h.up, Wall: w.wallAt(h.clockOffset(w)).String(), Running: h.running,
		NextBoot: h.nextBoot, Probing: h.probing != 0, NotBefore: h.notBefore.String(), DiesAtNext: h.crashAtAppend,
		Agent: states{}, Disk: []json.RawMessage{},
	}
	if h.timerAt >= 0 {
		d.NextTimer = h.timerAt.String()
	}
	if h.switching.id != 0 {
		d.Switching = &switchDump{h.switching.kind.String(), h.switching.closure}
	}
	if h.agent != nil {
		d.Agent = statesOf(h.agent.AppendState(nil))
	}
	text := h.disk.all()
	for line := range bytes.Lines(text[:agent.WholeLines(text)]) {
		for word, docs := range statesOf(line) {
			line, _ := json.Marshal(map[string]json.RawMessage{word: docs[0]})
			d.Disk = append(d.Disk, line)
		}
	}
	return d
}
