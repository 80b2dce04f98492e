// The story: what happened to one host and one of its records, in the order in
// which it happened.

// storyOf returns the items of a story: instant, step, icon, class and text.
function storyOf(model, host, rollout) {
  const key = host + " " + rollout;
  model.stories ||= new Map();
  if (model.stories.has(key)) return model.stories.get(key);
  const d = model.d, items = [];
  const tell = (at, step, icon, look, html, count) => items.push({ at, step, icon, look, html, count: count || 1 });
  if (host) {
    for (const m of model.messagesOf[host]) {
      if (m.flags & flag.routine) continue;
      if (m.kind === 2 && rollout && m.rollout !== rollout && !isProblem(m)) continue;
      const what = m.kind === 1 ? "heartbeat" : m.kind === 3 ? "poll" : m.kind === 2 ? m.text.replace(m.rollout + " ", "") : m.text;
      tell(m.sentAt, m.sent, m.flags & flag.duplicate ? "⇉" : icons[m.look], m.look === "fine" ? "" : m.look, `${escape(what)} <span class="muted">·</span> ${escape(answerText(d, m))}`);
      items.at(-1).message = m;
    }
    for (const r of model.recordsOf[host]) {
      if (rollout && r.rollout !== rollout) continue;
      for (const [side, icon] of [["agent", icons.agent], ["plane", icons.plane]]) {
        let last = 0;
        for (const v of r[side]) {
          if (v[2] === last) continue;
          tell(v[1], v[0], icon, "", `${side}: ${tag(d, last)} → ${v[2] ? tag(d, v[2]) : '<span class="lost">lost</span>'}`);
          last = v[2];
        }
      }
    }
    tellHost(model, host, tell);
  }
  for (const b of model.bands) tellBand(model, host, b, tell);
  let was = 0;
  for (const [step, at, state] of model.plane) {
    const word = d.PlaneIs[state];
    if (step && word !== "serving") tell(at, step, icons.down, "fault", "the plane is " + word);
    else if (step && was !== 1) tell(at, step, icons.up, "good", "the plane serves again");
    else if (step) tell(at, step, icons.up, "good", "the plane serves");
    was = state;
  }
  if (d.Healed) tell(d.Healed, 0, "✚", "good", "healed: no fault is in force from here on");
  items.sort((a, b) => a.at - b.at || (a.step || 0) - (b.step || 0));
  for (const u of d.Unmet || []) {
    const at = u.At < 0 ? model.end : u.At;
    items.splice(firstAfter(items, at, (i) => i.at), 0, { at, step: 0, icon: icons.bad, look: "bad", html: `<b>unmet</b> ${escape(u.Expect)}: saw ${escape(u.Saw)}`, count: 1 });
  }
  if (d.Broken) {
    const at = firstAfter(items, d.Broken.At, (i) => i.at);
    items.splice(at, 0, { at: d.Broken.At, step: d.Broken.Step, icon: icons.bad, look: d.Broken.Expected ? "warn" : "bad", html: `<b>${escape(d.Broken.Checker)}</b> ${d.Broken.Expected ? "(expected) " : ""}${escape(d.Broken.Detail)}`, count: 1, broken: true });
  }
  const folded = fold(items);
  model.stories.set(key, folded);
  return folded;
}

function tellHost(model, host, tell) {
  const spans = spansOf(model, host);
  let up = false, running = "";
  spans.process.forEach((p, i) => {
    if (p.up !== up && i > 0) tell(p.from, p.step, p.up ? icons.up : icons.down, p.up ? "good" : "fault", p.up ? "the agent's process is up" : "the agent's process is down");
    if (p.running !== running && i > 0) tell(p.from, p.step, "⇄", "good", `the host runs <b>${escape(p.running)}</b>`);
    else if (p.switching && p.up) tell(p.from, p.step, "⇄", "", `switching to ${escape(p.switching)} …`);
    up = p.up; running = p.running;
  });
  for (const r of spans.reach) {
    if (r.state === 2) tell(r.from, r.step, "⊘", "fault", "the plane takes the host for unreachable");
    if (r.state === 1) tell(r.from, r.step, "◎", "good", "the plane hears the host: reachable");
    if (r.state === 3) tell(r.from, r.step, "◌", "", "the plane knows the host and has never seen it");
    if (r.state === 0) tell(r.from, r.step, "⊘", "fault", "the plane does not know the host any more");
  }
}

function tellBand(model, host, b, tell) {
  const hits = b.On === "plane" || !b.First || !host || b.First <= host && host <= b.Last;
  if (!hits) return;
  if (b.On === "operator") return tell(b.From, 0, icons.act, "act", "operator: " + escape(b.Text));
  tell(b.From, 0, icons.fault, "fault", (b.To > b.From ? "fault begins: " : "fault: ") + escape(b.Text));
  if (b.To > b.From && b.To < model.end) tell(b.To, 0, icons.fault, "muted", "fault ends: " + escape(b.Text));
}

// fold makes one line of the same line again and again.
function fold(items) {
  const out = [];
  for (const item of items) {
    const last = out.at(-1);
    if (last && last.html === item.html && last.message && item.message && !item.broken) {
      last.count++; last.until = item.at;
      continue;
    }
    out.push(item);
  }
  return out;
}
