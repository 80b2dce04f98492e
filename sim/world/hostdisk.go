package world

import (
	"bytes"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// hostDisk is the agent's log as it lies on the disk of a host, written and read as
// httpagent's FileLog does it: whole lines, a compaction now and then that takes the
// place of all of them, and at the end, perhaps, what a crash has left of an append.
// Entries become lines when the log is read, which is when it matters.
type hostDisk struct {
	lines    []byte        // what the last start has found, or the last compaction written
	appended []agent.Entry // since then
	synced   int           // how many of those survive whatever comes
	torn     []byte        // what follows them
	// compactAt is how many appended entries lead to a compaction; 0: none do.
	compactAt int
	// failures is how often in a row the log could not be read or appended to, since
	// when the process has been up.
	failures uint
	upSince  time.Duration
	draws    random.Stream
}

func (d *hostDisk) init(w *World, n int) {
	d.draws = random.New(w.scenario.Seed, "agent/disk", n)
	if d.draws.Chance(500) {
		d.compactAt = 3 + d.draws.IntN(40)
	}
}

// empty reports whether nothing was ever written, or all of it is lost.
func (d *hostDisk) empty() bool { return len(d.lines) == 0 && len(d.appended) == 0 }

// all returns the bytes of the log.
func (d *hostDisk) all() []byte {
	text := bytes.Clone(d.lines)
	for i := range d.appended {
		text = d.appended[i].AppendLine(text)
	}
	return append(text, d.torn...)
}

// load reads the log and cuts off what is torn.
func (d *hostDisk) load() (lines []byte, torn int) {
	text := d.all()
	whole := agent.WholeLines(text)
	d.lines, d.appended, d.torn, d.synced = text[:whole:whole], nil, nil, 0
	return d.lines, len(text) - whole
}

// tear leaves a part of the lines of entries that a crash or a failure has cut off:
// some bytes of the first, or zeros where a page did not reach the disk.
func (d *hostDisk) tear(cut []agent.Entry) {
	if len(cut) == 0 || d.draws.Chance(300) {
		return
	}
	line := cut[0].AppendLine(nil)
	d.torn = line[:1+d.draws.IntN(len(line)-1)]
	if d.draws.Chance(300) {
		d.torn = append(d.torn, make([]byte, 1+d.draws.IntN(64))...)
		for i := range cut[1:] { // the page after that did
			d.torn = cut[1+i].AppendLine(d.torn)
		}
	}
}

// write makes the appends of a step durable. It reports false if that was the end of
// the process.
func (h *hostNode) write(w *World) bool {
	appends := h.out.Appends
	if h.crashAtAppend {
		h.crashAtAppend = false
		h.cut(w, h.machine.IntN(len(appends)))
		w.effect(scenario.EffectAgentCrashAtAppend)
		w.reached(h.crashFault)
		h.goDown(w, h.crashDown)
		return false
	}
	if f := w.faults.striking(scenario.AgentDisk, h.index+1, 0); f != nil {
		w.effect(scenario.EffectAgentDisk)
		kept := h.disk.draws.IntN(len(appends))
		if f.After {
			kept = len(appends)
		}
		h.cut(w, kept)
		h.goDown(w, h.backoff(w))
		return false
	}
	d := &h.disk
	if d.appended == nil {
		d.appended = make([]agent.Entry, 0, 24) // of a rollout
	}
	d.appended = append(d.appended, appends...)
	if h.out.MustSync() {
		d.synced = len(d.appended)
	}
	w.emitHostAppended(h, appends)
	if d.compactAt > 0 && len(d.appended) >= d.compactAt {
		h.compact(w)
	}
	return true
}

// compact puts a log that says the same in place of the whole log.
func (h *hostNode) compact(w *World) {
	d := &h.disk
	d.lines, d.appended, d.synced = h.agent.AppendDurable(nil), nil, 0
	w.effect(scenario.EffectAgentCompacted)
	w.emit(Event{Kind: EventHostCompacted, Host: h.index + 1, Lines: d.lines})
}

// cutCompaction ends the agent's process while it writes its log anew. The new one is
// written beside the old one, which it replaces at once or not at all.
func (h *hostNode) cutCompaction(w *World, f *scenario.Fault, i int) {
	if !h.up || h.kind == FieldHost {
		return
	}
	w.effect(scenario.EffectAgentCompactionCut)
	w.reached(i)
	if f.After {
		h.compact(w)
	}
	h.goDown(w, f.For)
}

// cut keeps some of the appends of a step and tears the rest.
func (h *hostNode) cut(w *World, kept int) {
	d := &h.disk
	d.appended = append(d.appended, h.out.Appends[:kept]...)
	d.tear(h.out.Appends[kept:])
	if kept > 0 {
		w.emitHostAppended(h, h.out.Appends[:kept])
	}
}

// backoff is how long an agent waits that could not use its log.
func (h *hostNode) backoff(w *World) time.Duration {
	d := &h.disk
	if h.up && w.now-d.upSince >= w.scenario.Fleet.Interval {
		d.failures = 0
	}
	pause := min(agent.DefaultBackoffBase<<min(d.failures, 20), w.scenario.Fleet.Interval)
	d.failures++
	return pause
}

// loadAgent makes an agent of what the disk has; nil if it cannot be used. A log that
// is opened is written anew, so a full disk cannot open one.
func (h *hostNode) loadAgent(w *World) *agent.Agent {
	d := &h.disk
	if w.faults.striking(scenario.AgentDisk, h.index+1, 0) != nil {
		w.effect(scenario.EffectAgentDisk)
		w.queue.push(Timer{at: w.now + h.backoff(w), kind: dueHostUp, node: int32(h.index)})
		return nil
	}
	lines, torn := d.load()
	if torn > 0 {
		w.effect(scenario.EffectAgentLogTorn)
	}
	a, err := agent.Restore(h.cfg, lines)
	if err != nil {
		w.Violate("S24", "h%d cannot read its own log: %v; want every log that it wrote to be read", h.index+1, err)
		return nil
	}
	d.upSince = w.now
	return a
}

// losePower loses what was not synced, or a part of it.
func (h *hostNode) losePower(w *World) {
	d := &h.disk
	if unsynced := len(d.appended) - d.synced; unsynced > 0 {
		lost := d.draws.IntN(unsynced + 1)
		cut := d.appended[len(d.appended)-lost:]
		d.appended = d.appended[:len(d.appended)-lost]
		d.tear(cut)
		if lost > 0 {
			w.effect(scenario.EffectAgentUnsynced)
			w.emit(Event{Kind: EventHostUnsynced, Host: h.index + 1, Count: lost})
		}
	}
}
