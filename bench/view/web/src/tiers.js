// The machine by tiers: nodes as columns, with their endpoints and inner switches, and the groups of
// outer switches as rails across them: those of the first plane above, the others' below. What a
// node has to a rail is one upright line, so no two bundles cross.

import { boundsOf, groupsOf, membersOf, packagesAndKinds } from "./members.js";

const DIE = 10;
const PACKAGE_GAP = 4;
const ACROSS = 2; // packages beside each other
const CHIP = 7;
const PITCH = 8;
const PAD = 5;
const ROW_GAP = 6;
const COLUMN_GAP = 10;
const RACK_GAP = 16;
const MOST_COLUMNS = 96;

/** Whether a machine is one of nodes below switches, and not too wide for this. */
export function hasTiers(model) {
  const { groups, links } = model;
  const nodes = groupsOf(model, "node").length;
  if (nodes < 2 || nodes > MOST_COLUMNS || nodes === groups.kinds.length) return false;
  for (let e = 0; e < model.linkCount; e++) {
    const a = model.group[links.src[e]];
    const b = model.group[links.dst[e]];
    if (a !== b && groups.kinds[a] === "node" && groups.kinds[b] === "node") return false;
  }
  return true;
}

/** The plane whose switches stand above the nodes: that of most links to outer switches. */
export function firstPlane(model) {
  const counts = model.planes.map(() => 0);
  const { src, dst, plane } = model.links;
  for (let e = 0; e < model.linkCount; e++) if (model.group[src[e]] !== model.group[dst[e]]) counts[plane[e]]++;
  return counts.indexOf(Math.max(...counts));
}

/** Positions for a model in a window of the given width / height, as `makeLayout` gives them. */
export function makeTiers(model, aspect) {
  const nodes = groupsOf(model, "node");
  const inner = new Map(nodes.map((g) => [g, column(model, g)]));
  const width = Math.max(...nodes.map((g) => inner.get(g).width));
  const height = Math.max(...nodes.map((g) => inner.get(g).height));
  const out = {
    tiers: true, position: new Float32Array(2 * model.size), size: new Float32Array(model.size),
    groups: [], racks: [], packages: [], bounds: null,
  };
  const across = acrossOf(model, nodes, width);
  const [above, below] = railsOf(model);
  const title = across.whole / 60;
  const rail = { h: Math.max(18, across.whole / 90), step: 0 };
  rail.step = Math.max(1.5 * rail.h, Math.min(0.075 * across.whole, (across.whole / aspect - height - 2 * title) / (above.length + below.length + 1)));
  let y = 0;
  for (const g of [...above].reverse()) y = putRail(model, g, y, across, rail, title, out);
  const top = y;
  nodes.forEach((g, i) => putColumn(model, inner.get(g), g, across.at[i], top, width, height, out));
  putRacks(model, nodes, across, top, height, width, title, out);
  y = top + height + 3 * title;
  rail.step = 1.5 * rail.h;
  for (const g of below) y = putRail(model, g, y, across, rail, title, out);
  out.ends = endsOf(model, inner, out, above, below);
  out.bounds = boundsOf(out);
  return out;
}

/** Groups of outer switches, from the nodes outwards: those of the first plane, and the others. */
function railsOf(model) {
  const first = firstPlane(model);
  const far = distances(model);
  const rails = groupsOf(model, "switches").sort((a, b) => far[a] - far[b] || model.groups.plane[a] - model.groups.plane[b] || a - b);
  return [rails.filter((g) => model.groups.plane[g] === first), rails.filter((g) => model.groups.plane[g] !== first)];
}

/** How many groups lie between each group and the nodes. */
function distances(model) {
  const { groups, links } = model;
  const far = groups.kinds.map((kind) => (kind === "node" ? 0 : Infinity));
  for (let changed = true; changed; ) {
    changed = false;
    for (let e = 0; e < model.linkCount; e++) {
      const a = model.group[links.src[e]];
      const b = model.group[links.dst[e]];
      if (far[b] > far[a] + 1) {
        far[b] = far[a] + 1;
        changed = true;
      }
    }
  }
  return far;
}

/** Where each column begins, and how wide all are; columns of a rack stand closer. */
function acrossOf(model, nodes, width) {
  const at = [];
  let x = 0;
  nodes.forEach((g, i) => {
    if (i) x += width + (model.groups.rack[g] === model.groups.rack[nodes[i - 1]] ? COLUMN_GAP : COLUMN_GAP + RACK_GAP);
    at.push(x);
  });
  return { at, whole: x + width };
}

/** A node from its switches down to its endpoints: rows of chips, from the top. */
function column(model, g) {
  const { packages, kinds } = packagesAndKinds(model, g);
  const rows = kinds.sort((a, b) => (a[0] < model.endpoints) - (b[0] < model.endpoints) || b.length - a.length)
    .flatMap((chips) => slices(chips, 8).map((part) => ({ chips: part, switches: part[0] >= model.endpoints })));
  const dies = slices(packages, ACROSS).map((part) => ({ packages: part, switches: false }));
  const switches = rows.filter((row) => row.switches);
  return stacked([...switches, ...dies, ...rows.filter((row) => !row.switches)]);
}

function slices(list, most) {
  return Array.from({ length: Math.ceil(list.length / most) }, (_, i) => list.slice(i * most, (i + 1) * most));
}

/** Rows under each other: size, items and package boxes relative to the top left, and where switches end. */
function stacked(rows) {
  const wide = (row) => row.packages
    ? row.packages.reduce((sum, dies) => sum + dies.length * (DIE + 2) + 2 + PACKAGE_GAP, -PACKAGE_GAP)
    : row.chips.length * PITCH;
  const width = Math.max(40, ...rows.map(wide)) + 2 * PAD;
  const items = [];
  const boxes = [];
  let y = PAD;
  let switched = 0;
  for (const row of rows) {
    let x = (width - wide(row)) / 2;
    if (row.packages) {
      for (const dies of row.packages) {
        const w = dies.length * (DIE + 2) + 2;
        boxes.push({ x, y, w, h: DIE + 4 });
        dies.forEach((v, i) => items.push({ v, x: x + 2 + DIE / 2 + i * (DIE + 2), y: y + 2 + DIE / 2, size: DIE }));
        x += w + PACKAGE_GAP;
      }
      y += DIE + 4 + PACKAGE_GAP;
    } else {
      row.chips.forEach((v, i) => items.push({ v, x: x + PITCH * (i + 0.5), y: y + PITCH / 2, size: CHIP }));
      y += PITCH + ROW_GAP;
    }
    if (row.switches) {
      y += 2 * ROW_GAP;
      switched = y;
    }
  }
  return { width, height: y + 12, items, boxes, switched };
}

function putColumn(model, node, g, x, y, width, height, out) {
  const left = x + (width - node.width) / 2;
  out.groups[g] = { x, y, w: width, h: height, title: y + height - 8 };
  for (const { v, x: ix, y: iy, size } of node.items) {
    out.position[2 * v] = left + ix;
    out.position[2 * v + 1] = y + iy;
    out.size[v] = size;
  }
  for (const box of node.boxes) out.packages.push({ g, x: left + box.x, y: y + box.y, w: box.w, h: box.h });
}

/** A rail: the chips of a group along all columns, its name at its left end. Returns where the next one begins. */
function putRail(model, g, y, across, rail, title, out) {
  const chips = membersOf(model, g);
  const name = model.groups.names[g];
  const room = 0.6 * title * (name.length + 2);
  out.groups[g] = { x: -room, y, w: across.whole + room, h: rail.h, title: y + rail.h / 2, titleX: -room / 2, titleSize: title };
  chips.forEach((v, i) => {
    out.position[2 * v] = (across.whole * (i + 0.5)) / chips.length;
    out.position[2 * v + 1] = y + rail.h / 2;
    out.size[v] = Math.min(0.7 * rail.h, (0.8 * across.whole) / chips.length);
  });
  return y + rail.step;
}

function putRacks(model, nodes, across, top, height, width, title, out) {
  for (const rack of model.racks) {
    const mine = nodes.flatMap((g, i) => (model.groups.rack[g] === rack ? [across.at[i]] : []));
    const x = Math.min(...mine) - 5;
    const w = Math.max(...mine) + width + 5 - x;
    out.racks.push({ id: rack, name: `rack ${rack}`, x, y: top - 5, w, h: height + 10 + 1.3 * title, title: top + height + 5 + 0.7 * title });
  }
}

/**
 * Where the line of a bundle between two groups begins and ends: upright over its place in the
 * column, one place for each rail of a side; within a node, from its switches to its endpoints.
 */
function endsOf(model, inner, out, above, below) {
  const place = new Map([above, below].flatMap((side) => side.map((g, k) => [g, (k + 1) / (side.length + 1)])));
  const upright = (x, a, b) => [[x, a.y < b.y ? a.y + a.h : a.y], [x, a.y < b.y ? b.y : b.y + b.h]];
  return (a, b, plane) => {
    const [from, to] = [out.groups[a], out.groups[b]];
    if (a === b) {
      const { switched } = inner.get(a) || { switched: 0 };
      const x = from.x + (from.w * (plane + 1)) / (model.planes.length + 1);
      return [[x, from.y + switched - 2.2 * ROW_GAP], [x, from.y + switched]];
    }
    const [isNodeA, isNodeB] = [a, b].map((g) => model.groups.kinds[g] === "node");
    if (isNodeA) return upright(from.x + from.w * place.get(b), from, to);
    if (isNodeB) return upright(to.x + to.w * place.get(a), from, to);
    return upright(from.x + from.w / 2, from, to);
  };
}
