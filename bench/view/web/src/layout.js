// Where everything stands. Units are those of the drawing; y goes down.
// Nodes (in racks where there are racks) fill a field above and below a strip of outer switches.

import { boundsOf, groupsOf, membersOf, packagesAndKinds } from "./members.js";

const DIE = 10;
const GAP = 2;
const PITCH = 15;
const TITLE = 19;
const PAD = 7;
const NODE_GAP = 12;
const RACK_PAD = 12;
const RACK_TITLE = 26;
const RACK_GAP = 22;

/** Positions for a model in a window of the given width / height. */
export function makeLayout(model, aspect) {
  const inner = model.groups.names.map((_, g) =>
    model.groups.kinds[g] === "node" ? insideNode(model, g) : insideSwitches(model, g),
  );
  const nodes = groupsOf(model, "node");
  const outer = groupsOf(model, "switches").sort(
    (a, b) => model.groups.plane[a] - model.groups.plane[b] || a - b,
  );
  const place = bestField(model, inner, nodes, outer, aspect);
  return placed(model, inner, nodes, outer, place);
}

/** Rows of things in a node: packages of dies, then other endpoints and switches by kind. */
function insideNode(model, g) {
  const { packages, kinds } = packagesAndKinds(model, g);
  const rows = packageRows(packages);
  kinds.sort(
    (a, b) => (b[0] < model.endpoints) - (a[0] < model.endpoints) || a.length - b.length,
  );
  rows.push(...kindRows(kinds));
  return stacked(rows, true);
}

function packageRows(packages) {
  const rows = [];
  for (let at = 0; at < packages.length; at += 4) {
    const cells = packages.slice(at, at + 4).map((dies) => {
      const width = dies.length * DIE + (dies.length - 1) * GAP + 4;
      return {
        width,
        package: true,
        items: dies.map((v, i) => ({ v, x: 2 + DIE / 2 + i * (DIE + GAP), size: DIE })),
      };
    });
    rows.push({ cells, height: DIE + 4, gap: 4 });
  }
  return rows;
}

function kindRows(kinds) {
  const rows = [];
  let row = null;
  for (const members of kinds) {
    for (let at = 0; at < members.length; at += 8) {
      const part = members.slice(at, at + 8);
      const cell = {
        width: part.length * PITCH,
        items: part.map((v, i) => ({ v, x: PITCH / 2 + i * PITCH, size: DIE })),
      };
      if (row && row.count + part.length <= 6) {
        row.cells.push(cell);
        row.count += part.length;
      } else {
        row = { cells: [cell], count: part.length, height: 14, gap: 8 };
        rows.push(row);
      }
    }
  }
  return rows;
}

/** Rows under each other and centred: size, items relative to the top left, package boxes. */
function stacked(rows, isNode, least = 0) {
  const widths = rows.map(
    (row) => row.cells.reduce((sum, c) => sum + c.width, 0) + (row.cells.length - 1) * row.gap,
  );
  const width = Math.max(isNode ? 52 : 40, least, ...widths) + 2 * PAD;
  const items = [];
  const boxes = [];
  let y = TITLE;
  rows.forEach((row, r) => {
    let x = (width - widths[r]) / 2;
    for (const cell of row.cells) {
      if (cell.package) boxes.push({ x, y, w: cell.width, h: row.height });
      for (const item of cell.items) {
        items.push({ v: item.v, x: x + item.x, y: y + row.height / 2, size: item.size });
      }
      x += cell.width + row.gap;
    }
    y += row.height + 5;
  });
  return { width, height: y - 5 + PAD, items, boxes };
}

function insideSwitches(model, g) {
  const all = membersOf(model, g);
  const rows = Math.max(1, Math.ceil(all.length / (all.length > 64 ? 16 : 8)));
  const columns = Math.ceil(all.length / rows);
  const list = [];
  for (let at = 0; at < all.length; at += columns) {
    const part = all.slice(at, at + columns);
    list.push({
      cells: [
        {
          width: part.length * PITCH,
          items: part.map((v, i) => ({ v, x: PITCH / 2 + i * PITCH, size: DIE + 1 })),
        },
      ],
      height: PITCH - 3,
      gap: 0,
    });
  }
  return stacked(list, false, Math.min(150, 7.4 * model.groups.names[g].length));
}

/** The arrangement that fills a window of this shape best. */
function bestField(model, inner, nodes, outer, aspect) {
  const w = Math.max(0, ...nodes.map((g) => inner[g].width));
  const h = Math.max(0, ...nodes.map((g) => inner[g].height));
  const racked = model.racks.length > 0;
  const perRack = racked ? nodes.filter((g) => model.groups.rack[g] === model.racks[0]).length : 1;
  const units = racked ? model.racks.length : nodes.length;
  let best = null;
  for (let inRow = 1; inRow <= perRack; inRow++) {
    const down = Math.ceil(perRack / inRow);
    const unitW = racked ? inRow * (w + NODE_GAP) - NODE_GAP + 2 * RACK_PAD : w;
    const unitH = racked ? down * (h + NODE_GAP) - NODE_GAP + RACK_PAD + RACK_TITLE : h;
    const gap = racked ? RACK_GAP : NODE_GAP;
    for (let columns = 1; columns <= units; columns++) {
      const rows = Math.ceil(units / columns);
      const width = Math.max(columns * (unitW + gap) - gap, 300);
      const strip = flow(inner, outer, width);
      const height = rows * (unitH + gap) + strip.height + 2.2 * gap;
      // Full rows, and as many above the strip as below it, look right; a little size may be given up.
      const ragged = (rows % 2 && outer.length && rows > 1 ? 0.75 : 1) * (units % columns ? 0.8 : 1);
      const tall = Math.max(0.72, 0.92 ** Math.max(0, rows - 2));
      const scale = ragged * tall * Math.min(aspect / strip.widest(width), 1 / height);
      if (!best || scale > best.scale * 1.001) {
        best = { scale, inRow, columns, rows, width, unitW, unitH, gap, w, h, strip, racked };
      }
    }
  }
  return best || { rows: 0, columns: 1, width: 300, strip: flow(inner, outer, 300), gap: 20 };
}

/** Outer switch groups in centred rows no wider than `width`. */
function flow(inner, outer, width) {
  const rows = [];
  let row = null;
  for (const g of outer) {
    const { width: w, height: h } = inner[g];
    if (!row || row.width + 14 + w > width) {
      row = { groups: [], width: -14, height: 0 };
      rows.push(row);
    }
    row.groups.push(g);
    row.width += w + 14;
    row.height = Math.max(row.height, h);
  }
  const height = rows.reduce((sum, r) => sum + r.height + 16, 0);
  const widest = (w) => Math.max(w, ...rows.map((r) => r.width));
  return { rows, height, widest };
}

function placed(model, inner, nodes, outer, place) {
  const out = {
    position: new Float32Array(2 * model.size),
    size: new Float32Array(model.size),
    groups: [],
    racks: [],
    packages: [],
    strip: null,
    bounds: null,
  };
  const above = Math.ceil(place.rows / 2);
  const stripGap = outer.length ? 1.6 * place.gap : 0;
  const stripTop = above * (place.unitH + place.gap) - place.gap + stripGap;
  const below = outer.length ? stripTop + place.strip.height + stripGap - place.gap : 0;
  const rackUnits = place.racked ? model.racks : nodes;
  rackUnits.forEach((unit, i) => {
    const row = Math.floor(i / place.columns);
    const x = (i % place.columns) * (place.unitW + place.gap);
    const y =
      row < above || !outer.length
        ? row * (place.unitH + place.gap)
        : below + place.gap + (row - above) * (place.unitH + place.gap);
    const mirrored = row >= above && outer.length > 0;
    if (place.racked) putRack(model, inner, nodes, unit, x, y, place, mirrored, out);
    else putGroup(inner, unit, x, y, mirrored, out);
  });
  putStrip(inner, place, stripTop, out);
  out.bounds = boundsOf(out);
  return out;
}

function putRack(model, inner, nodes, rack, x, y, place, mirrored, out) {
  const mine = nodes.filter((g) => model.groups.rack[g] === rack);
  const title = mirrored ? y + place.unitH - RACK_TITLE / 2 : y + RACK_TITLE / 2 + 1;
  out.racks.push({ id: rack, name: `rack ${rack}`, x, y, w: place.unitW, h: place.unitH, title });
  mine.forEach((g, i) => {
    const gx = x + RACK_PAD + (i % place.inRow) * (place.w + NODE_GAP);
    const gy = y + (mirrored ? RACK_PAD : RACK_TITLE) + Math.floor(i / place.inRow) * (place.h + NODE_GAP);
    putGroup(inner, g, gx, gy, mirrored, out);
  });
}

/**
 * In the lower half racks and nodes stand on their heads, so that switches face the strip, and
 * titles lie on the other side, where no lines come in.
 */
function putGroup(inner, g, x, y, mirrored, out) {
  const { width, height, items, boxes } = inner[g];
  const flip = (top, h) => (mirrored ? height - top - h : top);
  out.groups[g] = { x, y, w: width, h: height, title: mirrored ? y + height - 9 : y + 11 };
  for (const { v, x: ix, y: iy, size } of items) {
    out.position[2 * v] = x + ix;
    out.position[2 * v + 1] = y + flip(iy, 0);
    out.size[v] = size;
  }
  for (const box of boxes) {
    out.packages.push({ g, x: x + box.x, y: y + flip(box.y, box.h), w: box.w, h: box.h });
  }
}

function putStrip(inner, place, top, out) {
  let y = top;
  const field = place.width;
  for (const row of place.strip.rows) {
    let x = (field - row.width) / 2;
    for (const g of row.groups) {
      putGroup(inner, g, x, y + (row.height - inner[g].height) / 2, false, out);
      x += inner[g].width + 14;
    }
    y += row.height + 16;
  }
}
