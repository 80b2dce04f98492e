// The page.

function draw() {
  drawLanes();
  drawOverview();
  drawCharts();
}

function fillHeader(d) {
  const verdict = byId("verdict");
  verdict.className = "verdict " + d.Verdict;
  verdict.textContent = `${verdictIcons[d.Verdict]} ${d.Headline[0]}${d.Verdict === "violation" ? " " + d.Broken.Checker : ""}`;
  byId("broken").innerHTML = summaryOf(d).map((line) => `<p>${line}</p>`).join("");
  byId("facts").innerHTML = d.Facts.map(([k, v]) => `<div><dt>${escape(k)}</dt><dd>${escape(v)}</dd></div>`).join("");
  byId("again").textContent = d.Again;
  if (!d.Again) byId("again").hidden = byId("copy").hidden = true;
  byId("scenario-text").textContent = d.Scenario;
  byId("go-violation").hidden = !d.Broken;
  byId("legend").innerHTML = d.States.map((s, i) => `<span><i style="background:var(--state-${i + 1})">${s[0]}</i>${s}</span>`).join("");
  byId("kinds").innerHTML = kindWords.slice(1).map((word, i) => model.messages.some((m) => m.kind === i + 1) ? `<button data-kind="${i + 1}" aria-pressed="true"><i style="color:var(--kind-${i + 1});border-top-style:${["solid", "solid", "dashed", "dashed", "dotted"][i]};border-top-width:${i === 1 ? 3 : 2}px"></i>${word}</button>` : "").join("");
  if (d.Omitted) {
    const p = document.createElement("p");
    p.className = "notice"; p.style.margin = 0;
    const gone = [[d.Omitted.Messages, "messages"], [d.Omitted.Steps, "steps"]].filter(([n]) => n).map(([n, what]) => n.toLocaleString("en") + " " + what);
    p.textContent = `To keep the page small, ${gone.join(" and ")} from before ${clock(d.Omitted.Before, 0)} are left out, routine ones first. Charts, states and faults are whole.`;
    document.querySelector(".tools").after(p);
  }
}

// summaryOf says in a few lines why a run passed or did not.
function summaryOf(d) {
  const lines = [], broken = d.Broken;
  if (d.Verdict === "unmet") lines.push(`<b>${escape(d.Headline[1])}</b>`);
  if (broken) {
    lines.push(`${broken.Expected ? `<b>As expected</b>, ${escape(broken.Checker)} is violated at ` : ""}<b>step ${broken.Step}, ${clock(broken.At, 6)}</b>: ${linked(broken.Detail)}`);
    if (broken.Rule) lines.push(`<span class="rule">Rule ${escape(broken.Checker)}: ${escape(broken.Rule)}.</span>`);
  } else if (d.Verdict === "passed") lines.push(`No rule was violated; ${escape(d.Headline[1])}.`);
  else if (d.Verdict === "stopped") lines.push(`The run was stopped ${escape(d.Headline[1])}.`);
  for (const [i, u] of (d.Unmet || []).entries()) lines.push(`<span class="bad">✕</span> <a href="#unmet${i}" data-unmet="${i}"><code>${escape(u.Expect)}</code></a>${u.Line ? ` (line ${u.Line})` : ""}: saw ${linked(u.Saw)}`);
  return lines;
}

function fillHelp() {
  const rows = [
    ["h", "Lanes"], ["rail", "The thin line on top of a lane: requests start there, answers come back to it."], ["upper bar", "The state of the host's newest rollout, as its agent knows it. Slanted: a switch is running."], ["lower bar", "What the plane believes of the same. Dashed red: the plane takes the host for unreachable."],
    ["crossed", "The process is down."], ["strips", "With many hosts a lane is one strip of the agent's state; marked hosts are drawn in full on top. Alt and wheel makes lanes taller."],
    ["h", "Messages"], ["→", "Answered."], ["■ n s c d t", "503: not_started, saturated, closed, dropped_reply, timeout."], ["✕", "Lost: request or answer, where the line is cut. A ring marks when the sender gave up."], ["◷", "Late: the reducer was done after the deadline; nothing of it was delivered."], ["↺", "Answered with Replay-From."], ["▲", "Refused for another reason."],
    ["h", "Keys"], ["<kbd>+</kbd> <kbd>−</kbd> wheel", "Zoom"], ["<kbd>←</kbd> <kbd>→</kbd> drag", "Move in time; shift and drag to choose a range"], ["<kbd>↑</kbd> <kbd>↓</kbd> shift+wheel", "Move over the lanes"], ["<kbd>[</kbd> <kbd>]</kbd>", "The step before and after, of the same host"], ["<kbd>n</kbd> <kbd>p</kbd>", "The next problem, the one before"],
    ["<kbd>v</kbd>", "To the violation"], ["<kbd>Home</kbd>", "The whole run"], ["<kbd>/</kbd>", "Choose hosts: h3, h10..h20, a state, legacy, hostile, problems, unreachable"], ["<kbd>t</kbd>", "Light or dark"],
  ];
  byId("help-text").innerHTML = rows.map(([a, b]) => a === "h" ? `<h3>${b}</h3>` : `<span>${a}</span><span>${b}</span>`).join("");
}

function listen() {
  listenToLanes(byId("lanes"));
  listenToCharts(byId("charts"));
  dragOverview(byId("overview"));
  listenToKeys();
  const on = (id, act) => byId(id).addEventListener("click", act);
  const copyOf = (id, text) => on(id, async () => {
    try { await navigator.clipboard.writeText(text()); } catch { const area = document.createElement("textarea"); area.value = text(); document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); }
    byId(id).textContent = "Copied"; setTimeout(() => { byId(id).textContent = "Copy"; }, 1200);
  });
  copyOf("copy", () => model.d.Again);
  copyOf("copy-scenario", () => model.d.Scenario);
  on("show-scenario", () => byId("scenario").showModal());
  on("show-help", () => byId("help").showModal());
  on("theme", () => { toggleTheme(); redraw(); });
  on("go-violation", goToViolation);
  on("zoom-all", () => glideTo(0, model.end));
  on("zoom-in", () => zoomAt(middle(), 1 / 2));
  on("zoom-out", () => zoomAt(middle(), 2));
  byId("kinds").addEventListener("click", (e) => {
    const button = e.target.closest("button");
    if (!button) return;
    const kind = +button.dataset.kind, off = view.kinds.has(kind);
    if (off) view.kinds.delete(kind); else view.kinds.add(kind);
    button.setAttribute("aria-pressed", String(!off));
    redraw();
  });
  byId("problems").addEventListener("change", (e) => { view.problems = e.target.checked; redraw(); });
  byId("hosts").addEventListener("input", (e) => {
    const chosen = chooseHosts(model, e.target.value);
    e.target.classList.toggle("bad", !chosen || !chosen.length);
    if (chosen && chosen.length) { view.hosts = chosen; view.scroll = 0; redraw(); }
  });
  byId("hosts").addEventListener("keydown", (e) => { if (e.key === "Escape") { e.target.value = ""; e.target.dispatchEvent(new Event("input")); byId("lanes").focus(); } });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readPalette(); redraw(); });
  document.addEventListener("click", follow);
  new ResizeObserver(redraw).observe(byId("stage"));
}

async function start() {
  readPalette();
  try {
    model = makeModel(await unpack("data"));
  } catch (err) {
    byId("loading").textContent = "This page cannot be shown: " + err.message;
    throw err;
  }
  byId("loading").remove();
  view.hosts = model.hosts.map((_, i) => i + 1);
  if (model.d.Focus.Host) view.pinned = [model.d.Focus.Host];
  fillHeader(model.d);
  fillHelp();
  listen();
  view.t0 = 0; view.t1 = model.end * 1.01;
  tellStoryOf(model.d.Focus.Host, model.d.Focus.Rollout);
  draw(); // once, so that sizes are known
  const unmet = (model.d.Unmet || []).find((u) => u.At >= 0);
  if (!model.d.Broken && unmet) goToUnmet(unmet);
  else if (model.d.Broken) {
    goToViolation();
    view.step = violationStep(model);
    const named = /\bm(\d+)\b/.exec(model.d.Broken.Detail);
    view.message = named && model.byId.get(+named[1]) || model.byId.get(view.step.message) || null;
    showStep(); markStory();
  } else setRange(0, model.end);
  // For whoever looks at the page from outside: a test, or the console.
  window.picture = { view, model, get targets() { return targets; }, get place() { return place; }, selectNumber, setRange, glideTo, storyOf, ready: true };
}

start();
