// What is drawn as one line: all links of a plane between two places, both ways together.

import { bandwidthOf } from "./model.js";

/**
 * Lines at a level of detail. `place[v]` is the number of the box or chip that v stands for there;
 * links inside one place are drawn as a line where `inside` says so of the place.
 */
export function makeLines(model, place, places, inside = () => false) {
  const { src, dst, plane, gone } = model.links;
  const planes = model.planes.length;
  const number = new Map();
  const of = new Int32Array(model.linkCount).fill(-1);
  const a = [];
  const b = [];
  const lines = { plane: [], links: [], bandwidth: [], gone: [] };
  for (let e = 0; e < model.linkCount; e++) {
    const from = place[src[e]];
    const to = place[dst[e]];
    if (from === to && !inside(from)) continue;
    const key = (Math.min(from, to) * places + Math.max(from, to)) * planes + plane[e];
    let line = number.get(key);
    if (line === undefined) {
      line = a.length;
      number.set(key, line);
      a.push(Math.min(from, to));
      b.push(Math.max(from, to));
      lines.plane.push(plane[e]);
      lines.links.push(0);
      lines.bandwidth.push(0);
      lines.gone.push(0);
    }
    of[e] = line;
    lines.links[line]++;
    if (gone[e]) lines.gone[line]++;
    else lines.bandwidth[line] += bandwidthOf(model, e);
  }
  const count = a.length;
  return {
    count,
    a: Uint32Array.from(a),
    b: Uint32Array.from(b),
    plane: Uint8Array.from(lines.plane),
    links: Uint32Array.from(lines.links),
    gone: Uint32Array.from(lines.gone),
    bandwidth: Float64Array.from(lines.bandwidth), // both ways together
    of,
    members: membersOf(of, count),
  };
}

function membersOf(of, count) {
  const begin = new Uint32Array(count + 1);
  for (const line of of) if (line >= 0) begin[line + 1]++;
  for (let i = 0; i < count; i++) begin[i + 1] += begin[i];
  const at = begin.slice();
  const list = new Uint32Array(begin[count]);
  of.forEach((line, e) => {
    if (line >= 0) list[at[line]++] = e;
  });
  return { begin, list };
}

/** The distinct resources of a run's traffic under each line, for a quick look in every frame. */
export function resourcesOf(lines, traffic) {
  const begin = new Uint32Array(lines.count + 1);
  const list = [];
  for (let i = 0; i < lines.count; i++) {
    const seen = new Set();
    for (let k = lines.members.begin[i]; k < lines.members.begin[i + 1]; k++) {
      const r = traffic.resource[lines.members.list[k]];
      if (r > 0) seen.add(r - 1);
    }
    list.push(...seen);
    begin[i + 1] = list.length;
  }
  return { begin, list: Uint32Array.from(list) };
}
