// What stands in the groups of a model, and how far a drawing of them reaches.

export function groupsOf(model, wanted) {
  return model.groups.kinds.flatMap((kind, g) => (kind === wanted ? [g] : []));
}

export function membersOf(model, g) {
  return [...model.members.list.subarray(model.members.begin[g], model.members.begin[g + 1])];
}

/** The endpoints of a node by package, and its other endpoints and switches by kind. */
export function packagesAndKinds(model, g) {
  const packages = new Map();
  const kinds = new Map();
  for (const v of membersOf(model, g)) {
    const packed = v < model.endpoints && model.package[v] >= 0;
    const into = packed ? packages : kinds;
    const key = packed ? model.package[v] : model.kind[v];
    if (!into.has(key)) into.set(key, []);
    into.get(key).push(v);
  }
  return { packages: [...packages.values()], kinds: [...kinds.values()] };
}

/** The corners of all groups and racks of a layout. */
export function boundsOf(out) {
  const boxes = [...out.groups.filter(Boolean), ...out.racks];
  const x0 = Math.min(...boxes.map((b) => b.x));
  const y0 = Math.min(...boxes.map((b) => b.y));
  const x1 = Math.max(...boxes.map((b) => b.x + b.w));
  const y1 = Math.max(...boxes.map((b) => b.y + b.h));
  return { x0, y0, x1, y1 };
}
