// Strips: lanes that are a line or two of colour, for one host or, when there
// are more hosts than lines, for a few neighbours. Of several states a strip
// shows the one that most deserves a look.

const rank = [0, 3, 5, 6, 2, 1, 8, 7]; // by state: none, Pending, …, Reverted

// stripOf returns what a strip shows over time.
function stripOf(hosts) {
  if (hosts.length === 1) {
    const one = spansOf(model, hosts[0]);
    return { states: one.agent, down: one.process.filter((p) => !p.up && model.hosts[hosts[0] - 1].Kind !== "hostile"), silent: one.reach.filter((r) => r.state === 2) };
  }
  model.strips ||= new Map();
  const key = hosts.join();
  let strip = model.strips.get(key);
  if (!strip) {
    const parts = hosts.map((host) => stripOf([host]));
    strip = { states: worst(parts.map((p) => p.states)), down: parts.flatMap((p) => p.down), silent: parts.flatMap((p) => p.silent) };
    model.strips.set(key, strip);
  }
  return strip;
}

// worst merges the states of some hosts into those of one strip.
function worst(lists) {
  const moments = [...new Set(lists.flat().flatMap((s) => [s.from, s.to]))].sort((a, b) => a - b);
  const out = [], at = lists.map(() => 0);
  for (let i = 0; i + 1 < moments.length; i++) {
    let state = 0;
    lists.forEach((list, k) => {
      while (at[k] < list.length && list[at[k]].to <= moments[i]) at[k]++;
      const s = list[at[k]];
      if (s && s.from <= moments[i] && rank[s.state] > rank[state]) state = s.state;
    });
    const last = out.at(-1);
    if (last && last.state === state && last.to === moments[i]) last.to = moments[i + 1];
    else if (state) out.push({ from: moments[i], to: moments[i + 1], state, rollout: "" });
  }
  return out;
}

function drawStrip(ctx, lane, w) {
  const { y, h } = lane, strip = stripOf(lane.hosts), gap = h >= 4 ? 1 : 0;
  const focus = model.d.Focus.Host, guilty = lane.hosts.includes(focus), chosen = lane.hosts.includes(view.story.host);
  ctx.save();
  ctx.beginPath(); ctx.rect(gutter, y, w - gutter, h); ctx.clip();
  drawStates(ctx, strip.states, { y, h: Math.max(h - gap, 1) }, lane, "agent");
  const fill = (spans, style, alpha) => {
    ctx.fillStyle = style; ctx.globalAlpha = alpha;
    for (const s of spans) { const x0 = Math.max(xOf(s.from), gutter), x1 = Math.min(Math.max(xOf(s.to), x0 + 1), w); if (x1 > gutter && x0 < w) ctx.fillRect(x0, y, x1 - x0, h); }
    ctx.globalAlpha = 1;
  };
  fill(strip.down, palette.down, 0.8 / lane.hosts.length);
  fill(strip.silent, h >= 4 ? pattern(ctx, palette.bad, "slant") : palette.bad, h >= 4 ? 1 : 0.5 / lane.hosts.length);
  ctx.restore();
  if (guilty || chosen) {
    ctx.fillStyle = guilty ? palette["focus-edge"] : palette.accent;
    ctx.beginPath(); ctx.moveTo(gutter - 9, y + h / 2 - 4); ctx.lineTo(gutter - 1, y + h / 2); ctx.lineTo(gutter - 9, y + h / 2 + 4); ctx.fill();
  }
  const row = Math.round((y + view.scroll - place.hostsAt) / place.each), every = Math.ceil(16 / place.each);
  const nice = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000].find((n) => n >= every) || every;
  if (row % nice === 0) { ctx.fillStyle = palette.muted; ctx.font = fontOf(10); ctx.fillText(hostName(model, lane.host), 10, Math.max(y + h / 2, place.hostsAt + 6)); }
  targets.push({ x0: 0, x1: w, y0: Math.max(y, place.hostsAt), y1: y + h, lane });
}
