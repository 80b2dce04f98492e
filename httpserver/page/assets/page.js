// The live page: it replaces the parts that the server says have changed. Without
// this script the page is whole, and is loaded again every five seconds.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const connection = byId("connection"), connected = byId("connected"), pause = byId("pause");
  const parts = ["asof", "summary", "fleet", "plane", "rollouts", "slow", "silent", "quarantine"];
  let version = document.body.dataset.version, paused = false, stream = null, again = 0;

  const say = (text, state) => {
    if (connected.textContent !== text) connected.textContent = text;
    connection.dataset.state = state;
  };

  // morph makes an element look like another and keeps its nodes, so that focus,
  // selection and what is folded open stay.
  function morph(from, to) {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || (from.dataset && from.dataset.key) !== (to.dataset && to.dataset.key)) {
      from.replaceWith(to.cloneNode(true));
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name);
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    morphChildren(from, to);
  }

  function morphChildren(from, to) {
    const have = [...from.childNodes], want = [...to.childNodes];
    want.forEach((node, i) => { if (have[i]) morph(have[i], node); else from.append(node.cloneNode(true)); });
    have.slice(want.length).forEach((node) => node.remove());
  }

  // replace shows a new part. A link that has the focus keeps it, although its row
  // may have moved.
  function replace(id, html) {
    const part = byId(id), fresh = document.createElement("template");
    fresh.innerHTML = html;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const href = focused && focused.getAttribute("href");
    morphChildren(part, fresh.content);
    if (href && focused.getAttribute("href") !== href) {
      const moved = [...part.querySelectorAll("a")].find((a) => a.getAttribute("href") === href);
      if (moved) moved.focus({ preventScroll: true });
    }
  }

  function close() {
    clearTimeout(again);
    if (stream) stream.close();
    stream = null;
  }

  function open() {
    close();
    if (paused || document.hidden) return;
    say("connecting …", "waiting");
    stream = new EventSource("events?since=" + encodeURIComponent(version));
    for (const id of parts) stream.addEventListener(id, (e) => replace(id, e.data));
    stream.addEventListener("version", (e) => { version = e.data; say("live", "live"); });
    stream.addEventListener("open", () => say("live", "live"));
    stream.addEventListener("error", () => {
      say("no connection: the figures are old; trying again", "lost");
      // A refusal ends the stream for good, unlike a connection that broke.
      if (stream && stream.readyState === EventSource.CLOSED) again = setTimeout(open, 10000);
    });
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (paused) { close(); say("paused: the figures are old", "paused"); } else open();
  });
  // A page that is not looked at costs nothing.
  document.addEventListener("visibilitychange", () => { if (!paused) { if (document.hidden) close(); else open(); } });

  connection.hidden = false;
  open();
})();
