// A topology in memory: columns as they came, and what is found from them.

/** One list of numbers per key, without an array a key: members of k are list[begin[k]..begin[k+1]]. */
export function bucket(keys, count) {
  const begin = new Uint32Array(count + 1);
  for (const key of keys) begin[key + 1]++;
  for (let k = 0; k < count; k++) begin[k + 1] += begin[k];
  const at = begin.slice();
  const list = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) list[at[keys[i]]++] = i;
  return { begin, list };
}

export function makeModel(part) {
  const { vertices, links, groups } = part;
  const size = vertices.names.length;
  const model = {
    name: part.name,
    planes: part.planes,
    names: vertices.names,
    size,
    endpoints: part.endpoints,
    kinds: vertices.kinds,
    kind: vertices.kind,
    package: vertices.package,
    group: vertices.group,
    vertexGone: vertices.gone,
    groups,
    links,
    linkCount: links.src.length,
    removed: part.removed,
    sources: part.sources,
    out: bucket(links.src, size),
    into: bucket(links.dst, size),
    members: bucket(vertices.group, groups.names.length),
    index: new Map(vertices.names.map((name, v) => [name, v])),
  };
  model.racks = [...new Set([...groups.rack].filter((r) => r >= 0))].sort((a, b) => a - b);
  return model;
}

export function kindOf(model, v) {
  return model.kinds[model.kind[v]];
}

export function isEndpoint(model, v) {
  return v < model.endpoints;
}

/** Bytes per second of a link, each way; Infinity where it does not limit. */
export function bandwidthOf(model, link) {
  const value = model.links.bandwidths[model.links.bandwidth[link]];
  return value === null ? Infinity : value;
}

export function latencyOf(model, link) {
  return model.links.latencies[model.links.latency[link]];
}

/** What there is: vertices by kind, links by plane (one way each), what is gone. */
export function countsOf(model) {
  const kinds = {};
  model.kinds.forEach((kind, k) => {
    let n = 0;
    for (let v = 0; v < model.size; v++) n += model.kind[v] === k && !model.vertexGone[v];
    kinds[kind] = n;
  });
  const planes = model.planes.map(() => 0);
  let gone = 0;
  for (let e = 0; e < model.linkCount; e++) {
    if (model.links.gone[e]) gone++;
    else planes[model.links.plane[e]]++;
  }
  return {
    kinds,
    nodes: model.groups.kinds.filter((kind) => kind === "node").length,
    racks: model.racks.length,
    planes: Object.fromEntries(model.planes.map((plane, p) => [plane.name, planes[p]])),
    links: model.linkCount - gone,
    goneLinks: gone,
    goneVertices: model.vertexGone.reduce((sum, x) => sum + x, 0),
  };
}
