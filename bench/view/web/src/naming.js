// What things are called, and facts about them.

import { bandwidthOf, kindOf, latencyOf } from "./model.js";
import { linesAt } from "./scene.js";

export function linkName(model, e) {
  const { src, dst, plane } = model.links;
  return `${model.names[src[e]]}->${model.names[dst[e]]} (${model.planes[plane[e]].name})`;
}

/** The name of a place of a level: a vertex, a group or a rack. */
export function placeName(scene, level, place) {
  const { model } = scene;
  if (level === "link") return model.names[place];
  const groups = model.groups.names.length;
  return place < groups ? model.groups.names[place] : `rack ${place - groups}`;
}

export function lineName(scene, level, i) {
  const lines = linesAt(scene, level);
  return `${placeName(scene, level, lines.a[i])} ↔ ${placeName(scene, level, lines.b[i])}`;
}

/** Many names as one pattern, as topology.routes writes it: "node0.l1.*". */
export function pattern(names) {
  let low = names[0];
  let high = names[0];
  for (const name of names) {
    if (name < low) low = name;
    if (name > high) high = name;
  }
  if (low === high) return low;
  let same = 0;
  while (low[same] === high[same]) same++;
  return `${low.slice(0, same)}*`;
}

export function bundleName(model, links) {
  if (links.length === 1) return linkName(model, links[0]);
  const ends = (column) => pattern(links.map((e) => model.names[model.links[column][e]]));
  return `${ends("src")}->${ends("dst")}`;
}

/** The texts of where a link's numbers come from. */
export function sourcesOf(model, e) {
  const { src, dst, plane } = model.links;
  const kinds = [kindOf(model, src[e]), kindOf(model, dst[e])];
  const values = { bandwidth: bandwidthOf(model, e), latency: latencyOf(model, e) };
  return model.sources
    .filter(
      (source) =>
        source.plane === plane[e] &&
        (source.kind === "" || kinds.includes(source.kind)) &&
        Math.abs(source.value - values[source.quantity]) <= 1e-9 * source.value,
    )
    .map((source) => ({ quantity: source.quantity, text: source.text }));
}

export const KIND_NAMES = {
  die: "NPU die",
  cpu: "CPU socket",
  gpu: "GPU",
  host: "host",
  l1: "L1 UB switch chip",
  l2: "L2 UB switch chip",
  qingtian: "Qingtian card",
  nvswitch: "NVSwitch",
};

export function kindName(kind) {
  return KIND_NAMES[kind] || kind;
}
