// Messages: arrows between a host's lane and the plane's. When there are too
// many, a message is a tick on its host's rail, and only what went wrong keeps
// its mark.

const arrowsAtMost = 900;

// lean is how far a message's arrows lean, in pixels: nothing but a line
// across all lanes is seen of one that does not.
const lean = (m) => m.kind === 3 ? Math.max(xOf(m.arrivedAt) - xOf(m.sentAt), m.heard ? xOf(m.heardAt) - xOf(m.answeredAt) : 0) : xOf(m.end) - xOf(m.sentAt);

function drawMessages(ctx, lanes, w) {
  const railOf = new Map();
  for (const lane of lanes) if (lane.whole && (lane.pinned || !railOf.has(lane.host))) railOf.set(lane.host, lane);
  let count = 0;
  for (const host of railOf.keys()) visible(model, host, view.t0, view.t1, (m) => { if (shown(m)) count++; });
  const arrows = count <= arrowsAtMost;
  view.drawn = { messages: count, arrows, lanes: railOf.size };
  const plane = place.planeAt + planeHeight - 12;
  claimed = []; signs = [];
  ctx.save();
  ctx.beginPath(); ctx.rect(gutter, place.planeAt, w - gutter, place.h - place.planeAt); ctx.clip();
  for (const lane of railOf.values()) {
    const bars = barsOf(lane);
    ctx.save();
    if (!lane.pinned) { ctx.beginPath(); ctx.rect(gutter, place.planeAt, w - gutter, place.h - place.planeAt); ctx.clip(); }
    ctx.fillStyle = palette.line; ctx.fillRect(gutter, bars.rail, w - gutter, 1);
    const drawnAt = new Map();
    let labelled = -1e9;
    visible(model, lane.host, view.t0, view.t1, (m) => {
      if (!shown(m)) return;
      const x = xOf(m.sentAt), bad = m.look !== "fine";
      const brief = !bad && count > 80 && lean(m) < 4;
      if (arrows && !brief || m === view.message || view.hover === m) return drawArrow(ctx, m, bars.rail, plane);
      const key = (x | 0) + m.look;
      if (drawnAt.has(key)) return;
      drawnAt.set(key, m);
      if (bad) mark(ctx, m.look, x, bars.rail, m);
      else { ctx.fillStyle = palette.kind[m.kind]; ctx.globalAlpha = 0.75; ctx.fillRect(x - 0.5, bars.rail - (m.kind === 2 ? 7 : 4), m.kind === 2 ? 2 : 1, m.kind === 2 ? 7 : 4); ctx.globalAlpha = 1; }
      targets.push({ x, y: bars.rail, r: 5, message: m, step: m.sent, end: "sent" });
    });
    if (arrows && count <= 70 && lane.h >= 40) {
      visible(model, lane.host, view.t0, view.t1, (m) => {
        const x = xOf(m.sentAt);
        if (!shown(m) || x < Math.max(labelled, gutter)) return;
        const text = m.kind === 2 ? m.text.replace(m.rollout + " ", "") : kindWords[m.kind];
        ctx.font = fontOf(10); ctx.fillStyle = m.look === "fine" ? palette.muted : palette[m.look];
        signs.push({ name: text, x: x + 6, y: bars.rail - 5.5, colour: ctx.fillStyle });
        labelled = x + ctx.measureText(text).width + 14;
      });
    }
    ctx.restore();
  }
  drawStripMarks(ctx, lanes, w);
  if (view.message && railOf.has(view.message.host)) drawArrow(ctx, view.message, barsOf(railOf.get(view.message.host)).rail, plane, true);
  if (view.message) drawDeadline(ctx, view.message);
  drawSigns(ctx);
  ctx.restore();
}

// drawDeadline marks when the plane had to answer the message that is chosen,
// unless it did so before.
function drawDeadline(ctx, m) {
  const at = deadlineOf(m), x = xOf(at), y = place.planeAt + 26;
  if (!at || x < gutter || x > view.width || m.answered && m.answeredAt < at && !m.late) return;
  ctx.fillStyle = palette.bad; ctx.fillRect(x - 1, y - 6, 2, place.planeAt + planeHeight - y);
  signs.push({ text: "deadline", x: x - 6, before: true, y, colour: palette.bad });
}

let signs = []; // the words and letters of the marks of this frame

// drawSigns writes them on top of all lines, where they have room; the names of
// messages come last.
function drawSigns(ctx) {
  for (const s of [...signs].sort((a, b) => !!a.name - !!b.name)) {
    if (s.name) {
      ctx.font = fontOf(10); ctx.fillStyle = s.colour;
      const end = s.x + ctx.measureText(s.name).width;
      if (end < view.width && claim(s.x - 1, s.y - 5.5, end + 1, s.y + 5.5)) ctx.fillText(s.name, s.x, s.y);
      continue;
    }
    if (s.letter) {
      if (s.x < gutter + 5 || s.x > view.width - 5 || !claim(s.x - 5, s.y - 5.5, s.x + 5, s.y + 5.5)) continue;
      ctx.fillStyle = palette.refused; ctx.fillRect(s.x - 5, s.y - 5.5, 10, 11);
      ctx.fillStyle = palette.bg; ctx.font = fontOf(9, 700); ctx.textAlign = "center";
      ctx.fillText(s.letter, s.x, s.y + 0.5);
      ctx.textAlign = "left";
      continue;
    }
    ctx.font = fontOf(10, 600);
    const width = ctx.measureText(s.text).width, x = s.before ? s.x - width : s.x;
    if (x > gutter && x + width < view.width && claim(x - 3, s.y - 6.5, x + width + 3, s.y + 6.5)) label(ctx, s.text, x, s.y, width, s.colour);
  }
}

// drawStripMarks puts a dot on a strip for everything that went wrong there.
function drawStripMarks(ctx, lanes, w) {
  if (!place.strips) return;
  ctx.save();
  ctx.beginPath(); ctx.rect(gutter, place.hostsAt, w - gutter, place.h); ctx.clip();
  for (const lane of lanes) {
    if (lane.whole) continue;
    for (const host of lane.hosts) stripMarks(ctx, lane, host);
  }
  ctx.restore();
}

function stripMarks(ctx, lane, host) {
  let last = -9;
  const size = Math.max(2, Math.min(lane.h - 1, 4));
  visible(model, host, view.t0, view.t1, (m) => {
    if (!isProblem(m) || !shown(m)) return;
    const x = xOf(m.sentAt);
    if (x - last < 1) return;
    last = x;
    ctx.fillStyle = palette[m.look];
    ctx.fillRect(x - size / 2, lane.y + lane.h / 2 - size / 2, size, size);
    if (lane.h >= 3) targets.push({ x, y: lane.y + lane.h / 2, r: 4, message: m, step: m.sent, end: "sent" });
  });
}

const dashes = [[], [], [], [3, 3], [8, 3], [1, 2]];

// drawArrow draws a request and its answer. What is lost is cut short and
// crossed; what came too late ends before it gets anywhere.
function drawArrow(ctx, m, host, rail, strong) {
  const plane = m.kind === 3 ? rail - 10 : rail; // polls wait, so they have a rail of their own
  const colour = m.look === "fine" ? palette.kind[m.kind] : palette[m.look];
  const chosen = strong || view.message === m || view.hover === m;
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = chosen ? 2.5 : m.kind === 2 || m.look !== "fine" ? 1.5 : 1;
  ctx.globalAlpha = chosen ? 1 : m.look === "fine" && m.kind !== 2 ? 0.55 : 0.9;
  const line = (x0, y0, x1, y1, dash) => {
    ctx.setLineDash(dash);
    ctx.beginPath(); ctx.moveTo(x0, y0); ctx.lineTo(x1, y1); ctx.stroke();
    ctx.setLineDash([]);
  };
  const x = xOf(m.sentAt), dash = dashes[m.kind] || [];
  const stop = (x0, y0, x1, y1, share) => [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share];
  targets.push({ x, y: host, r: 6, message: m, step: m.sent, end: "sent" });
  dot(ctx, x, host, 2);
  if (m.flags & flag.lostRequest) {
    const refused = m.arrived === 0 && m.gone > m.sent, xe = refused ? xOf(m.goneAt) : x + 10;
    const [x1, y1] = refused ? [xe, plane] : stop(x, host, xe, plane, 0.55);
    line(x, host, x1, y1, dash);
    cross(ctx, x1, y1, 4);
    targets.push({ x: x1, y: y1, r: 6, message: m, step: m.gone || m.sent, end: "lost" });
  } else if (m.arrived) {
    const xa = xOf(m.arrivedAt);
    line(x, host, xa, plane, dash);
    head(ctx, x, host, xa, plane);
    targets.push({ x: xa, y: plane, r: 6, message: m, step: m.arrived, end: "arrived" });
    drawStay(ctx, m, xa, plane, line);
  } else {
    const [x1, y1] = stop(x, host, x + 10, plane, 0.5); // on its way when the run ended
    line(x, host, x1, y1, [2, 3]);
  }
  if (m.answered && !(m.flags & flag.duplicate)) {
    const xa = xOf(m.answeredAt);
    if (m.flags & flag.lostAnswer) {
      const [x1, y1] = stop(xa, plane, xa + 10, host, 0.55);
      line(xa, plane, x1, y1, dash);
      cross(ctx, x1, y1, 4);
      targets.push({ x: x1, y: y1, r: 6, message: m, step: m.gone || m.answered, end: "lost" });
    } else if (m.heard) {
      const xh = xOf(m.heardAt);
      line(xa, plane, xh, host, dash);
      head(ctx, xa, plane, xh, host);
      if (m.look === "refused" || m.look === "error" || m.look === "replay") mark(ctx, m.look, xh, host, m);
      targets.push({ x: xh, y: host, r: 6, message: m, step: m.heard, end: "heard" });
    } else {
      const [x1, y1] = stop(xa, plane, xa + 10, host, 0.5);
      line(xa, plane, x1, y1, [2, 3]);
    }
  }
  if (m.heard && m.flags & flag.noAnswer) {
    const xh = xOf(m.heardAt);
    ctx.globalAlpha *= 0.8;
    line(x, host, xh, host, [1, 3]);
    ring(ctx, xh, host, 3);
    targets.push({ x: xh, y: host, r: 6, message: m, step: m.heard, end: "heard" });
  }
  ctx.globalAlpha = 1;
}

// drawStay draws a request's stay at the plane, and a reply that came too late.
function drawStay(ctx, m, xa, plane, line) {
  const out = m.answered ? xOf(m.answeredAt) : m.gone && m.flags & flag.lostAnswer ? xOf(m.goneAt) : xa;
  if (out - xa > 1.5) line(xa, plane, out, plane, []);
  if (m.answered) targets.push({ x: out, y: plane, r: 6, message: m, step: m.answered, end: "answered" });
  if (m.stepped) {
    const xs = xOf(m.steppedAt);
    ctx.fillRect(xs - 0.75, plane - 3.5, 1.5, 7);
    if (xs - xa > 4) targets.push({ x: xs, y: plane, r: 5, message: m, step: m.stepped, end: "stepped" });
  }
  if (m.flags & flag.lostAnswer && !m.answered) cross(ctx, out, plane, 4);
  if (!m.late) return;
  const xl = xOf(m.lateAt);
  line(out, plane, xl, plane, [2, 3]);
  line(xl, plane, xl + 5, plane + 14, [2, 2]);
  ring(ctx, xl, plane, 4);
  ctx.lineWidth = 1.2;
  line(xl, plane - 2.5, xl, plane, []); line(xl, plane, xl + 2, plane, []);
  if (xl - out > 20) signs.push({ text: "late", x: xl + 8, y: plane + 0.5, colour: palette.late });
  targets.push({ x: xl, y: plane, r: 7, message: m, step: m.late, end: "late" });
}

function dot(ctx, x, y, r) { ctx.beginPath(); ctx.arc(x, y, r, 0, 7); ctx.fill(); }
function ring(ctx, x, y, r) { const fill = ctx.fillStyle; ctx.beginPath(); ctx.arc(x, y, r, 0, 7); ctx.fillStyle = palette.bg; ctx.fill(); ctx.stroke(); ctx.fillStyle = fill; }
function cross(ctx, x, y, r) {
  const width = ctx.lineWidth;
  ctx.lineWidth = 2;
  ctx.beginPath(); ctx.moveTo(x - r, y - r); ctx.lineTo(x + r, y + r); ctx.moveTo(x + r, y - r); ctx.lineTo(x - r, y + r); ctx.stroke();
  ctx.lineWidth = width;
}

// head is an arrow's head at its second point.
function head(ctx, x0, y0, x1, y1) {
  const angle = Math.atan2(y1 - y0, x1 - x0), size = 6;
  ctx.beginPath(); ctx.moveTo(x1, y1);
  ctx.lineTo(x1 - size * Math.cos(angle - 0.4), y1 - size * Math.sin(angle - 0.4));
  ctx.lineTo(x1 - size * Math.cos(angle + 0.4), y1 - size * Math.sin(angle + 0.4));
  ctx.fill();
}

// mark is a sign on a rail: its shape says what its colour says.
function mark(ctx, look, x, y, m) {
  ctx.save();
  ctx.globalAlpha = 1; ctx.strokeStyle = ctx.fillStyle = palette[look]; ctx.lineWidth = 1.5;
  switch (look) {
    case "lost": cross(ctx, x, y, 3.5); break;
    case "late": ring(ctx, x, y, 4); ctx.beginPath(); ctx.moveTo(x, y - 2.5); ctx.lineTo(x, y); ctx.lineTo(x + 2, y); ctx.stroke(); break;
    case "refused": // a square with the letter of the reason
      ctx.fillRect(x - 5, y - 5.5, 10, 11);
      signs.push({ letter: m ? reasonLetters[model.d.Series.Reasons.indexOf(model.d.Codes[m.code].Word)] || "5" : "5", x, y });
      break;
    case "error": ctx.beginPath(); ctx.moveTo(x, y - 5); ctx.lineTo(x + 5, y + 4); ctx.lineTo(x - 5, y + 4); ctx.fill(); break;
    case "replay": ctx.beginPath(); ctx.arc(x, y, 4, -1.2, 3.6); ctx.stroke(); head(ctx, x - 2, y - 3, x + 2.5, y - 4); break;
  }
  ctx.restore();
}
