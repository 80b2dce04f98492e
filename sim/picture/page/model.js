// The model: what the data says, arranged for looking things up.

// firstAfter returns the index of the first item of a sorted list whose value
// is more than x.
function firstAfter(list, x, value) {
  let lo = 0, hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (value(list[mid]) > x) hi = mid; else lo = mid + 1;
  }
  return lo;
}

function makeModel(d) {
  const model = { d, hosts: d.Hosts || [], messages: decodeMessages(d), steps: decodeSteps(d), bands: d.Bands || [], plane: d.Plane || [] };
  const n = model.hosts.length;
  model.end = Math.max(d.End, 1);
  model.messagesOf = Array.from({ length: n + 1 }, () => []);
  model.longest = new Array(n + 1).fill(0);
  for (const m of model.messages) {
    model.messagesOf[m.host].push(m);
    model.longest[m.host] = Math.max(model.longest[m.host], m.end - m.sentAt);
  }
  model.byId = new Map(model.messages.map((m) => [m.id, m]));
  model.stepsOf = Array.from({ length: n + 1 }, () => []);
  for (const s of model.steps) if (s.host) model.stepsOf[s.host].push(s);
  model.recordsOf = Array.from({ length: n + 1 }, () => []);
  for (const r of d.Records || []) model.recordsOf[r.Host].push({ rollout: r.Rollout, host: r.Host, plane: r.Plane || [], agent: r.Agent || [] });
  model.spans = new Array(n + 1);
  return model;
}

// visible calls see with every message of a host that has anything to show
// between two instants.
function visible(model, host, from, to, see) {
  const list = model.messagesOf[host];
  for (let i = firstAfter(list, from - model.longest[host] - 1, (m) => m.sentAt); i < list.length && list[i].sentAt <= to; i++) {
    if (list[i].end >= from) see(list[i]);
  }
}

// spansOf returns what a host's lane shows over time: the state of its newest
// record, by the agent and by the plane, its process, and its reachability.
function spansOf(model, host) {
  if (model.spans[host]) return model.spans[host];
  const records = model.recordsOf[host], h = model.hosts[host - 1];
  const side = (name) => {
    const changes = [];
    records.forEach((r, i) => r[name].forEach((v) => changes.push({ step: v[0], at: v[1], state: v[2], i })));
    changes.sort((a, b) => a.step - b.step || a.i - b.i);
    const now = new Map(), spans = [];
    for (const c of changes) {
      if (c.state) { if (!now.get(c.i)) now.delete(c.i); now.set(c.i, c.state); } else now.delete(c.i);
      const newest = [...now].pop();
      const state = newest ? newest[1] : 0, rollout = newest ? records[newest[0]].rollout : "";
      const last = spans[spans.length - 1];
      if (last && last.state === state && last.rollout === rollout) continue;
      if (last) last.to = c.at;
      spans.push({ from: c.at, to: model.end, step: c.step, state, rollout });
    }
    return spans.filter((s) => s.state);
  };
  const rows = (list, make) => list.map((row, i) => ({ step: row[0], from: row[1], to: i + 1 < list.length ? list[i + 1][1] : model.end, ...make(row) }));
  const str = model.d.Strings;
  return model.spans[host] = {
    agent: side("agent"), plane: side("plane"),
    process: rows(h.Process || [], (r) => ({ up: r[2] === 1, running: str[r[3]], switching: str[r[4]] })),
    reach: rows(h.Reach || [], (r) => ({ state: r[2] })),
  };
}

// at returns the span that covers an instant.
const spanAt = (spans, t) => spans.find((s) => s.from <= t && t < s.to);

// stepNumbered returns a step that is kept, by its number.
function stepNumbered(model, number) {
  const i = firstAfter(model.steps, number, (s) => s.step) - 1;
  return i >= 0 && model.steps[i].step === number ? model.steps[i] : null;
}

// violationStep returns the step of the violation. One that was found by looking
// at a fleet that did not come to rest has no lines of its own.
function violationStep(model) {
  const { Broken: broken, Focus: focus } = model.d;
  return stepNumbered(model, broken.Step) || { step: broken.Step, at: broken.At, host: focus.Host, message: 0, what: "the violation", lines: "" };
}

// nearestStep returns the step that is nearest to an instant, of a host or of
// all.
function nearestStep(model, t, host) {
  const list = host ? model.stepsOf[host] : model.steps;
  if (!list.length) return null;
  const i = firstAfter(list, t, (s) => s.at);
  const before = list[i - 1], after = list[i];
  if (!before || after && after.at - t < t - before.at) return after;
  return before;
}

// versionsAround returns a side's version of a record before a step and after
// it.
function versionsAround(versions, step) {
  const i = firstAfter(versions, step, (v) => v[0]);
  const after = versions[i - 1] || null;
  const before = after && after[0] === step ? versions[firstAfter(versions, step - 1, (v) => v[0]) - 1] || null : after;
  return { before, after, changed: !!after && after[0] === step };
}

// chooseHosts returns the numbers of the hosts that a filter names, or null if
// it does not understand it. Words are hosts, ranges, kinds and states.
function chooseHosts(model, text) {
  const words = text.toLowerCase().split(/[\s,]+/).filter(Boolean);
  if (!words.length) return model.hosts.map((_, i) => i + 1);
  const chosen = new Set();
  for (const word of words) {
    const range = /^h?(\d+)(?:(?:\.\.|-)h?(\d+))?$/.exec(word);
    const state = model.d.States.findIndex((s) => s.toLowerCase() === word) + 1;
    if (range) {
      for (let n = +range[1]; n <= Math.min(+(range[2] || range[1]), model.hosts.length); n++) if (n > 0) chosen.add(n);
    } else if (state) {
      model.hosts.forEach((_, i) => { if (model.recordsOf[i + 1].some((r) => [...r.agent, ...r.plane].some((v) => v[2] === state))) chosen.add(i + 1); });
    } else if (word === "problems" || word === "problem") {
      model.hosts.forEach((_, i) => { if (model.messagesOf[i + 1].some(isProblem)) chosen.add(i + 1); });
    } else if (word === "unreachable") {
      model.hosts.forEach((h, i) => { if ((h.Reach || []).some((r) => r[2] === 2)) chosen.add(i + 1); });
    } else if (model.hosts.some((h) => h.Kind === word)) {
      model.hosts.forEach((h, i) => { if (h.Kind === word) chosen.add(i + 1); });
    } else return null;
  }
  return [...chosen].sort((a, b) => a - b);
}
