// One run to be drawn: its topology, its traffic, and its lines at each level of detail.

import { makeLines, resourcesOf } from "./lines.js";

export const LEVELS = ["rack", "node", "link"];
export const CHIPS = 42; // pixels: a node that is narrower is drawn without its chips
const LINKS = 190; // pixels: a node that is wider is drawn with every link
const FEW = 3000; // links that are always drawn one by one
const FEW_IN_TIERS = 300;

/** What is drawn of one run: its model, layout (put in by the map), and the lines of each level. */
export function makeScene(model, traffic) {
  return { model, traffic, layout: null, levels: {}, resources: {}, cache: {} };
}

/** Have a scene drawn by another layout. */
export function layScene(scene, layout) {
  if (scene.layout === layout) return;
  Object.assign(scene, { layout, levels: {}, resources: {}, cache: {} });
}

/** The level that suits a scale in pixels a unit; small topologies always show every link. */
export function levelAt(scene, scale) {
  const { model, layout } = scene;
  if (model.linkCount <= (layout.tiers ? FEW_IN_TIERS : FEW)) return "link";
  const node = layout.groups.find((g, i) => g && model.groups.kinds[i] === "node");
  const width = (node ? node.w : 100) * scale;
  if (model.racks.length && width < CHIPS && !layout.tiers) return "rack";
  return width < LINKS ? "node" : "link";
}

export function linesAt(scene, level) {
  if (!scene.levels[level]) {
    const { model } = scene;
    const { place, places, anchor } = placesAt(scene, level);
    const ends = level === "node" ? scene.layout.ends : null;
    const lines = makeLines(model, place, places, (p) => ends && model.groups.kinds[p] === "node");
    lines.source = new Float32Array(2 * lines.count);
    lines.target = new Float32Array(2 * lines.count);
    for (let i = 0; i < lines.count; i++) {
      if (ends) {
        const [source, target] = ends(lines.a[i], lines.b[i], lines.plane[i]);
        lines.source.set(source, 2 * i);
        lines.target.set(target, 2 * i);
        continue;
      }
      const shift = level === "link" ? 0 : (lines.plane[i] - (model.planes.length - 1) / 2) * 5;
      const [ax, ay] = anchor(lines.a[i]);
      const [bx, by] = anchor(lines.b[i]);
      lines.source.set([ax + shift, ay], 2 * i);
      lines.target.set([bx + shift, by], 2 * i);
    }
    scene.levels[level] = lines;
  }
  return scene.levels[level];
}

/** For each vertex the place that it stands for at a level, and where lines meet a place. */
function placesAt(scene, level) {
  const { model, layout } = scene;
  if (level === "link") {
    const place = Uint32Array.from({ length: model.size }, (_, v) => v);
    const anchor = (v) => [layout.position[2 * v], layout.position[2 * v + 1]];
    return { place, places: model.size, anchor };
  }
  const count = model.groups.names.length;
  const racked = level === "rack" && model.racks.length > 0;
  const place = Uint32Array.from(model.group, (g) =>
    racked && model.groups.rack[g] >= 0 ? count + model.groups.rack[g] : g,
  );
  const boxes = new Map(layout.racks.map((rack) => [count + rack.id, rack]));
  const strip = layout.groups.filter((g, i) => model.groups.kinds[i] === "switches");
  const middle = strip.reduce((sum, g) => sum + g.y + g.h / 2, 0) / Math.max(1, strip.length);
  const anchor = (p) => {
    const box = boxes.get(p) || layout.groups[p];
    const x = box.x + box.w / 2;
    if (!strip.length || strip.includes(box)) return [x, box.y + box.h / 2];
    return [x, box.y + box.h / 2 < middle ? box.y + box.h : box.y];
  };
  return { place, places: count + Math.max(0, ...model.racks) + 1, anchor };
}

export function resourcesAt(scene, level) {
  if (!scene.resources[level]) scene.resources[level] = resourcesOf(linesAt(scene, level), scene.traffic);
  return scene.resources[level];
}
