// Which names fit where, at a scale.

import { kindOf } from "./model.js";

export const READABLE = 7; // pixels
export const LARGEST = 22; // pixels
const FITS = 5; // letters that a chip has room for

export function labelsOf(scene, sight) {
  const { scale } = sight;
  const labels = [...rackLabels(scene, scale), ...groupLabels(scene, sight)];
  return sight.names ? [...labels, ...chipLabels(scene, sight)] : labels;
}

/** In the rack's head while that can be read, else across the rack. */
function rackLabels(scene, scale) {
  const inHead = 22 * scale >= READABLE;
  return scene.layout.racks.flatMap((rack) => {
    if (scene.layout.tiers) {
      const size = Math.min(rack.w / 4, Math.max(14, 10 / scale));
      return size * scale < READABLE ? [] : [{ text: rack.name, x: rack.x + rack.w / 2, y: rack.title, size, on: "rack" }];
    }
    const size = inHead ? Math.min(22, Math.max(14, 10 / scale)) : Math.min(rack.w / 3.6, 10 / scale);
    if (size * scale < READABLE) return [];
    return [{ text: rack.name, x: rack.x + rack.w / 2, y: inHead ? rack.title : rack.y + rack.h / 2, size, on: "rack" }];
  });
}

function groupLabels(scene, sight) {
  const { model, layout } = scene;
  return layout.groups.flatMap((box, g) => {
    const outer = model.groups.kinds[g] !== "node";
    const size = box.titleSize ? Math.min(box.titleSize, Math.max(13, 11 / sight.scale)) : 13;
    if (size * sight.scale < READABLE || !sight.has(g)) return [];
    const text = shortened(model.groups.names[g], box.w / (0.56 * size));
    return [{ text, x: box.titleX ?? box.x + box.w / 2, y: box.title, size, faint: !outer, on: "node" }];
  });
}

function chipLabels(scene, { has, inView }) {
  const { model, layout } = scene;
  const labels = [];
  for (let v = 0; v < model.size; v++) {
    const x = layout.position[2 * v];
    const y = layout.position[2 * v + 1];
    if (!has(model.group[v]) || !inView(x, y)) continue;
    const text = shortened(model.names[v].split(".").slice(-1)[0], 9);
    const inside = text.length <= FITS && !model.vertexGone[v];
    if (inside) labels.push({ text, x, y, size: 3, on: placeOf(model, v) });
    else labels.push({ text, x, y: y + layout.size[v] / 2 + 2.4, size: 2.6, faint: true, on: "node" });
  }
  return labels;
}

/** What the name inside of a chip stands on. */
function placeOf(model, v) {
  if (v >= model.endpoints) return "chip";
  return kindOf(model, v) === "cpu" ? "cpu" : "die";
}

/** The colour of a name on what it stands on. */
export function labelColour(theme, { on, faint }) {
  if (on === "die") return theme.onDie;
  if (on === "cpu") return theme.onCpu;
  return faint ? theme.faint : theme.text;
}

/** What keeps the lines behind a name away from it: a plate in the colour of its box. */
export function platesOf(labels, on, scale) {
  return labels.flatMap((label) => {
    if (label.on !== on) return [];
    const size = Math.min(label.size, LARGEST / scale);
    const w = (0.56 * [...label.text].length + 0.5) * size;
    return [{ x: label.x - w / 2, y: label.y - 0.55 * size, w, h: 1.1 * size }];
  });
}

function shortened(text, most) {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, Math.max(1, most - 1)).join("")}…`;
}
