// What a page shows as text, measured: the tests load this before the page's
// own script. On a canvas it notes every text with its box, its clip and what
// is painted over it later; in the document it asks for the boxes of text.
(() => {
  const inked = new Map(); // by the id of a canvas
  const proto = CanvasRenderingContext2D.prototype;
  const of = (ctx) => {
    if (!ctx.canvas.id) return null;
    if (!inked.has(ctx.canvas.id)) inked.set(ctx.canvas.id, { texts: [], clips: [], clip: null, rect: null });
    return inked.get(ctx.canvas.id);
  };
  const around = (name, before) => {
    const original = proto[name];
    proto[name] = function (...args) { const c = of(this); if (c) before(c, this, ...args); return original.apply(this, args); };
  };
  const cut = (a, b) => !a ? b : { x0: Math.max(a.x0, b.x0), y0: Math.max(a.y0, b.y0), x1: Math.min(a.x1, b.x1), y1: Math.min(a.y1, b.y1) };
  const shared = (a, b) => Math.max(0, Math.min(a.x1, b.x1) - Math.max(a.x0, b.x0)) * Math.max(0, Math.min(a.y1, b.y1) - Math.max(a.y0, b.y0));
  const area = (a) => (a.x1 - a.x0) * (a.y1 - a.y0);

  around("clearRect", (c, ctx, x, y, w, h) => { if (w >= ctx.canvas.clientWidth) { c.texts = []; c.clips = []; c.clip = null; } });
  around("save", (c) => c.clips.push(c.clip));
  around("restore", (c) => { c.clip = c.clips.length ? c.clips.pop() : null; });
  around("beginPath", (c) => { c.rect = null; });
  around("rect", (c, ctx, x, y, w, h) => { c.rect = { x0: x, y0: y, x1: x + w, y1: y + h }; });
  around("clip", (c) => { if (c.rect) c.clip = cut(c.clip, c.rect); });
  around("fillText", (c, ctx, text, x, y) => {
    const m = ctx.measureText(text);
    const box = { x0: x - m.actualBoundingBoxLeft, x1: x + m.actualBoundingBoxRight, y0: y - m.actualBoundingBoxAscent, y1: y + m.actualBoundingBoxDescent };
    c.texts.push({ text: String(text), box, clip: c.clip, colour: String(ctx.fillStyle), font: ctx.font, covers: [] });
  });
  around("fillRect", (c, ctx, x, y, w, h) => {
    if (typeof ctx.fillStyle !== "string" || ctx.globalAlpha < 0.5 || w < 3 || h < 3) return;
    const alpha = /rgba\(.*, ?([\d.]+)\)/.exec(ctx.fillStyle);
    if (alpha && +alpha[1] < 0.5) return;
    const r = cut(c.clip, { x0: x, y0: y, x1: x + w, y1: y + h });
    for (const t of c.texts) if (shared(t.box, r) > 0.04 * area(t.box)) t.covers.push(r);
  });

  const rgb = (text) => {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    probe.clearRect(0, 0, 1, 1); probe.fillStyle = text; probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const luminance = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  // contrast is that of WCAG 2: from 1 to 21.
  const contrast = (a, b) => { const x = luminance(a), y = luminance(b); return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);

  // canvasTexts lists what is on the canvases, each text with what is wrong.
  function canvasTexts() {
    const list = [];
    for (const [id, c] of inked) {
      const canvas = document.getElementById(id);
      if (!canvas) continue;
      const ratio = canvas.width / canvas.clientWidth, all = { x0: 0, y0: 0, x1: canvas.clientWidth, y1: canvas.clientHeight };
      const shot = document.createElement("canvas"); shot.width = canvas.width; shot.height = canvas.height;
      const pixels = shot.getContext("2d", { willReadFrequently: true });
      pixels.fillStyle = getComputedStyle(document.body).backgroundColor; pixels.fillRect(0, 0, shot.width, shot.height);
      pixels.drawImage(canvas, 0, 0);
      c.texts.forEach((t, i) => {
        if (!t.text.trim()) return;
        const seen = cut(t.clip, all), wrong = [];
        if (area(t.box) > shared(t.box, seen) + 0.03 * area(t.box) + 1) wrong.push("is clipped");
        if (t.covers.length) wrong.push("is painted over");
        c.texts.forEach((o, k) => { if (k < i && shared(t.box, o.box) > 2) wrong.push(`overlaps ${JSON.stringify(o.text)}`); });
        const x = Math.max(0, Math.round(t.box.x0 * ratio) - 1), y = Math.max(0, Math.round(t.box.y0 * ratio)), w = Math.round((t.box.x1 - t.box.x0) * ratio) + 2, h = Math.max(1, Math.round((t.box.y1 - t.box.y0) * ratio));
        const data = pixels.getImageData(x, y, w, h).data, counts = new Map();
        for (let p = 0; p < data.length; p += 4) { const key = (data[p] >> 2) + "," + (data[p + 1] >> 2) + "," + (data[p + 2] >> 2); const n = counts.get(key) || { n: 0, at: p }; n.n++; counts.set(key, n); }
        const ink = rgb(t.colour);
        const ground = [...counts.values()].map((v) => ({ n: v.n, rgb: [data[v.at], data[v.at + 1], data[v.at + 2]] })).filter((v) => contrast(v.rgb, ink) > 1.3 || v.n > data.length / 8).sort((a, b) => b.n - a.n)[0];
        const ratioOf = ground ? contrast(ink, ground.rgb) : 1;
        if (ratioOf < 4.5) wrong.push(`has a contrast of ${ratioOf.toFixed(1)}`);
        list.push({ where: id, text: t.text, wrong, box: t.box });
      });
    }
    return list;
  }

  function groundOf(e) {
    const layers = [];
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  }

  // documentTexts lists the texts of the document that are to be seen.
  function documentTexts() {
    const list = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode, e = node.parentElement;
      if (!node.data.trim() || !e || /^(SCRIPT|STYLE|NOSCRIPT|OPTION)$/.test(e.tagName) || !e.checkVisibility({ visibilityProperty: true })) continue;
      const range = document.createRange(); range.selectNodeContents(node);
      const wrong = [], boxes = [];
      for (const r of range.getClientRects()) {
        if (r.width < 1 || r.height < 1) continue;
        let box = { x0: r.left, y0: r.top, x1: r.right, y1: r.bottom };
        if (box.x0 < -1 || box.x1 > innerWidth + 1) wrong.push("leaves the window");
        for (let a = e; a && a !== document.body; a = a.parentElement) {
          const s = getComputedStyle(a), b = a.getBoundingClientRect();
          if (s.overflowX === "visible" && s.overflowY === "visible") continue;
          if (box.x0 < b.left - 1 || box.x1 > b.right + 1) wrong.push("is cut off at the side");
          if (!/auto|scroll/.test(s.overflowY) && (box.y0 < b.top - 1 || box.y1 > b.bottom + 1)) wrong.push("is cut off at its top or bottom");
          box = cut(box, { x0: b.left, y0: b.top, x1: b.right, y1: b.bottom });
        }
        if (box.x1 - box.x0 > 1 && box.y1 - box.y0 > 1) boxes.push(box);
      }
      if (!boxes.length && !wrong.length) continue;
      const s = getComputedStyle(e), ground = groundOf(e), ratio = contrast(over(rgb(s.color), ground), ground);
      if (ratio < 4.5) wrong.push(`has a contrast of ${ratio.toFixed(1)}`);
      list.push({ where: e.id || e.className || e.tagName, text: node.data.trim(), wrong: [...new Set(wrong)], boxes, node });
    }
    list.forEach((t, i) => list.forEach((o, k) => {
      // The lines of a text may touch; letters of two texts may not lie on each other.
      if (k < i && t.boxes.some((a) => o.boxes.some((b) => Math.min(a.x1, b.x1) - Math.max(a.x0, b.x0) > 2 && Math.min(a.y1, b.y1) - Math.max(a.y0, b.y0) > 5))) t.wrong.push(`overlaps ${JSON.stringify(o.text)}`);
    }));
    return list.map(({ where, text, wrong }) => ({ where, text, wrong }));
  }

  // opened is the range that a page shows when its script is done.
  let page;
  Object.defineProperty(window, "picture", {
    get: () => page,
    set: (p) => { page = p; window.measure.opened = [p.view.t0, p.view.t1]; },
  });

  const complaints = (list) => list.filter((t) => t.wrong.length).map((t) => `${t.where}: ${JSON.stringify(t.text)} ${t.wrong.join(", ")}`);
  window.measure = {
    canvasTexts, documentTexts,
    complaints: () => [...complaints(canvasTexts()), ...complaints(documentTexts())],
  };
})();
