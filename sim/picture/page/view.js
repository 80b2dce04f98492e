// The view: which part of the run is shown, and where it is drawn.

const gutter = 116, rightEdge = 14;

// view is what is shown. t0 and t1 are instants.
const view = {
  t0: 0, t1: 1, scroll: 0, lane: 1, width: 0,
  hosts: [], pinned: [], kinds: new Set([1, 2, 3, 4, 5]), problems: false,
  step: null, message: null, story: { host: 0, rollout: "" }, hover: null,
};

let model, redrawPlanned = false;

const xOf = (t) => gutter + (t - view.t0) / (view.t1 - view.t0) * (view.width - gutter - rightEdge);
const tOf = (x) => view.t0 + (x - gutter) / (view.width - gutter - rightEdge) * (view.t1 - view.t0);

const shown = (m) => view.kinds.has(m.kind) && (!view.problems || isProblem(m));

function redraw() {
  if (redrawPlanned) return;
  redrawPlanned = true;
  requestAnimationFrame(() => { redrawPlanned = false; draw(); });
}

// setRange shows the time between two instants, as far as the run goes.
function setRange(t0, t1) {
  const least = 1000, most = model.end * 1.02 + second;
  let width = Math.min(Math.max(t1 - t0, least), most);
  const mid = (t0 + t1) / 2;
  t0 = mid - width / 2;
  t0 = Math.max(Math.min(t0, model.end + width * 0.1 - width), -width * 0.02);
  if (width >= most) t0 = -width * 0.01;
  view.t0 = t0; view.t1 = t0 + width;
  redraw();
}

let flight = 0;

// glideTo moves to a range; at once, if people want no motion or the page has
// just been opened.
function glideTo(t0, t1) {
  cancelAnimationFrame(flight);
  if (!window.picture || matchMedia("(prefers-reduced-motion: reduce)").matches) return setRange(t0, t1);
  const from = [view.t0, view.t1], began = performance.now();
  const frame = (now) => {
    const k = Math.min((now - began) / 180, 1), e = 1 - (1 - k) ** 3;
    // Widths by their logarithm, so that a zoom over many orders feels even.
    const w0 = from[1] - from[0], w1 = t1 - t0, width = w0 * (w1 / w0) ** e;
    const share = w1 === w0 ? e : (width - w0) / (w1 - w0);
    const left = from[0] + (t0 - from[0]) * share;
    setRange(k < 1 ? left : t0, k < 1 ? left + width : t1);
    if (k < 1) flight = requestAnimationFrame(frame);
  };
  flight = requestAnimationFrame(frame);
}

function zoomAt(t, factor) {
  setRange(t - (t - view.t0) * factor, t + (view.t1 - t) * factor);
}

// reveal moves an instant into sight, and zooms only if there is nothing to see
// otherwise.
function reveal(t) {
  const width = view.t1 - view.t0;
  if (t >= view.t0 + width * 0.06 && t <= view.t1 - width * 0.06) return redraw();
  glideTo(t - width / 2, t + width / 2);
}

// goToViolation shows the last while before the violation: the story's last
// dozen lines, or those of them that are close together, if a long time lies
// before them.
function goToViolation() {
  const broken = model.d.Broken;
  const items = storyOf(model, view.story.host, view.story.rollout).filter((i) => i.at < broken.At);
  const last = items.slice(-12).map((i) => i.at);
  const gap = last.findLastIndex((at, i) => i > 0 && i <= last.length - 3 && at - last[i - 1] > 10 * (broken.At - at));
  const first = !last.length ? broken.At - minute : last[Math.max(gap, 0)];
  const width = Math.min(Math.max((broken.At - first) * 1.3, 50e6), 40 * minute);
  glideTo(broken.At - width * 0.85, broken.At + width * 0.15);
}

// prepare makes a canvas as large as it is shown, in pixels of the screen, and
// returns its context.
function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, w, h);
  ctx.font = fontOf(11);
  ctx.textBaseline = "middle";
  return { ctx, w, h };
}

const fontOf = (size, weight = 400) => `${weight} ${size}px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif`;

// clip writes a text that has no more than a width; it writes nothing if little
// of it would be left.
function clip(ctx, text, x, y, width, least = 16) {
  if (width < least) return 0;
  let w = ctx.measureText(text).width;
  if (w > width) {
    let n = Math.max(1, Math.floor(text.length * width / w) - 1);
    while (n > 0 && ctx.measureText(text.slice(0, n) + "…").width > width) n--;
    if (n < 2) return 0;
    text = text.slice(0, n) + "…";
    w = ctx.measureText(text).width;
  }
  ctx.fillText(text, x, y);
  return w;
}

// claimed are the places that words have taken in this frame: a word is written
// only where there is no other.
let claimed = [];

function claim(x0, y0, x1, y1) {
  if (claimed.some((c) => x0 < c[2] && c[0] < x1 && y0 < c[3] && c[1] < y1)) return false;
  claimed.push([x0, y0, x1, y1]);
  return true;
}

const tickWidths = [];
for (let p = 1e3; p < second; p *= 10) tickWidths.push(p, 2 * p, 5 * p);
tickWidths.push(...[1, 2, 5, 10, 15, 30].map((s) => s * second), ...[1, 2, 5, 10, 15, 30].map((m) => m * minute), ...[1, 2, 4, 6, 12, 24, 48, 96].map((h) => h * hour));

// ticks are the instants at which the time axis has a line.
function ticks() {
  const room = (view.width - gutter) / 96;
  const every = tickWidths.find((w) => (view.t1 - view.t0) / w <= room) || tickWidths.at(-1);
  const list = [];
  for (let t = Math.max(0, Math.ceil(view.t0 / every)) * every; t <= view.t1; t += every) list.push(t);
  const decimals = every >= second ? 0 : Math.min(9, Math.ceil(-Math.log10(every / second) - 1e-9));
  return { list, decimals };
}
