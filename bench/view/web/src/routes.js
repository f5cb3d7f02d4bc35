// Every shortest route between two endpoints on a plane, traffic spread evenly hop by hop: what
// topology.routes calls "spray". Endpoints do not pass traffic on.

import { bandwidthOf, latencyOf } from "./model.js";

/** Hops from every vertex to `end` over the links of a plane that are there; -1: no way. */
function distances(model, plane, end) {
  const { src, gone, plane: planeOf } = model.links;
  const distance = new Int32Array(model.size).fill(-1);
  distance[end] = 0;
  let front = [end];
  while (front.length) {
    const next = [];
    for (const v of front) {
      for (let k = model.into.begin[v]; k < model.into.begin[v + 1]; k++) {
        const e = model.into.list[k];
        const u = src[e];
        if (gone[e] || planeOf[e] !== plane || distance[u] >= 0) continue;
        distance[u] = distance[v] + 1;
        if (u >= model.endpoints) next.push(u);
      }
    }
    front = next;
  }
  return distance;
}

function onward(model, plane, distance, v) {
  const { dst, gone, plane: planeOf } = model.links;
  const found = [];
  for (let k = model.out.begin[v]; k < model.out.begin[v + 1]; k++) {
    const e = model.out.list[k];
    if (gone[e] || planeOf[e] !== plane) continue;
    if (distance[dst[e]] >= 0 && distance[dst[e]] === distance[v] - 1) found.push(e);
  }
  return found;
}

/**
 * The routes from a to b on a plane: null where there are none, else `links` (Map of link to the
 * fraction of the bytes that it carries), `hops`, `latency` (seconds, of the slowest), `count`
 * (routes, parallel links counted apart) and `list` (up to `most` of them, as vertices and weight).
 */
export function routesOn(model, plane, a, b, most = 256) {
  const distance = distances(model, plane, b);
  if (a === b || distance[a] < 0) return null;
  const links = new Map();
  let held = new Map([[a, 1]]);
  let late = new Map([[a, 0]]);
  for (let hop = distance[a]; hop > 0; hop--) {
    const next = new Map();
    const soon = new Map();
    for (const [v, share] of held) {
      const ways = onward(model, plane, distance, v);
      for (const e of ways) {
        const to = model.links.dst[e];
        links.set(e, share / ways.length);
        next.set(to, (next.get(to) || 0) + share / ways.length);
        soon.set(to, Math.max(soon.get(to) || 0, late.get(v) + latencyOf(model, e)));
      }
    }
    held = next;
    late = soon;
  }
  const { count, list } = enumerated(model, plane, distance, a, b, most);
  return { plane, links, hops: distance[a], latency: late.get(b), count, list };
}

/** Parallel links make one entry of the list, with `parallel` saying how many routes it stands for. */
function enumerated(model, plane, distance, a, b, most) {
  const ways = new Map(); // routes onward from a vertex
  const counted = (v) => {
    if (v === b) return 1;
    if (!ways.has(v)) {
      ways.set(v, onward(model, plane, distance, v).reduce((n, e) => n + counted(model.links.dst[e]), 0));
    }
    return ways.get(v);
  };
  const list = [];
  const walk = (path, weight, parallel, slowest) => {
    const v = path[path.length - 1];
    if (list.length >= most) return;
    if (v === b) {
      list.push({ path, weight, parallel, bandwidth: slowest });
      return;
    }
    const links = onward(model, plane, distance, v);
    const to = new Map();
    for (const e of links) {
      const entry = to.get(model.links.dst[e]) || { n: 0, bandwidth: 0 };
      entry.n++;
      entry.bandwidth = Math.max(entry.bandwidth, bandwidthOf(model, e));
      to.set(model.links.dst[e], entry);
    }
    for (const [next, { n, bandwidth }] of to) {
      walk([...path, next], (weight * n) / links.length, parallel * n, Math.min(slowest, bandwidth));
    }
  };
  walk([a], 1, 1, Infinity);
  return { count: counted(a), list };
}
