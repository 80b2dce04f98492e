// Charts: counts over time, on the same axis as the lanes.

const chartHeight = 58;

function drawCharts() {
  const { ctx, w, h } = prepare(document.getElementById("charts"));
  const s = model.d.Series, n = (s.Depth || []).length;
  charts.forEach((chart, i) => {
    const y = i * chartHeight, top = y + 7, tall = chartHeight - 10;
    ctx.fillStyle = palette.line; if (i) ctx.fillRect(0, y, w, 1);
    ctx.strokeStyle = palette.grid; ctx.lineWidth = 1;
    ctx.beginPath();
    for (const t of view.ticks.list) { const x = Math.round(xOf(t)) + 0.5; if (x > gutter) { ctx.moveTo(x, y + 1); ctx.lineTo(x, y + chartHeight); } }
    ctx.stroke();
    const first = Math.max(0, Math.floor(view.t0 / s.Width)), last = Math.min(n - 1, Math.ceil(view.t1 / s.Width));
    ctx.save();
    ctx.beginPath(); ctx.rect(gutter, y, w - gutter, chartHeight); ctx.clip();
    const max = chart.draw(ctx, s, first, last, top, tall);
    ctx.restore();
    ctx.fillStyle = palette.fg; ctx.font = fontOf(11, 600);
    ctx.fillText(chart.name, 10, y + 14);
    ctx.fillStyle = palette.muted; ctx.font = fontOf(10);
    ctx.fillText(chart.unit(max, s), 10, y + 29);
    if (chart.more) ctx.fillText(chart.more(s), 10, y + 43);
  });
  drawMoments(ctx, w, 0, h);
  if (view.hoverTime !== undefined) {
    const x = xOf(view.hoverTime);
    ctx.fillStyle = palette.faint; if (x > gutter) ctx.fillRect(x, 0, 1, h);
  }
}

// columns calls see with the buckets of each column of pixels: from, to, x and
// width. Deep in, a bucket has many columns, and far out a column many buckets.
function columns(s, first, last, see) {
  const wide = xOf(s.Width) - xOf(0);
  const each = Math.max(1, Math.floor(1.5 / wide));
  for (let i = first - first % each; i <= last; i += each) {
    const to = Math.min(i + each, s.Depth.length);
    const x = Math.round(xOf(i * s.Width));
    see(i, to, x, Math.max(Math.round(xOf(to * s.Width)) - x, 1));
  }
}

function most(list, from, to) { let m = 0; for (let i = from; i < to; i++) if (list[i] > m) m = list[i]; return m; }
function sum(list, from, to) { let m = 0; for (let i = from; i < to; i++) m += list[i]; return m; }

// limitLine draws a limit from x0 to x1 with its name above it, or below it if
// there is no room; it returns where the name begins.
function limitLine(ctx, text, x0, x1, y, top, colour, right) {
  x0 = Math.max(x0, gutter); x1 = Math.min(x1, view.width);
  if (x1 <= x0) return right;
  ctx.strokeStyle = colour; ctx.lineWidth = 1.5; ctx.setLineDash([4, 3]);
  ctx.beginPath(); ctx.moveTo(x0, Math.round(y) + 0.5); ctx.lineTo(x1, Math.round(y) + 0.5); ctx.stroke();
  ctx.setLineDash([]);
  ctx.font = fontOf(10, 600);
  const width = ctx.measureText(text).width, x = Math.min(x1, right) - width - 8;
  if (x < x0) return right;
  label(ctx, text, x, y - 14 > top - 7 ? y - 7.5 : y + 8.5, width, colour);
  return x - 6;
}

// limitsShown are the limits of the inbox that hold in a part of the run.
function limitsShown(s, first, last) {
  return (s.Limits || []).map(([from, capacity, others], i) => ({ from, to: i + 1 < s.Limits.length ? s.Limits[i + 1][0] : s.Depth.length, capacity, others })).filter((l) => l.from <= last && l.to > first);
}

const charts = [
  {
    name: "inbox depth", unit: (max) => `most ${max}`, more: (s) => `capacity ${s.limitText}`,
    draw(ctx, s, first, last, top, tall) {
      const limits = limitsShown(s, first, last), least = Math.min(...limits.map((l) => l.capacity));
      s.limitText = [...new Set(limits.map((l) => l.capacity))].join(", ");
      const max = Math.max(most(s.Depth, first, last + 1), 1), scale = Math.max(max * 1.25, Math.min(least * 1.25, max * 4)), y = (n) => top + tall - n / scale * tall;
      columns(s, first, last, (from, to, x, wide) => {
        const depth = most(s.Depth, from, to), others = Math.min(most(s.Others, from, to), depth);
        if (!depth) return;
        ctx.fillStyle = palette.beats; ctx.fillRect(x, Math.min(y(depth), top + tall - 1), wide, Math.max(tall - (y(depth) - top), 1));
        if (others) { ctx.fillStyle = palette.others; ctx.fillRect(x, Math.min(y(others), top + tall - 1), wide, Math.max(tall - (y(others) - top), 1)); }
      });
      for (const l of limits) {
        let right = view.width - 4;
        if (l.capacity <= scale) right = limitLine(ctx, `capacity ${l.capacity}`, xOf(l.from * s.Width), xOf(l.to * s.Width), y(l.capacity), top, palette.bad, right);
        if (l.others <= scale) limitLine(ctx, `without heartbeats ${l.others}`, xOf(l.from * s.Width), xOf(l.to * s.Width), y(l.others), top, palette.others, right);
      }
      return most(s.Depth, first, last + 1);
    },
    tell: (s, i) => {
      const limit = limitsShown(s, i, i)[0];
      return [["requests in the inbox, at most", `${s.Depth[i]}, capacity ${limit ? limit.capacity : "?"}`], ["other than heartbeats, at most", `${s.Others[i]}, limit ${limit ? limit.others : "?"}`], ["answers", s.Answered[i]]];
    },
  },
  {
    name: "503, by reason", unit: (n) => n ? `${n} here` : "none here",
    draw(ctx, s, first, last, top, tall) {
      const perSecond = (from, to) => second / (s.Width * (to - from));
      let max = 0;
      columns(s, first, last, (from, to) => { max = Math.max(max, s.Refused.reduce((n, r) => n + sum(r, from, to), 0) * perSecond(from, to)); });
      if (!max) return 0;
      columns(s, first, last, (from, to, x, wide) => {
        let y = top + tall;
        s.Refused.forEach((r, i) => {
          const n = sum(r, from, to);
          if (!n) return;
          const h = Math.max(n * perSecond(from, to) / max * tall, 1.5);
          ctx.fillStyle = palette.reason[i]; ctx.fillRect(x, y - h, Math.max(wide, 1.5), h);
          if (wide >= 7 && h >= 9) { ctx.fillStyle = palette["state-ink"]; ctx.font = fontOf(9, 700); ctx.fillText(reasonLetters[i], x + wide / 2 - 3, y - h / 2); }
          y -= h;
        });
      });
      return s.Refused.reduce((n, r) => n + sum(r, first, last + 1), 0);
    },
    tell: (s, i) => s.Reasons.map((r, k) => [`${reasonLetters[k]}  ${r}`, s.Refused[k][i]]).filter((r) => r[1]),
  },
  {
    name: "reachable hosts", unit: (min, s) => min < 0 ? "plane is down" : `at least ${min} of ${s.Hosts}`, more: () => "┄ agents up",
    draw(ctx, s, first, last, top, tall) {
      let min = Infinity;
      const y = (n) => top + tall - n / (s.Hosts * 1.3) * tall;
      ctx.fillStyle = palette.good;
      columns(s, first, last, (from, to, x, wide) => {
        let low = Infinity;
        for (let i = from; i < to; i++) if (s.Known[i] >= 0) low = Math.min(low, s.Reachable[i]);
        if (low === Infinity) { ctx.fillStyle = pattern(ctx, palette.down, "slant"); ctx.globalAlpha = 0.5; ctx.fillRect(x, top, wide, tall); ctx.globalAlpha = 1; return; }
        min = Math.min(min, low);
        ctx.fillStyle = palette.good; ctx.globalAlpha = 0.25; ctx.fillRect(x, y(low), wide, top + tall - y(low)); ctx.globalAlpha = 1;
        ctx.fillRect(x, y(low) - 0.75, wide, 1.5);
      });
      ctx.fillStyle = palette.fg; ctx.globalAlpha = 0.8;
      columns(s, first, last, (from, to, x, wide) => { if (Math.floor(x / 3) % 2 || wide > 4) ctx.fillRect(x, y(s.Up[from]) - 0.5, Math.max(wide, 3) / (wide > 4 ? 1 : 1), 1); });
      ctx.globalAlpha = 1;
      limitLine(ctx, `all ${s.Hosts} ${s.Hosts === 1 ? "host" : "hosts"}`, gutter, Math.min(view.width, xOf(model.end)), y(s.Hosts), top, palette.muted, view.width - 4);
      return min === Infinity ? -1 : min;
    },
    tell: (s, i) => s.Known[i] < 0 ? [["plane", "is not there"], ["agents up", s.Up[i]]] : [["reachable", s.Reachable[i]], ["known", s.Known[i]], ["agents up", s.Up[i]], ["hosts", s.Hosts]],
  },
  {
    name: "records by state", unit: (max) => `${max} at the plane`,
    draw(ctx, s, first, last, top, tall) {
      let max = 1;
      const total = (i) => s.Records.reduce((n, r) => n + r[i], 0);
      for (let i = first; i <= last; i++) max = Math.max(max, total(i));
      columns(s, first, last, (from, to, x, wide) => {
        let y = top + tall;
        [5, 4, 2, 3, 1, 7, 6].forEach((state) => {
          const n = s.Records[state - 1][to - 1];
          if (!n) return;
          const h = n / max * tall;
          ctx.fillStyle = palette.state[state]; ctx.fillRect(x, y - h, wide, h);
          y -= h;
        });
      });
      return max === 1 && !total(last) ? 0 : max;
    },
    tell: (s, i) => model.d.States.map((word, k) => [word, s.Records[k][i]]).filter((r) => r[1]),
  },
];

// chartAt tells what a chart shows at a point.
function chartAt(x, y) {
  const chart = charts[Math.floor(y / chartHeight)], s = model.d.Series, i = Math.floor(tOf(x) / s.Width);
  if (!chart || x < gutter || i < 0 || i >= s.Depth.length) return null;
  return { name: chart.name, from: i * s.Width, to: (i + 1) * s.Width, rows: chart.tell(s, i) };
}
