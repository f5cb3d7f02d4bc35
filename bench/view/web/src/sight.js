// What of a scene can be seen in a window, and what is under a point of it.

import { READABLE } from "./labels.js";
import { CHIPS, linesAt } from "./scene.js";

const MANY = 6000; // vertices; beyond, only what is in sight is drawn in detail

/** What of a scene is in a window onto it: `bounds` in units, `scale` in pixels a unit. */
export function sightOf(scene, bounds, scale) {
  const { model, layout } = scene;
  const node = layout.groups.find((box, g) => box && model.groups.kinds[g] === "node");
  const least = layout.tiers ? CHIPS / 5 : CHIPS;
  const chips = (node ? node.w : 100) * scale >= least || model.size <= 200;
  const big = model.size > MANY;
  const names = 2.6 * scale >= READABLE;
  const inView = (x, y) => x >= bounds.x0 && x <= bounds.x1 && y >= bounds.y0 && y <= bounds.y1;
  const partly = big || names;
  const seen = partly ? groupsIn(layout, bounds) : null;
  const few = !big || seen.size <= 200;
  return {
    chips: chips && few,
    rows: few && (names || (big && chips)),
    big,
    names,
    has: partly ? (g) => seen.has(g) : () => true,
    inView,
    scale,
    key: `${chips} ${names} ${partly ? [...seen].join() : ""}`,
  };
}

function groupsIn(layout, { x0, x1, y0, y1 }) {
  const seen = new Set();
  layout.groups.forEach((box, g) => {
    if (box.x <= x1 && box.x + box.w >= x0 && box.y <= y1 && box.y + box.h >= y0) seen.add(g);
  });
  return seen;
}

/** The vertex, box or line under a point (units); `reach` in units. */
export function pick(scene, level, look, sight, x, y, reach) {
  const { model, layout } = scene;
  if (sight.chips) {
    let best = null;
    let nearest = Infinity;
    for (let v = 0; v < model.size; v++) {
      const dx = Math.abs(layout.position[2 * v] - x);
      const dy = Math.abs(layout.position[2 * v + 1] - y);
      const far = Math.max(dx, dy);
      if (far <= layout.size[v] / 2 + reach / 2 && far < nearest) {
        nearest = far;
        best = v;
      }
    }
    if (best !== null) return { type: "vertex", id: best };
  }
  const line = pickLine(scene, level, look, x, y, reach);
  if (line >= 0) return { type: "line", level, id: line };
  const box = layout.groups.findIndex((g) => g && x >= g.x && x <= g.x + g.w && y >= g.y && y <= g.y + g.h);
  return box >= 0 ? { type: "group", id: box } : null;
}

function pickLine(scene, level, look, x, y, reach) {
  const lines = linesAt(scene, level);
  const { source, target } = lines;
  let best = -1;
  let nearest = reach;
  for (let i = 0; i < lines.count; i++) {
    if (look.hidden.has(lines.plane[i])) continue;
    const ax = source[2 * i];
    const ay = source[2 * i + 1];
    const dx = target[2 * i] - ax;
    const dy = target[2 * i + 1] - ay;
    const t = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
    const far = Math.hypot(ax + t * dx - x, ay + t * dy - y);
    if (far < nearest) {
      nearest = far;
      best = i;
    }
  }
  return best;
}
