// The panel: the story, and the step that was chosen.

const byId = (id) => document.getElementById(id);

// selectStep shows a step, and what it is about.
function selectStep(step, message) {
  if (!step) return;
  view.step = step;
  view.message = message || model.byId.get(step.message) || null;
  if (step.host && step.host !== view.story.host && !message?.keep) tellStoryOf(step.host, "");
  showStep();
  markStory();
  reveal(step.at);
}

// selectNumber shows the step with a number, or the nearest that is kept.
function selectNumber(number, at, host, message) {
  if (model.d.Broken && number === model.d.Broken.Step) return selectStep(violationStep(model), message);
  const step = stepNumbered(model, number) || nearestKept(number, at, host);
  if (step) selectStep(step, message);
}

function nearestKept(number, at, host) {
  const step = nearestStep(model, at, host);
  return step && { ...step, instead: number };
}

// tellStoryOf shows the story of a host and one of its rollouts; the newest, if
// none is named.
function tellStoryOf(host, rollout) {
  const records = host ? model.recordsOf[host] : [];
  if (!rollout || !records.some((r) => r.rollout === rollout)) rollout = records.length ? records.at(-1).rollout : "";
  if (host && model.d.Focus.Host === host && records.some((r) => r.rollout === model.d.Focus.Rollout)) rollout ||= model.d.Focus.Rollout;
  view.story = { host, rollout };
  if (host && !view.pinned.includes(host)) view.pinned = [model.d.Focus.Host, host].filter((h, i, all) => h && all.indexOf(h) === i);
  showStory();
}

function showStory() {
  const { host, rollout } = view.story, list = byId("story"), items = storyOf(model, host, rollout);
  const title = byId("story-title");
  title.innerHTML = `Story <small>of ${host ? escape(hostName(model, host)) : "the plane"}</small>`;
  if (host && model.recordsOf[host].length > 1) {
    const select = document.createElement("select");
    select.ariaLabel = "Rollout";
    for (const r of model.recordsOf[host]) select.add(new Option(r.rollout, r.rollout, false, r.rollout === rollout));
    select.onchange = () => { tellStoryOf(host, select.value); showStep(); redraw(); };
    title.append(select);
  } else if (rollout) title.insertAdjacentHTML("beforeend", `<small>${escape(rollout)}</small>`);
  const zero = model.d.Broken ? model.d.Broken.At : 0, limit = 400, skip = Math.max(0, items.length - limit);
  list.replaceChildren();
  if (skip) { const li = document.createElement("li"); li.className = "more"; li.textContent = `${skip} earlier lines are not shown`; list.append(li); }
  for (const item of items.slice(skip)) {
    const li = document.createElement("li"), button = document.createElement("button");
    button.innerHTML = `<time title="${clock(item.at, 6)}">${model.d.Broken ? relative(item.at - zero) : clock(item.at, 2)}</time><span class="icon ${item.look}" aria-hidden="true">${item.icon}</span>` +
      `<span class="text ${item.look === "muted" || item.look === "bad" ? item.look : ""}">${item.html}${item.count > 1 ? ` <span class="count">× ${item.count}, until ${clock(item.until, 1)}</span>` : ""}</span>`;
    button.onclick = () => {
      if (item.step) selectNumber(item.step, item.at, host, item.message); else selectStep(nearestStep(model, item.at, host) || nearestStep(model, item.at));
      markStory(false, item);
      reveal(item.at);
    };
    li.item = item;
    li.append(button);
    list.append(li);
  }
  markStory(true);
}

const relative = (ns) => ns === 0 ? "0" : (ns < 0 ? "−" : "+") + (Math.abs(ns) < minute ? (Math.abs(ns) / second).toFixed(Math.abs(ns) < 10 * second ? 3 : 1) + " s" : clock(Math.abs(ns), 1));

// markStory marks the line of the step that is chosen, and brings it into
// sight; or the line that was clicked.
function markStory(fresh, line) {
  let now = null;
  for (const li of byId("story").children) {
    const item = li.item;
    if (!item) continue;
    li.className = "";
    if (line) { if (item === line) now = li; continue; }
    if (view.step && !(now && now.item.broken) && (item.step && item.step === view.step.step || item.message && item.message === view.message)) now = li;
    else if (!now && fresh && item.broken) now = li;
  }
  if (!now && view.step) now = [...byId("story").children].filter((li) => li.item && li.item.at <= view.step.at).at(-1);
  if (!now) return;
  now.className = "now";
  revealStory();
}

// revealStory brings the line of the story that is marked into sight.
function revealStory() {
  const box = byId("story"), now = box.querySelector(".now");
  if (!now) return;
  const top = now.offsetTop - box.offsetTop;
  if (top < box.scrollTop || top + now.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight * 0.6;
}

// showStep shows the step that is chosen: its trace, and the record before and
// after it.
function showStep() {
  const step = view.step, box = byId("step"), title = byId("step-title");
  if (!step) return;
  title.innerHTML = `Step ${step.step} <small>${seconds(step.at)} s · ${clock(step.at, 3)} · ${escape(step.what)}</small>`;
  const buttons = document.createElement("span");
  buttons.style.marginLeft = "auto";
  for (const [text, by, hint] of [["‹", -1, "The step before, of the same host ([)"], ["›", 1, "The step after, of the same host (])"]]) {
    const b = document.createElement("button");
    b.textContent = text; b.title = b.ariaLabel = hint; b.onclick = () => walk(by);
    buttons.append(b, " ");
  }
  title.append(buttons);
  let html = "";
  if (step.instead) html += `<p class="hint">Step ${step.instead} has no lines that were kept; this is the nearest that has.</p>`;
  if (view.message) html += `<p><b>m${view.message.id}</b> ${kindWords[view.message.kind]} of ${escape(hostName(model, view.message.host))}: ${escape(view.message.text)}<br><span class="${view.message.look}">${icons[view.message.look]}</span> ${escape(answerText(model.d, view.message))}</p><div class="times">${rowsHtml(timesOf(view.message))}</div>`;
  if (model.d.Broken && step.step === model.d.Broken.Step) html += `<p class="${model.d.Broken.Expected ? "warn" : "bad"}"><b>${model.d.Broken.Expected ? "As expected:" : "✕"} ${escape(model.d.Broken.Checker)}</b> ${linked(model.d.Broken.Detail)}</p>`;
  if (step.lines) html += '<ul class="lines mono">' + step.lines.split("\n").map((line) => {
    const [where, text] = line.split("\t");
    return `<li><span class="where">${escape(where)}</span><span>${linked(text)}</span></li>`;
  }).join("") + "</ul>";
  for (const r of recordsAt(step)) html += recordTable(model, r, step.step);
  box.innerHTML = html;
  box.scrollTop = 0;
}

// linked is a text whose messages and hosts lead to them.
function linked(text) {
  return escape(text).replace(/\bm(\d+)\b/g, (word, id) => model.byId.has(+id) ? `<a href="#m${id}" data-message="${id}">${word}</a>` : word)
    .replace(/\bh(\d+)\b/g, (word, n) => +n >= 1 && +n <= model.hosts.length ? `<a href="#h${n}" data-host="${n}">${word}</a>` : word);
}

// follow goes where a link of a text leads.
function follow(e) {
  const a = e.target.closest("a[data-message], a[data-host], a[data-unmet]");
  if (!a) return;
  e.preventDefault();
  if (a.dataset.unmet) return goToUnmet(model.d.Unmet[+a.dataset.unmet]);
  if (a.dataset.host) { tellStoryOf(+a.dataset.host, ""); return redraw(); }
  const m = model.byId.get(+a.dataset.message);
  selectNumber(m.arrived || m.sent, m.arrivedAt || m.sentAt, m.host, m);
}

// showViolation shows the violation: its time, its host's story, its step and
// the message that it names. Without one it shows an expectation that is not
// met, or the whole run.
function showViolation() {
  const broken = model.d.Broken, unmet = (model.d.Unmet || []).find((u) => u.At >= 0);
  if (!broken && unmet) return goToUnmet(unmet);
  if (!broken) return glideTo(0, model.end);
  tellStoryOf(model.d.Focus.Host, model.d.Focus.Rollout);
  view.step = violationStep(model);
  const named = /\bm(\d+)\b/.exec(broken.Detail);
  view.message = named && model.byId.get(+named[1]) || model.byId.get(view.step.message) || null;
  showStep();
  markStory();
  goToViolation();
}

// goToUnmet shows what an expectation that was not met is about: its host, at
// its instant, or the whole run.
function goToUnmet(unmet) {
  if (unmet.Focus.Host) tellStoryOf(unmet.Focus.Host, unmet.Focus.Rollout);
  if (unmet.At < 0) return glideTo(0, model.end);
  const step = nearestStep(model, unmet.At, unmet.Focus.Host) || nearestStep(model, unmet.At);
  if (step) selectStep(step);
  glideTo(unmet.At - 3 * minute, unmet.At + minute);
}

// recordsAt are the records that a step changed; if it changed none, the one
// that it is about.
function recordsAt(step) {
  const host = step.host || view.story.host, of = host ? model.recordsOf[host] : [];
  const changedBy = (r) => versionsAround(r.plane, step.step).changed || versionsAround(r.agent, step.step).changed;
  const changed = of.filter(changedBy);
  const { Broken: broken, Focus: focus } = model.d;
  if (broken && broken.Step === step.step && focus.Host && focus.Host !== host) changed.unshift(...model.recordsOf[focus.Host].filter((r) => r.rollout === focus.Rollout));
  if (!step.host) for (let h = 1; h < model.recordsOf.length && changed.length < 3; h++) if (h !== host) changed.push(...model.recordsOf[h].filter(changedBy).slice(0, 3 - changed.length));
  if (changed.length) return changed;
  const named = of.find((r) => view.message && r.rollout === view.message.rollout) || of.find((r) => r.rollout === view.story.rollout) || of.at(-1);
  return named ? [named] : [];
}

// walk goes to the next step of the same host, or the one before.
function walk(by) {
  const host = view.story.host, list = host ? model.stepsOf[host] : model.steps;
  if (!list.length) return;
  const now = view.step ? view.step.step : by > 0 ? 0 : Infinity;
  const i = by > 0 ? firstAfter(list, now, (s) => s.step) : firstAfter(list, now - 1, (s) => s.step) - 1;
  if (list[i]) selectStep(list[i]);
}

// walkProblems goes to the next message that went wrong, of any host that is
// shown.
function walkProblems(by) {
  const now = view.message ? view.message.sent : view.step ? view.step.step : by > 0 ? 0 : Infinity;
  const among = new Set(view.hosts);
  const list = model.messages.filter((m) => isProblem(m) && (among.has(m.host) || m.host === 0) && view.kinds.has(m.kind));
  const next = by > 0 ? list.find((m) => m.sent > now) : list.findLast((m) => m.sent < now);
  if (next) selectNumber(next.sent, next.sentAt, next.host, next);
}
