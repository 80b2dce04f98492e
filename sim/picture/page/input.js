// Input: the mouse, the keys, the filters.

function targetAt(x, y) {
  let best = null, distance = Infinity;
  for (const t of targets) {
    if (t.r) {
      const d = Math.hypot(t.x - x, t.y - y);
      if (d <= t.r + 2 && d < distance) { best = t; distance = d; }
    }
  }
  if (best) return best;
  return targets.findLast((t) => !t.r && x >= t.x0 && x <= t.x1 && y >= t.y0 && y <= t.y1) || null;
}

function listenToLanes(canvas) {
  let drag = null;
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    const onBar = place.most > 0 && e.offsetX > canvas.clientWidth - 10 && e.offsetY > place.hostsAt;
    drag = { x: e.offsetX, y: e.offsetY, t0: view.t0, t1: view.t1, scroll: view.scroll, moved: false, bar: onBar, range: e.shiftKey };
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!drag) return hover(e.offsetX, e.offsetY, canvas);
    const dx = e.offsetX - drag.x, dy = e.offsetY - drag.y;
    if (Math.abs(dx) + Math.abs(dy) > 4) drag.moved = true;
    if (!drag.moved) return;
    canvas.classList.add("dragging");
    hideTip();
    if (drag.bar) view.scroll = drag.scroll + dy / place.room * place.tallness;
    else if (drag.range) { view.range = [tOf(drag.x), tOf(e.offsetX)]; return redraw(); } else {
      const perPixel = (drag.t1 - drag.t0) / (view.width - gutter - rightEdge);
      view.scroll = drag.scroll - dy;
      return setRange(drag.t0 - dx * perPixel, drag.t1 - dx * perPixel);
    }
    redraw();
  });
  const end = (e) => {
    if (!drag) return;
    canvas.classList.remove("dragging");
    if (view.range) { const [a, b] = view.range; view.range = null; glideTo(Math.min(a, b), Math.max(a, b)); } else if (!drag.moved && e.type === "pointerup") click(e.offsetX, e.offsetY);
    drag = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => { if (!drag) { view.hover = null; view.hoverTime = undefined; hideTip(); redraw(); } });
  canvas.addEventListener("dblclick", (e) => { const t = tOf(e.offsetX), w = (view.t1 - view.t0) / 8; glideTo(t - w, t + w); });
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    const unit = e.deltaMode === 1 ? 16 : e.deltaMode === 2 ? 400 : 1, dx = e.deltaX * unit, dy = e.deltaY * unit;
    if (e.altKey) { view.lane = Math.min(Math.max(view.lane * Math.exp(-dy * 0.002), 1), 60); return redraw(); }
    if (e.shiftKey) { view.scroll += dy || dx; return redraw(); }
    if (Math.abs(dx) > Math.abs(dy)) { const move = dx / view.width * (view.t1 - view.t0); return setRange(view.t0 + move, view.t1 + move); }
    zoomAt(tOf(Math.max(e.offsetX, gutter)), Math.exp(dy * 0.0018));
  }, { passive: false });
}

function click(x, y) {
  const t = targetAt(x, y);
  if (!t) return;
  if (t.message) return selectNumber(t.step, tOf(x), t.message.host, t.message);
  if (t.band) return glideTo(t.band.From - Math.max(t.band.To - t.band.From, 2 * second) * 0.4, t.band.To + Math.max(t.band.To - t.band.From, 2 * second) * 0.4);
  if (t.planeSpan) return selectNumber(t.planeSpan.step, t.planeSpan.from, 0);
  if (t.lane) {
    tellStoryOf(t.lane.host, "");
    if (x < gutter) return redraw();
    const step = nearestStep(model, tOf(x), t.lane.host);
    if (step) selectStep(step); else redraw();
  }
}

function hover(x, y, canvas) {
  const t = targetAt(x, y);
  canvas.classList.toggle("over", !!(t && (t.message || t.band || t.lane && x < gutter)));
  const message = t && t.message || null;
  view.hoverTime = x >= gutter ? tOf(x) : undefined;
  view.hover = message;
  redraw();
  if (x < gutter && !(t && t.lane) || !t) return hideTip();
  showTip(tipOf(t, x), x, y + canvas.offsetTop, canvas.parentElement);
}

const rowsHtml = (rows) => "<table>" + rows.map(([k, v]) => `<tr><td>${escape(k)}</td><td>${v}</td></tr>`).join("") + "</table>";

function tipOf(t, x) {
  const d = model.d;
  if (t.message) return messageTip(t.message);
  if (t.band) return `<b>${t.band.On === "operator" ? "operator" : "fault"}</b> ${escape(t.band.Text)}` + rowsHtml([["on", t.band.On === "plane" ? "the plane" : t.band.First ? `h${t.band.First}` + (t.band.Last > t.band.First ? `..h${t.band.Last}` : "") : "every host"], ["from", clock(t.band.From)], ...(t.band.To > t.band.From ? [["until", clock(t.band.To)], ["for", span(t.band.To - t.band.From)]] : [])]);
  if (t.planeSpan) return `<b>plane ${t.planeSpan.state}</b>` + rowsHtml([["from", clock(t.planeSpan.from)], ["for", span(t.planeSpan.to - t.planeSpan.from)]]);
  const { host, hosts } = t.lane, time = tOf(x), spans = spansOf(model, host), at = (list) => spanAt(list, time);
  const agent = at(spans.agent), plane = at(spans.plane), process = at(spans.process), reach = at(spans.reach);
  const state = (s) => s ? tag(d, s.state) + ` ${escape(s.rollout)} <span class="muted">since ${clock(s.from)}</span>` : '<span class="muted">no record</span>';
  const rows = [["agent", state(agent)], ["plane", state(plane)]];
  if (process) rows.push(["runs", escape(process.running) + (process.switching ? `, switching to ${escape(process.switching)}` : "") + (process.up ? "" : ", <b>agent down</b>")]);
  rows.push(["plane says", reach ? ["does not know it", "reachable", "<b>unreachable</b>", "never seen"][reach.state] : "has not heard it yet"]);
  if (hosts.length > 1) return groupTip(hosts, time);
  return `<b>${escape(hostName(model, host))}</b> ${escape(d.Hosts[host - 1].Kind)} <span class="muted">${clock(time)}</span>` + rowsHtml(rows);
}

// groupTip counts the hosts of a strip by state.
function groupTip(hosts, time) {
  const rows = hosts.map((host) => {
    const spans = spansOf(model, host), agent = spanAt(spans.agent, time), process = spanAt(spans.process, time);
    return [hostName(model, host), (agent ? tag(model.d, agent.state) + " " + escape(agent.rollout) : '<span class="muted">no record</span>') + (process && !process.up && model.hosts[host - 1].Kind !== "hostile" ? " <b>down</b>" : "")];
  });
  return `<b>${hosts.length} hosts in this strip</b> <span class="muted">${clock(time)}</span>` + rowsHtml(rows);
}

// deadlineOf is when the plane has to answer a message; nothing if it never
// arrived, was refused at once, or is a poll that the reducer was done with in
// time, which may wait.
function deadlineOf(m) {
  const deadline = m.arrivedAt + model.d.ReplyTimeout, timeout = m.answered && model.d.Codes[m.code].Word === "timeout";
  if (!m.arrived || m.answered && !m.stepped && !m.late && !timeout) return 0;
  return m.kind === 3 && m.stepped && m.steppedAt < deadline ? 0 : deadline;
}

// timesOf lists what happened to a message, in the order of time.
function timesOf(m) {
  const rows = [["sent", clock(m.sentAt, 6) + ` <span class="muted">step ${m.sent}</span>`]];
  for (const [name, word] of [["arrived", "arrived"], ["stepped", "reducer stepped it"], ["answered", "answered"], ["late", "late reply done"], ["gone", "lost"], ["heard", m.flags & flag.noAnswer ? "gave up" : "heard"]]) {
    if (m[name]) rows.push([word, `+${span(m[name + "At"] - m.sentAt)} <span class="muted">step ${m[name]}</span>`, m[name + "At"]]);
  }
  const deadline = deadlineOf(m);
  if (deadline && (m.heard || m.late || model.end >= deadline)) rows.push(["deadline", `+${span(deadline - m.sentAt)} <span class="muted">${span(model.d.ReplyTimeout)} after its arrival</span>`, deadline]);
  return rows.sort((a, b) => (a[2] || 0) - (b[2] || 0));
}

function messageTip(m) {
  return `<b>m${m.id} ${kindWords[m.kind]}</b> of ${escape(hostName(model, m.host))} ${escape(m.text)}<br><span class="${m.look}">${icons[m.look]} ${escape(answerText(model.d, m))}</span>` + rowsHtml(timesOf(m));
}

function showTip(html, x, y, stage) {
  const tip = byId("tip");
  tip.innerHTML = html;
  tip.hidden = false;
  const w = tip.offsetWidth, h = tip.offsetHeight;
  tip.style.left = Math.max(4, Math.min(x + 16, stage.clientWidth - w - 6)) + "px";
  tip.style.top = (y + 18 + h > stage.clientHeight ? Math.max(2, y - h - 12) : y + 18) + "px";
}

const hideTip = () => { byId("tip").hidden = true; };

function listenToCharts(canvas) {
  canvas.addEventListener("pointermove", (e) => {
    const at = chartAt(e.offsetX, e.offsetY);
    view.hoverTime = e.offsetX >= gutter ? tOf(e.offsetX) : undefined;
    redraw();
    if (!at) return hideTip();
    showTip(`<b>${at.name}</b> <span class="muted">${clock(at.from)}, for ${span(at.to - at.from)}</span>` + (at.rows.length ? rowsHtml(at.rows) : "<br>none"), e.offsetX, e.offsetY + canvas.offsetTop, canvas.parentElement);
  });
  canvas.addEventListener("pointerleave", () => { view.hoverTime = undefined; hideTip(); redraw(); });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoomAt(tOf(Math.max(e.offsetX, gutter)), Math.exp(e.deltaY * 0.0018)); }, { passive: false });
  canvas.addEventListener("click", (e) => { if (e.offsetX > gutter) selectStep(nearestStep(model, tOf(e.offsetX))); });
}

const keys = {
  "+": () => zoomAt(middle(), 1 / 1.5), "=": () => zoomAt(middle(), 1 / 1.5), "-": () => zoomAt(middle(), 1.5), "_": () => zoomAt(middle(), 1.5),
  ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15), ArrowUp: () => { view.scroll -= 60; redraw(); }, ArrowDown: () => { view.scroll += 60; redraw(); },
  PageUp: () => pan(-0.9), PageDown: () => pan(0.9), Home: () => glideTo(0, model.end), End: () => glideTo(model.end - (view.t1 - view.t0) * 0.9, model.end + (view.t1 - view.t0) * 0.1), v: () => showViolation(),
  "[": () => walk(-1), "]": () => walk(1), n: () => walkProblems(1), p: () => walkProblems(-1), t: () => { toggleTheme(); redraw(); },
  "/": () => byId("hosts").focus(), "?": () => byId("help").showModal(),
  Escape: () => { view.step = view.message = null; redraw(); },
};

// middle is where a zoom by key goes to: the step that is chosen, if it is in
// sight.
const middle = () => view.step && view.step.at > view.t0 && view.step.at < view.t1 ? view.step.at : (view.t0 + view.t1) / 2;
const pan = (share) => { const w = (view.t1 - view.t0) * share; setRange(view.t0 + w, view.t1 + w); };

function listenToKeys() {
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) || document.querySelector("dialog[open]")) return;
    if (e.target.tagName === "BUTTON" && (e.key === "Enter" || e.key === " ")) return;
    const act = keys[e.key];
    if (act) { e.preventDefault(); act(); }
  });
}
