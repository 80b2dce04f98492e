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
  byId("go-violation").hidden = !d.Broken && !(d.Unmet || []).length;
  if (!d.Broken) byId("go-violation").textContent = "Unmet";
  byId("legend").innerHTML = legendOf(d);
  byId("kinds").innerHTML = kindWords.slice(1).map((word, i) => model.messages.some((m) => m.kind === i + 1) ? `<button data-kind="${i + 1}" aria-pressed="true"><i style="color:var(--kind-${i + 1});border-top-style:${["solid", "solid", "dashed", "dashed", "dotted"][i]};border-top-width:${i === 1 ? 3 : 2}px"></i>${word}</button>` : "").join("");
  if (d.Omitted) {
    const p = document.createElement("p");
    p.className = "notice"; p.style.margin = 0;
    const gone = [[d.Omitted.Messages, "messages"], [d.Omitted.Steps, "steps"]].filter(([n]) => n).map(([n, what]) => n.toLocaleString("en") + " " + what);
    p.textContent = `To keep the page small, ${gone.join(" and ")} from before ${clock(d.Omitted.Before, 0)} are left out, routine ones first. Charts, states and faults are whole.`;
    byId("legend").after(p);
  }
}

// legendOf says what colours and signs mean, as far as they are not named where
// they are.
function legendOf(d) {
  const group = (name, items) => `<span class="group"><b>${name}</b>${items.join("")}</span>`;
  const item = (sign, text, title) => `<span title="${title || ""}">${sign}${text}</span>`;
  const sign = (look) => `<b class="sign ${look}">${icons[look]}</b>`;
  return group("State", d.States.map((s, i) => item(`<i style="background:var(--state-${i + 1})">${s[0]}</i>`, s))) +
    group("Lane", [item('<i class="bars"></i>', "upper bar: agent, lower: plane"), item('<i class="switching"></i>', "switching"), item('<i class="crossed"></i>', "process down"), item('<i class="silent"></i>', "unreachable")]) +
    group("Message", [item("<b>→</b>", "answered"), item(sign("refused"), "503"), item(sign("lost"), "lost"), item(sign("late"), "late reply", "the reducer finished after the deadline"), item(sign("replay"), "Replay-From"), item(sign("error"), "refused")]) +
    group("503", d.Series.Reasons.map((r, i) => item(`<i style="background:var(--reason-${i})">${reasonLetters[i]}</i>`, r))) +
    group("Inbox", [item('<i class="others"></i>', "other requests"), item('<i class="beats"></i>', "heartbeats")]);
}

// summaryOf says in a few lines why a run passed or did not.
function summaryOf(d) {
  const lines = [], broken = d.Broken;
  if (d.Verdict === "unmet") lines.push(`<b>${escape(d.Headline[1])}</b>`);
  if (broken) {
    lines.push(`${broken.Expected ? `<b>As expected</b>, ${escape(broken.Checker)} is violated at ` : ""}<b>step ${broken.Step}, ${clock(broken.At, 6)}</b>: ${linked(broken.Detail)}`);
    if (broken.Expected) lines.push(`<span class="rule">The scenario has <code>expect violation ${escape(broken.Checker)}</code>: it passes as long as the rule is broken.</span>`);
    if (broken.Rule) lines.push(`<span class="rule">Rule ${escape(broken.Checker)}: ${escape(broken.Rule)}.</span>`);
  } else if (d.Verdict === "passed") lines.push(`No rule was violated${d.Expectations ? `, ${d.Expectations === 1 ? "the expectation is met" : `all ${d.Expectations} expectations are met`}` : ""}; ${escape(d.Headline[1])}.`);
  else if (d.Verdict === "stopped") lines.push(`The run was stopped ${escape(d.Headline[1])}.`);
  for (const [i, u] of (d.Unmet || []).entries()) lines.push(`<span class="bad">✕</span> <a href="#unmet${i}" data-unmet="${i}"><code>${escape(u.Expect)}</code></a>${u.Line ? ` (line ${u.Line})` : ""}: saw ${linked(u.Saw)}`);
  return lines;
}

function fillHelp() {
  const rows = [
    ["h", "Lanes"], ["rail", "The thin line on top of a lane: requests start there, answers come back to it."], ["upper bar", "The state of the host's newest rollout, as its agent knows it. Slanted: a switch is running."], ["lower bar", "What the plane believes of the same. Dashed red: the plane takes the host for unreachable."],
    ["crossed", "The process is down."], ["strips", "With many hosts a lane is one strip of the agent's state; marked hosts are drawn in full on top. Alt and wheel makes lanes taller."],
    ["h", "Messages"], ["→", "Answered."], ["■ n s c d t w b", "503: not_started, saturated, closed, dropped_reply, timeout, store_unavailable (it cannot write), over_budget."], ["✕", "Lost: request or answer, where the line is cut. A ring marks when the sender gave up."], ["◷", "Late: the reducer was done after the deadline; nothing of it was delivered."], ["↺", "Answered with Replay-From."], ["▲", "Refused for another reason."],
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
  on("go-violation", showViolation);
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
  new ResizeObserver(() => { redraw(); revealStory(); }).observe(byId("stage"));
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
  showViolation();
  // For whoever looks at the page from outside: a test, or the console.
  window.picture = { view, model, get targets() { return targets; }, get place() { return place; }, get flags() { return flags; }, selectNumber, setRange, glideTo, storyOf, ready: true };
}

start();
