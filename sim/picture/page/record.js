// A record before and after a step, at the plane and at the agent.

// recordTable marks what the step changed, and in what plane and agent differ.
function recordTable(model, r, step) {
  const d = model.d, plane = versionsAround(r.plane, step), agent = versionsAround(r.agent, step);
  const value = (v, i) => v && v[2] ? d.Strings[v[3 + i]] || "" : null;
  const cell = (side, i) => {
    const before = value(side.before, i), after = value(side.after, i);
    const text = (x) => x === null ? '<span class="muted">no record</span>' : i === 0 ? stateTag(x) : escape(x || "–");
    if (before === after || before === null && after === "") return { html: `<td>${text(after)}</td>`, changed: false };
    return { html: `<td class="changed">${before === null ? "" : `<s>${text(before)}</s><span class="arrow">→</span>`}${text(after)}</td>`, changed: true };
  };
  const stateTag = (word) => { const i = d.States.indexOf(word.split(" ")[0]); return i < 0 ? escape(word) : `<span class="tag" style="background:var(--state-${i + 1})">${escape(word)}</span>`; };
  let rows = "";
  d.Fields.forEach((name, i) => {
    const p = cell(plane, i), a = cell(agent, i), pv = value(plane.after, i), av = value(agent.after, i);
    if (!pv && !av && !p.changed && !a.changed && i > 0) return;
    const apart = pv !== null && av !== null && pv !== av && i < 5;
    rows += `<tr${apart ? ' class="apart"' : ""}><th scope="row">${name}</th>${p.html}${a.html}</tr>`;
  });
  d.Extras.forEach((name, k) => {
    const a = cell(agent, d.Fields.length + k);
    if (value(agent.after, d.Fields.length + k) || a.changed) rows += `<tr><th scope="row">${name}</th><td></td>${a.html}</tr>`;
  });
  const changed = plane.changed || agent.changed ? "" : " · this step changes nothing of it";
  return `<h3>${escape(r.rollout)} on ${escape(hostName(model, r.host))}${changed}</h3><table><thead><tr><th scope="col"></th><th scope="col">plane</th><th scope="col">agent</th></tr></thead><tbody>${rows}</tbody></table>`;
}
