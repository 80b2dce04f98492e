// The overview: the whole run in one strip, and the part of it that is shown.

function drawOverview() {
  const { ctx, w, h } = prepare(document.getElementById("overview"));
  const s = model.d.Series, x = overviewX;
  overviewWidth = w;
  ctx.fillStyle = palette.raised; ctx.fillRect(0, 0, w, h);
  ctx.fillStyle = palette.muted; ctx.font = fontOf(11);
  ctx.fillText("whole run", 10, 15);
  ctx.font = fontOf(10); ctx.fillText(span(model.end), 10, 30);
  // Traffic, and what was refused of it.
  const columns = new Float64Array(Math.max(1, Math.ceil(w))), refused = new Float64Array(columns.length);
  for (let i = 0; i < (s.Depth || []).length; i++) {
    const at = Math.round(x(i * s.Width));
    if (at < 0 || at >= columns.length) continue;
    columns[at] += s.Answered[i];
    for (const r of s.Refused) refused[at] += r[i];
  }
  const top = Math.max(...columns, 1), base = h - 13;
  for (let i = 0; i < columns.length; i++) {
    if (columns[i]) { ctx.fillStyle = palette.faint; ctx.globalAlpha = 0.55; const tall = Math.sqrt(columns[i] / top) * (base - 3); ctx.fillRect(i, base - tall, 1, tall); ctx.globalAlpha = 1; }
    if (refused[i]) { ctx.fillStyle = palette.refused; const tall = Math.max(3, Math.sqrt(refused[i] / top) * (base - 3)); ctx.fillRect(i, base - tall, 1.5, tall); }
  }
  for (const b of model.bands) {
    const x0 = x(b.From), x1 = Math.max(x(b.To), x0 + 2), act = b.On === "operator";
    ctx.fillStyle = act ? palette.act : palette["band-edge"]; ctx.globalAlpha = act ? 0.9 : 0.55;
    ctx.fillRect(x0, base + (act ? 7 : 2), x1 - x0, act ? 3 : 4);
    ctx.globalAlpha = 1;
  }
  model.plane.forEach(([, at, state], i) => {
    const word = model.d.PlaneIs[state], to = i + 1 < model.plane.length ? model.plane[i + 1][1] : model.end;
    if (word === "serving") return;
    ctx.fillStyle = pattern(ctx, palette.down, "slant"); ctx.fillRect(x(at), 2, Math.max(x(to) - x(at), 1), base - 2);
  });
  if (model.d.Healed) { ctx.fillStyle = palette.good; ctx.fillRect(x(model.d.Healed), 0, 1, h); }
  if (model.d.Broken) {
    ctx.fillStyle = palette.bad; const at = x(model.d.Broken.At);
    ctx.fillRect(at - 1, 0, 2, h);
    ctx.beginPath(); ctx.moveTo(at - 6, 0); ctx.lineTo(at + 6, 0); ctx.lineTo(at, 7); ctx.fill();
  }
  // The part that is shown.
  const x0 = Math.max(x(view.t0), gutter), x1 = Math.min(Math.max(x(view.t1), x0 + 3), w - 1);
  ctx.fillStyle = palette.bg; ctx.globalAlpha = 0.55;
  ctx.fillRect(gutter, 0, x0 - gutter, h); ctx.fillRect(x1, 0, w - x1, h);
  ctx.globalAlpha = 1;
  ctx.fillStyle = palette.brush; ctx.fillRect(x0, 0, x1 - x0, h);
  ctx.strokeStyle = palette.accent; ctx.lineWidth = 1.5; ctx.strokeRect(x0 + 0.5, 0.75, Math.max(x1 - x0 - 1, 2), h - 1.5);
}

let overviewWidth = 1;
const overviewX = (t) => gutter + t / (model.end * 1.01) * (overviewWidth - gutter - rightEdge);
const overviewT = (x) => (x - gutter) / (overviewWidth - gutter - rightEdge) * model.end * 1.01;

// dragOverview moves the part that is shown, or one of its edges, or draws a
// new one.
function dragOverview(canvas) {
  let drag = null;
  canvas.addEventListener("pointerdown", (e) => {
    const x = e.offsetX, x0 = overviewX(view.t0), x1 = overviewX(view.t1);
    canvas.setPointerCapture(e.pointerId);
    if (Math.abs(x - x0) < 5 && x1 - x0 > 12) drag = { edge: 0 };
    else if (Math.abs(x - x1) < 5 && x1 - x0 > 12) drag = { edge: 1 };
    else if (x > x0 - 5 && x < x1 + 5) drag = { move: overviewT(x) - view.t0 };
    else drag = { from: overviewT(x), x };
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!drag) return;
    const t = overviewT(e.offsetX), width = view.t1 - view.t0;
    if (drag.edge === 0) setRange(Math.min(t, view.t1 - 1000), view.t1);
    else if (drag.edge === 1) setRange(view.t0, Math.max(t, view.t0 + 1000));
    else if (drag.move !== undefined) setRange(t - drag.move, t - drag.move + width);
    else if (Math.abs(e.offsetX - drag.x) > 3) setRange(Math.min(drag.from, t), Math.max(drag.from, t));
  });
  canvas.addEventListener("pointerup", (e) => {
    if (drag && drag.from !== undefined && Math.abs(e.offsetX - drag.x) <= 3) { const width = view.t1 - view.t0; glideTo(drag.from - width / 2, drag.from + width / 2); }
    drag = null;
  });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoomAt(Math.min(Math.max(overviewT(e.offsetX), view.t0), view.t1), Math.exp(e.deltaY * 0.0018)); }, { passive: false });
}
