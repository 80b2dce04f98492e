// Light and dark: the system's choice, until somebody makes another.

const palette = {};

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["bg", "raised", "lane", "line", "grid", "fg", "muted", "faint", "accent", "focus", "focus-edge", "bad", "good", "warn", "state-ink",
    "refused", "lost", "late", "error", "replay", "band", "band-lane", "band-edge", "band-fg", "act", "act-bg", "down", "shade", "brush", "beats", "others"]) {
    palette[name] = style.getPropertyValue("--" + name).trim();
  }
  palette.state = [""], palette.kind = [""], palette.reason = [];
  for (let i = 1; i <= 7; i++) palette.state.push(style.getPropertyValue("--state-" + i).trim());
  for (let i = 1; i <= 5; i++) palette.kind.push(style.getPropertyValue("--kind-" + i).trim());
  for (let i = 0; i < reasonLetters.length; i++) palette.reason.push(style.getPropertyValue("--reason-" + i).trim());
  patterns.clear();
}

const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

function toggleTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  readPalette();
}

// pattern returns a fill of slanted lines, for what must not be told by colour
// alone.
const patterns = new Map();
function pattern(ctx, colour, kind) {
  const key = colour + kind;
  let made = patterns.get(key);
  if (!made) {
    const tile = document.createElement("canvas"), size = 8;
    tile.width = tile.height = size;
    const t = tile.getContext("2d");
    t.strokeStyle = colour; t.lineWidth = 1.5;
    t.beginPath();
    for (const shift of [-size, 0, size]) {
      if (kind !== "back") { t.moveTo(shift, size); t.lineTo(shift + size, 0); }
      if (kind !== "slant") { t.moveTo(shift, 0); t.lineTo(shift + size, size); }
    }
    t.stroke();
    made = ctx.createPattern(tile, "repeat");
    patterns.set(key, made);
  }
  return made;
}
