// The page with two runs: their lines side by side, and the record that a line
// is about in both.

const byId = (id) => document.getElementById(id);
let diff, models, chosen = null;

const isDifference = (row) => row.Sign !== " ";

// words marks the words of a text that the other one does not have at the same
// place.
function words(text, other) {
  if (other === null) return escape(text);
  const mine = text.split(/(\s+)/), theirs = other.split(/(\s+)/);
  return mine.map((word, i) => word.trim() && word !== theirs[i] ? `<mark>${escape(word)}</mark>` : escape(word)).join("");
}

function cells(side, cell, other, sign) {
  if (!cell) return `<td class="n ${side}"></td><td class="t ${side}"></td><td class="w ${side}"></td><td class="${side}"></td>`;
  const time = seconds(cell.At), text = sign === "|" ? words(cell.Text, other ? other.Text : null) : escape(cell.Text);
  return `<td class="n ${side}">${cell.Step}</td><td class="t ${side}" title="${clock(cell.At, 9)}">${sign === "|" && other && other.At !== cell.At ? `<mark>${time}</mark>` : time}</td><td class="w ${side}">${escape(cell.Where)}</td><td class="${side}">${text}</td>`;
}

function showRows() {
  const filter = byId("filter").value.trim().toLowerCase(), only = byId("only").checked;
  const has = (cell) => cell && (cell.Where + " " + cell.Text).toLowerCase().includes(filter);
  let html = '<table class="lines mono"><tbody><tr class="thead"><td class="n">step a</td><td class="t">time, s</td><td class="w"></td><td>a</td><td class="sign"></td><td class="n">step b</td><td class="t">time, s</td><td class="w"></td><td>b</td></tr>';
  let first = true, count = 0;
  diff.Rows.forEach((row, i) => {
    if (only && !isDifference(row) || filter && !has(row.A) && !has(row.B)) return;
    const step = Math.max(row.A ? row.A.Step : 0, row.B ? row.B.Step : 0);
    let look = { " ": "", "|": "changed", "<": "left", ">": "right" }[row.Sign];
    if (first && step >= diff.Step) { look += " first"; first = false; }
    html += `<tr class="${look}${row === chosen ? " chosen" : ""}" data-row="${i}">${cells("a", row.A, row.B, row.Sign)}<td class="sign" aria-label="${{ " ": "same", "|": "differ", "<": "only in a", ">": "only in b" }[row.Sign]}">${escape(row.Sign)}</td>${cells("b", row.B, row.A, row.Sign)}</tr>`;
    count++;
  });
  byId("rows").innerHTML = count ? html + "</tbody></table>" : '<p class="loading">No line is like that.</p>';
}

function choose(i) {
  chosen = diff.Rows[i];
  for (const tr of byId("rows").querySelectorAll("tr[data-row]")) tr.classList.toggle("chosen", +tr.dataset.row === i);
  byId("rows").querySelector(`tr[data-row="${i}"]`)?.scrollIntoView({ block: "nearest" });
  let html = "";
  const host = chosen.A && chosen.A.Host || chosen.B && chosen.B.Host;
  ["A", "B"].forEach((name, k) => {
    const cell = chosen[name], other = chosen[name === "A" ? "B" : "A"], model = models[k];
    // A side without the line shows its records at that time.
    const step = cell ? cell.Step : stepBefore(model, other.At);
    html += `<h3><b>${name.toLowerCase()}</b> ${cell ? `step ${cell.Step}` : `at ${seconds(other.At)} s`}</h3>`;
    const records = host ? model.recordsOf[host] || [] : [];
    html += records.length ? records.map((r) => recordTable(model, r, step)).join("") : `<p class="hint">${host ? "No record of " + escape(hostName(model, host)) + " yet." : "This line is about no single host."}</p>`;
  });
  byId("step-title").innerHTML = `Records <small>${host ? "of " + escape(hostName(models[0], Math.min(host, models[0].hosts.length))) : ""}</small>`;
  byId("step").innerHTML = html;
}

// stepBefore is the last step of a side's versions that is not after an
// instant.
function stepBefore(model, at) {
  let step = 0;
  for (const records of model.recordsOf) for (const r of records) for (const v of [...r.plane, ...r.agent]) if (v[1] <= at && v[0] > step) step = v[0];
  return step;
}

// go chooses the next difference, or the one before.
function go(by) {
  const shownRows = [...byId("rows").querySelectorAll("tr[data-row]")].map((tr) => +tr.dataset.row).filter((i) => isDifference(diff.Rows[i]));
  const now = chosen ? diff.Rows.indexOf(chosen) : -1;
  const next = by > 0 ? shownRows.find((i) => i > now) : shownRows.findLast((i) => i < now);
  if (next !== undefined) choose(next);
}

function fillSides() {
  const verdict = byId("verdict");
  verdict.className = "verdict " + (diff.Step ? "violation" : "passed");
  verdict.textContent = diff.Step ? "≠ DIFFER" : "= SAME";
  const changed = diff.Scenario.filter(([side]) => side !== " ").length;
  byId("summary").innerHTML = (diff.Step ? `The runs part at <b>step ${diff.Step}</b>; the ${diff.Same} steps before it are the same.` : `All ${diff.Same} steps are the same, and so is the hash.`) +
    `<br><span class="rule">${changed ? changed + " lines of the scenarios differ." : "The scenarios are the same."}</span>`;
  byId("sides").innerHTML = diff.Sides.map((s, k) => `<div><h2><i>${"ab"[k]}</i> ${escape(s.Name)}</h2><p class="${s.Verdict}">${verdictIcons[s.Verdict]} ${escape(s.Ending)}</p>${s.What ? `<p>step ${diff.Step}: ${escape(s.What)}</p>` : ""}<p class="muted mono">${escape(s.Document.Again)}</p></div>`).join("");
  byId("scenario-lines").innerHTML = diff.Scenario.map(([side, text]) => `<span class="${{ "-": "removed", "+": "added", " ": "" }[side]}">${side} ${escape(text)}</span>`).join("\n");
  byId("scenario").open = changed > 0 && changed < 12;
}

async function start() {
  readPalette();
  try { diff = await unpack("data"); } catch (err) { byId("loading").textContent = "This page cannot be shown: " + err.message; throw err; }
  diff.Rows ||= [];
  models = diff.Sides.map((s) => makeModel(s.Document));
  fillSides();
  showRows();
  byId("filter").addEventListener("input", showRows);
  byId("only").addEventListener("change", showRows);
  byId("theme").addEventListener("click", toggleTheme);
  byId("next").addEventListener("click", () => go(1));
  byId("previous").addEventListener("click", () => go(-1));
  byId("rows").addEventListener("click", (e) => { const tr = e.target.closest("tr[data-row]"); if (tr) choose(+tr.dataset.row); });
  document.addEventListener("keydown", (e) => {
    if (e.target.tagName === "INPUT" || e.ctrlKey || e.metaKey || e.altKey) return;
    const act = { n: () => go(1), p: () => go(-1), t: toggleTheme, "/": () => byId("filter").focus() }[e.key];
    if (act) { e.preventDefault(); act(); }
  });
  const host = (row) => row.A && row.A.Host || row.B && row.B.Host;
  const first = Math.max(diff.Rows.findIndex((row) => isDifference(row)), diff.Rows.findIndex((row) => isDifference(row) && host(row)));
  if (first >= 0) choose(first);
  window.difference = { diff, models, choose, ready: true };
}

start();
