// Lanes: the time axis, the faults, the plane, and a lane for each host. With
// many hosts a lane is a strip of colour; the hosts that matter are drawn in
// full above them.

const flagHeight = 18, axisHeight = 24, bandHeight = 17, planeHeight = 52, full = 18;
let place = {}; // where things are drawn
let targets = []; // what can be pointed at: { x, y, r, ... } or { x0, x1, y0, y1, ... }
let words = []; // where words are written on the lanes: { x0, x1, y0, y1 }

function layOut(h) {
  const rows = bandRows();
  const tall = rows.count <= 6 ? bandHeight : 9;
  const axisAt = flags.reduce((n, f) => Math.max(n, f.row + 1), 0) * flagHeight;
  const bandsAt = axisAt + axisHeight, planeAt = bandsAt + rows.count * tall + (rows.count ? 4 : 0), top = planeAt + planeHeight;
  const room = Math.max(h - top, 40), n = view.hosts.length;
  let each = Math.min(Math.max(room / Math.max(n, 1), 1), 60) * view.lane;
  const strips = each < full;
  const pinned = strips ? view.pinned.filter((p) => view.hosts.includes(p)).slice(0, Math.max(0, Math.min(6, Math.floor((room - 40) / 42)))) : [];
  const pinnedHeight = pinned.length ? pinned.length * 42 + 6 : 0;
  let group = 1; // hosts to a strip
  if (strips) {
    each = Math.min((room - pinnedHeight) / n * view.lane, full - 1);
    group = Math.ceil(1.4 / each);
    if (each >= 1) group = 1;
    else if (view.lane === 1) each = (room - pinnedHeight) / Math.ceil(n / group);
    else each *= group;
  }
  const tallness = Math.ceil(n / group) * each, most = Math.max(0, tallness - (room - pinnedHeight));
  view.scroll = Math.min(Math.max(view.scroll, 0), most);
  place = { rows, tall, axisAt, bandsAt, planeAt, top, strips, pinned, pinnedHeight, each, group, hostsAt: top + pinnedHeight, h, most, room: room - pinnedHeight, tallness };
}

// bandRows gives every fault and act a row in which it covers no other.
function bandRows() {
  if (model.bandRows) return model.bandRows;
  const ends = [], row = [];
  // An instant needs room for its words: a twentieth of the run.
  for (const b of model.bands) {
    let i = ends.findIndex((end) => end <= b.From);
    if (i < 0) i = ends.length < 12 ? ends.length : 0;
    ends[i] = Math.max(b.To, b.From + model.end / 24);
    row.push(i);
  }
  return model.bandRows = { row, count: ends.length };
}

// lanesShown lists the lanes that are in sight: host, where, how tall, whether
// in full.
function lanesShown() {
  const list = place.pinned.map((host, i) => ({ host, hosts: [host], y: place.top + i * 42 + 2, h: 40, whole: true, pinned: true }));
  const first = Math.floor(view.scroll / place.each);
  for (let i = first; i * place.group < view.hosts.length; i++) {
    const y = Math.round(place.hostsAt + i * place.each - view.scroll), next = Math.round(place.hostsAt + (i + 1) * place.each - view.scroll);
    if (y > place.h) break;
    const hosts = view.hosts.slice(i * place.group, (i + 1) * place.group);
    list.push({ host: hosts[0], hosts, y, h: Math.max(next - y, 1), whole: !place.strips, pinned: false });
  }
  return list;
}

function drawLanes() {
  const { ctx, w, h } = prepare(document.getElementById("lanes"));
  view.width = w;
  placeFlags(ctx, w);
  layOut(h);
  targets = [];
  words = [];
  const lanes = lanesShown();
  drawGrid(ctx, w, h);
  ctx.save();
  ctx.beginPath(); ctx.rect(0, place.hostsAt, w, h - place.hostsAt); ctx.clip();
  for (const lane of lanes) if (!lane.pinned) drawLane(ctx, lane, w);
  drawHostBands(ctx, lanes, w);
  ctx.restore();
  for (const lane of lanes) if (lane.pinned) drawLane(ctx, lane, w);
  if (place.pinned.length) {
    ctx.strokeStyle = palette.line; ctx.lineWidth = 1;
    ctx.beginPath(); ctx.moveTo(0, place.hostsAt - 2.5); ctx.lineTo(w, place.hostsAt - 2.5); ctx.stroke();
  }
  drawPlane(ctx, w);
  drawMessages(ctx, lanes, w);
  for (const lane of lanes) drawLaneWords(ctx, lane, w);
  drawBands(ctx, w);
  drawAxis(ctx, w);
  drawMoments(ctx, w, 0, place.axisAt);
  drawMoments(ctx, w, place.bandsAt, h);
  drawFlags(ctx);
  drawScrollbar(ctx, w, h);
}

function drawGrid(ctx, w, h) {
  const { list } = view.ticks = ticks();
  ctx.strokeStyle = palette.grid; ctx.lineWidth = 1;
  ctx.beginPath();
  for (const t of list) { const x = Math.round(xOf(t)) + 0.5; ctx.moveTo(x, place.bandsAt); ctx.lineTo(x, h); }
  ctx.stroke();
}

function drawAxis(ctx, w) {
  const y = place.axisAt;
  ctx.fillStyle = palette.raised; ctx.fillRect(0, y, w, axisHeight);
  ctx.fillStyle = palette.line; ctx.fillRect(0, y + axisHeight - 1, w, 1);
  ctx.fillStyle = palette.muted; ctx.font = fontOf(11);
  const { list, decimals } = view.ticks;
  ctx.textAlign = "center";
  for (const t of list) {
    const x = xOf(t), text = clock(t, decimals), half = ctx.measureText(text).width / 2;
    if (x < gutter || x > w) continue;
    ctx.fillRect(Math.round(x), y + axisHeight - 5, 1, 4);
    if (x - half > gutter - 6 && x + half < w - 2) ctx.fillText(text, x, y + axisHeight / 2 - 1);
  }
  ctx.textAlign = "left";
  ctx.fillStyle = palette.fg; ctx.font = fontOf(11, 600);
  ctx.fillText(span(view.t1 - view.t0), 10, y + axisHeight / 2 - 1);
}

// drawBands draws the faults and the operator's acts, each with its words.
function drawBands(ctx, w) {
  const { rows, tall, bandsAt } = place;
  ctx.save();
  ctx.beginPath(); ctx.rect(gutter, bandsAt, w - gutter, place.planeAt - bandsAt); ctx.clip();
  const lastRight = new Array(rows.count).fill(-1e9);
  model.bands.forEach((b, i) => {
    const y = bandsAt + rows.row[i] * tall + 2, x0 = xOf(b.From), x1 = Math.max(xOf(b.To), x0 + 3);
    if (x1 < gutter || x0 > w) return;
    const act = b.On === "operator", edge = act ? palette.act : palette["band-edge"];
    ctx.fillStyle = act ? palette["act-bg"] : palette.band;
    ctx.fillRect(x0, y, x1 - x0, tall - 2);
    if (!act && tall > 10) { ctx.globalAlpha = 0.18; ctx.fillStyle = pattern(ctx, edge, "slant"); ctx.fillRect(x0, y, x1 - x0, tall - 2); ctx.globalAlpha = 1; }
    ctx.fillStyle = edge; ctx.fillRect(x0, y, 2, tall - 2);
    const target = b.On !== "plane" || b.Text.startsWith("plane") ? "" : "plane · ";
    if (tall > 10) {
      ctx.font = fontOf(11); ctx.fillStyle = act ? palette.act : palette["band-fg"];
      const left = Math.max(x0 + 5, gutter + 4);
      let next = w;
      model.bands.forEach((o, j) => { if (j !== i && rows.row[j] === rows.row[i]) { const x = xOf(o.From); if (x > x0) next = Math.min(next, x); } });
      clip(ctx, (act ? icons.act : icons.fault) + " " + target + b.Text, left, y + tall / 2 - 0.5, next - left - 4, 22);
    }
    targets.push({ x0: Math.max(x0 - 2, gutter), x1: Math.max(x1, x0 + 14), y0: y, y1: y + tall - 2, band: b });
  });
  ctx.restore();
  if (rows.count) {
    ctx.fillStyle = palette.muted; ctx.font = fontOf(11);
    ctx.fillText("faults, acts", 10, bandsAt + 10);
  }
}

// drawHostBands shades the lanes that a fault hits, while it does.
function drawHostBands(ctx, lanes, w) {
  for (const b of model.bands) {
    if (b.On !== "hosts") continue;
    const x0 = Math.max(xOf(b.From), gutter), x1 = Math.min(Math.max(xOf(b.To), x0 + 2), w);
    if (x1 < gutter || x0 > w) continue;
    for (const lane of lanes) {
      if (b.First && !lane.hosts.some((n) => n >= b.First && n <= b.Last)) continue;
      ctx.fillStyle = palette["band-lane"]; ctx.fillRect(x0, lane.y, x1 - x0, lane.h);
      if (lane.whole) {
        ctx.fillStyle = palette["band-edge"]; ctx.globalAlpha = 0.8;
        ctx.fillRect(x0, lane.y + 1, 1, lane.h - 2);
        ctx.globalAlpha = 1;
      }
    }
  }
}

function drawPlane(ctx, w) {
  const y = place.planeAt, h = planeHeight;
  ctx.fillStyle = palette.bg; ctx.fillRect(0, y, w, h);
  ctx.fillStyle = palette.lane; ctx.fillRect(gutter, y, w - gutter, h);
  for (const b of model.bands) {
    if (b.On !== "plane") continue;
    const x0 = Math.max(xOf(b.From), gutter), x1 = Math.min(Math.max(xOf(b.To), x0 + 2), w);
    if (x1 > gutter && x0 < w) { ctx.fillStyle = palette.band; ctx.fillRect(x0, y, x1 - x0, h); }
  }
  model.plane.forEach(([step, at, state], i) => {
    const to = i + 1 < model.plane.length ? model.plane[i + 1][1] : model.end;
    const x0 = Math.max(xOf(at), gutter), x1 = Math.min(xOf(to), w);
    if (x1 <= gutter || x0 >= w || x1 - x0 < 0) return;
    const word = model.d.PlaneIs[state], top = y + 5, tall = 13;
    if (word === "serving") {
      ctx.fillStyle = palette.good; ctx.globalAlpha = 0.22; ctx.fillRect(x0, top, x1 - x0, tall); ctx.globalAlpha = 1;
    } else {
      const width = Math.max(x1 - x0, 1.5);
      ctx.fillStyle = word === "down" ? palette.down : palette.warn; ctx.globalAlpha = 0.30; ctx.fillRect(x0, top, width, tall); ctx.globalAlpha = 0.8;
      ctx.fillStyle = pattern(ctx, word === "down" ? palette.down : palette.warn, word === "down" ? "cross" : "slant"); ctx.fillRect(x0, top, width, tall); ctx.globalAlpha = 1;
    }
    if (word !== "serving" || x1 - x0 > 60) label(ctx, word, Math.max(x0, gutter) + 5, top + tall / 2 + 0.5, x1 - x0 - 8, word === "serving" ? palette.good : palette.fg);
    targets.push({ x0, x1: Math.max(x1, x0 + 3), y0: top, y1: top + tall, planeSpan: { state: word, from: at, to, step } });
  });
  ctx.fillStyle = palette.fg; ctx.font = fontOf(12, 700);
  ctx.fillText("plane", 10, y + h / 2);
  ctx.fillStyle = palette.line; ctx.fillRect(0, y + h - 1, w, 1); ctx.fillRect(0, y, w, 1);
}

// label writes words over a pattern, with a ground that keeps them readable.
function label(ctx, text, x, y, width, colour) {
  ctx.font = fontOf(10, 600);
  const w = ctx.measureText(text).width;
  if (w > width) return;
  ctx.fillStyle = palette.bg; ctx.globalAlpha = 0.9; ctx.fillRect(x - 3, y - 6.5, w + 6, 13); ctx.globalAlpha = 1;
  ctx.fillStyle = colour; ctx.fillText(text, x, y);
  words.push({ x0: x - 3, x1: x + w + 3, y0: y - 6.5, y1: y + 6.5 });
}

function drawLane(ctx, lane, w) {
  if (!lane.whole) return drawStrip(ctx, lane, w);
  const { host, y, h } = lane, spans = spansOf(model, host), guilty = model.d.Focus.Host === host, chosen = view.story.host === host;
  ctx.fillStyle = guilty ? palette.focus : host % 2 ? palette.lane : palette.bg; ctx.fillRect(0, y, w, h);
  ctx.strokeStyle = palette.grid; ctx.lineWidth = 1;
  ctx.beginPath();
  for (const t of view.ticks.list) { const x = Math.round(xOf(t)) + 0.5; if (x > gutter) { ctx.moveTo(x, y); ctx.lineTo(x, y + h); } }
  ctx.stroke();
  const bars = barsOf(lane);
  ctx.save();
  ctx.beginPath(); ctx.rect(gutter, y, w - gutter, h); ctx.clip();
  drawStates(ctx, spans.agent, bars.agent, lane, "agent");
  drawStates(ctx, spans.plane, bars.plane, lane, "plane");
  drawProcess(ctx, spans.process, lane, bars, w);
  for (const r of spans.reach) {
    const x0 = Math.max(xOf(r.from), gutter), x1 = Math.min(xOf(r.to), w);
    if (r.state !== 2 || x1 < gutter || x0 > w) continue;
    ctx.strokeStyle = palette.bad; ctx.setLineDash([4, 3]); ctx.lineWidth = 1.5;
    ctx.strokeRect(x0 + 0.5, bars.plane.y - 1, Math.max(x1 - x0 - 1, 1), bars.plane.h + 2);
    ctx.setLineDash([]);
    label(ctx, "unreachable", x0 + 5, bars.plane.y + bars.plane.h / 2 + 0.5, x1 - x0 - 8, palette.bad);
  }
  ctx.restore();
  if (guilty) { ctx.fillStyle = palette["focus-edge"]; ctx.fillRect(0, y, 4, h); }
  if (chosen && !guilty) { ctx.fillStyle = palette.accent; ctx.fillRect(0, y, 3, h); }
  ctx.fillStyle = palette.fg; ctx.font = fontOf(12, guilty ? 700 : 500);
  ctx.fillText((guilty ? "▸ " : "") + hostName(model, host), 10, y + h / 2 + 0.5);
  const kind = model.hosts[host - 1].Kind;
  if (kind) { ctx.fillStyle = palette.muted; ctx.font = fontOf(10); ctx.textAlign = "right"; ctx.fillText(kind, gutter - 8, y + h / 2 + 0.5); ctx.textAlign = "left"; }
  ctx.fillStyle = palette.grid; ctx.fillRect(0, y + h - 1, w, 1);
  targets.push({ x0: 0, x1: w, y0: Math.max(y, lane.pinned ? y : place.hostsAt), y1: y + h, lane });
}

// drawLaneWords writes what a lane's bars say. It comes after the messages,
// whose lines cross other lanes and would strike the words out.
function drawLaneWords(ctx, lane, w) {
  if (!lane.whole) return;
  const spans = spansOf(model, lane.host), bars = barsOf(lane), top = lane.pinned ? lane.y : Math.max(lane.y, place.hostsAt);
  ctx.save();
  ctx.beginPath(); ctx.rect(gutter, top, w - gutter, lane.y + lane.h - top); ctx.clip();
  drawWords(ctx, spans.agent, bars.agent, "agent");
  drawWords(ctx, spans.plane, bars.plane, "plane");
  ctx.restore();
}

// drawProcess crosses out the time in which a host's agent is down, and hatches
// that of a switch.
function drawProcess(ctx, process, lane, bars, w) {
  const { host, y, h } = lane;
  if (model.hosts[host - 1].Kind === "hostile") return; // what runs there is no agent
  for (const p of process) {
    const x0 = xOf(p.from), x1 = Math.max(xOf(p.to), x0 + 1.5);
    if (p.up && !p.switching || x1 < gutter || x0 > w) continue;
    if (p.up) {
      ctx.fillStyle = pattern(ctx, palette["state-ink"], "slant"); ctx.globalAlpha = 0.4;
      ctx.fillRect(x0, bars.agent.y, x1 - x0, bars.agent.h); ctx.globalAlpha = 1;
      continue;
    }
    ctx.fillStyle = palette.down; ctx.globalAlpha = 0.25; ctx.fillRect(x0, y, x1 - x0, h);
    ctx.fillStyle = pattern(ctx, palette.down, "cross"); ctx.globalAlpha = 0.5; ctx.fillRect(x0, y + 1, x1 - x0, h - 2); ctx.globalAlpha = 1;
    label(ctx, "down", Math.max(x0, gutter) + 4, y + h / 2, x1 - x0 - 6, palette.fg);
  }
}

// barsOf says where in a lane the rail of the messages is, and the two bars:
// the agent's own state and, below it, what the plane believes.
function barsOf(lane) {
  const { y, h } = lane;
  const gap = h >= 40 ? 4 : 2, usable = h - 2 * gap;
  const rail = y + gap + usable * 0.24, agentTop = y + gap + usable * 0.34, agentTall = usable * 0.4, planeTall = usable * 0.22;
  return { rail, agent: { y: agentTop, h: agentTall }, plane: { y: agentTop + agentTall + 1.5, h: planeTall } };
}

function drawStates(ctx, spans, bar, lane, side) {
  for (const s of spans) {
    const x0 = Math.max(xOf(s.from), gutter - 1), x1 = Math.min(xOf(s.to), view.width);
    if (x1 < gutter || x0 > view.width) continue;
    const width = Math.max(x1 - x0, 1);
    ctx.fillStyle = palette.state[s.state]; ctx.globalAlpha = side === "plane" ? 0.8 : 1;
    ctx.fillRect(x0, bar.y, width, bar.h); ctx.globalAlpha = 1;
    if (s.state >= 6 && bar.h >= 5) { ctx.fillStyle = pattern(ctx, palette["state-ink"], s.state === 6 ? "slant" : "back"); ctx.globalAlpha = 0.35; ctx.fillRect(x0, bar.y, width, bar.h); ctx.globalAlpha = 1; }
  }
}

// drawWords writes the states on their bars, where there is room.
function drawWords(ctx, spans, bar, side) {
  if (bar.h < 9) return;
  ctx.font = fontOf(Math.min(11, Math.floor(bar.h - 0.5)), 600);
  for (const s of spans) {
    const x0 = Math.max(xOf(s.from), gutter - 1), x1 = Math.min(xOf(s.to), view.width), width = x1 - x0;
    if (x1 < gutter || x0 > view.width || width <= 12) continue;
    const word = model.d.States[s.state - 1], text = width > 130 && side === "agent" ? `${word} · ${s.rollout}` : word;
    const fits = ctx.measureText(text).width < width - 6, drawn = fits ? text : word[0], x = fits ? x0 + 4 : x0 + Math.min(3, width / 2 - 4);
    ctx.fillStyle = palette.state[s.state]; ctx.fillRect(x - 1, bar.y + 1, ctx.measureText(drawn).width + 3, bar.h - 2);
    ctx.fillStyle = palette["state-ink"];
    ctx.fillText(drawn, x, bar.y + bar.h / 2 + 0.5);
    words.push({ x0: x - 1, x1: x + ctx.measureText(drawn).width + 2, y0: bar.y + 1, y1: bar.y + bar.h - 1 });
  }
}

// moments are the instants that have a line through everything, those that
// matter most first.
function moments() {
  const list = [], { Broken: broken, Healed: healed, Unmet: unmet } = model.d;
  if (broken) list.push({ t: broken.At, text: broken.Expected ? `${broken.Checker}, as expected · step ${broken.Step}` : `✕ ${broken.Checker} · step ${broken.Step}`, colour: broken.Expected ? palette.warn : palette.bad, dash: [7, 3], width: 2 });
  for (const t of new Set((unmet || []).filter((u) => u.At >= 0).map((u) => u.At))) list.push({ t, text: "✕ unmet", colour: palette.bad, dash: [7, 3], width: 2 });
  if (view.step && !(broken && broken.Step === view.step.step)) list.push({ t: view.step.at, text: "step " + view.step.step, colour: palette.accent, dash: [], width: 1.5, left: true });
  if (healed) list.push({ t: healed, text: "healed: no more faults", colour: palette.good, dash: [2, 4], width: 1 });
  return list;
}

let flags = []; // the words of the moments that are in sight, above the axis

// placeFlags finds a place for each flag beside its line, in the first row in
// which it covers no other.
function placeFlags(ctx, w) {
  flags = [];
  ctx.font = fontOf(11, 650);
  for (const m of moments()) {
    const x = Math.round(xOf(m.t)) + 0.5, width = ctx.measureText(m.text).width + 12;
    if (x < gutter || x > w) continue;
    const sides = (m.left ? [x - width, x] : [x, x - width]).filter((left) => left >= gutter && left + width <= w);
    if (!sides.length) sides.push(Math.max(gutter, Math.min(x, w - width)));
    const free = (row, left) => flags.every((f) => f.row !== row || left >= f.x0 + f.width + 2 || left + width <= f.x0 - 2);
    for (let row = 0, found = false; row < 3 && !found; row++) {
      const x0 = sides.find((left) => free(row, left));
      if (found = x0 !== undefined) flags.push({ text: m.text, colour: m.colour, row, x0, width });
    }
  }
}

function drawFlags(ctx) {
  ctx.font = fontOf(11, 650);
  for (const f of flags) {
    const y = f.row * flagHeight;
    ctx.fillStyle = f.colour; ctx.fillRect(f.x0, y + 1, f.width, flagHeight - 2);
    ctx.fillStyle = palette.bg; ctx.fillText(f.text, f.x0 + 6, y + flagHeight / 2 + 0.5);
  }
}

// drawMoments draws the lines of the moments between two heights. None goes
// through the axis or through the words on a lane, which it would strike out.
function drawMoments(ctx, w, from, to) {
  for (const m of moments()) {
    const x = Math.round(xOf(m.t)) + 0.5;
    if (x < gutter || x > w || to <= from) continue;
    ctx.strokeStyle = m.colour; ctx.lineWidth = m.width; ctx.setLineDash(m.dash);
    ctx.beginPath(); ctx.moveTo(x, from);
    const around = words.filter((o) => o.x0 - m.width < x && x < o.x1 + m.width && o.y0 >= from && o.y1 <= to);
    for (const o of around.sort((a, b) => a.y0 - b.y0)) { ctx.lineTo(x, o.y0); ctx.moveTo(x, o.y1); }
    ctx.lineTo(x, to); ctx.stroke();
    ctx.setLineDash([]);
  }
}

function drawScrollbar(ctx, w) {
  if (place.most <= 0) return;
  const tall = Math.max(24, place.room * place.room / place.tallness), y = place.hostsAt + (place.room - tall) * view.scroll / place.most;
  ctx.fillStyle = palette.muted; ctx.globalAlpha = 0.55;
  ctx.beginPath(); ctx.roundRect(w - 8, y, 6, tall, 3); ctx.fill();
  ctx.globalAlpha = 1;
}
