// A scene as deck.gl layers. What does not change between frames is kept, not made again.

import { ScatterplotLayer, TextLayer } from "@deck.gl/layers";
import { LARGEST, labelColour, labelsOf, platesOf } from "./labels.js";
import { paintLines } from "./paint.js";
import { planeColour } from "./palette.js";
import { linesAt } from "./scene.js";
import { SmoothLineLayer } from "./smooth_lines.js";

const MOST_ROWS = 80000; // lines drawn at once of a machine too big to be drawn whole
const PLATE = 205; // alpha of what lies between a name and the lines
const FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** All layers of a scene; ids begin with `view`, by which deck.gl's layer filter sorts them. */
export function layersOf(scene, view, level, look, sight) {
  const { racks, groups, rails } = boxLayers(scene, view, level, look, sight);
  const lines = lineLayer(scene, view, level, look, sight);
  // Bundles run behind the boxes that they join; single links begin inside the boxes.
  const layers = level === "link" ? [...racks, ...rails, ...groups, lines]
    : scene.layout.tiers ? [...racks, ...groups, lines, ...rails]
      : [...racks, lines, ...groups];
  if (look.routes) layers.push(routeLayer(scene, view, look));
  const { plates, names } = labelLayers(scene, view, level, look, sight);
  layers.push(...plates);
  layers.push(...chipLayers(scene, view, level, look, sight));
  layers.push(...markLayers(scene, view, level, look));
  layers.push(...names);
  return layers;
}

/** Boxes are thick lines: one instanced draw call, however many there are. */
function rects(id, boxes, colour, alpha = 255) {
  const n = boxes.length;
  const source = new Float32Array(2 * n);
  const target = new Float32Array(2 * n);
  const width = new Float32Array(n);
  boxes.forEach((box, i) => {
    source.set([box.x, box.y + box.h / 2], 2 * i);
    target.set([box.x + box.w, box.y + box.h / 2], 2 * i);
    width[i] = box.h;
  });
  return new SmoothLineLayer({
    id,
    data: {
      length: n,
      attributes: {
        getSourcePosition: { value: source, size: 2 },
        getTargetPosition: { value: target, size: 2 },
        getWidth: { value: width, size: 1 },
      },
    },
    getColor: [...colour, alpha],
    widthUnits: "common",
    updateTriggers: { getColor: colour.join() },
  });
}

function edged(view, name, boxes, fill, edge, thin) {
  const inset = (box) => ({ x: box.x + thin, y: box.y + thin, w: box.w - 2 * thin, h: box.h - 2 * thin });
  return [rects(`${view}:${name}-edge`, boxes, edge), rects(`${view}:${name}`, boxes.map(inset), fill)];
}

/** Layers whose data does not change with time are kept between frames by a key. */
function kept(scene, name, key, make) {
  const found = scene.cache[name];
  if (found && found.key === key) return found.value;
  const value = make();
  scene.cache[name] = { key, value };
  return value;
}

function boxLayers(scene, view, level, look, sight) {
  const { layout } = scene;
  return kept(scene, "boxes", `${view} ${look.themeName} ${level} ${sight.key}`, () => {
    const { theme } = look;
    const racks = edged(view, "racks", layout.racks, theme.rack, theme.rackEdge, 1.2);
    const isRail = (box, g) => layout.tiers && scene.model.groups.kinds[g] === "switches";
    const boxes = (some) => layout.groups.filter((box, g) => box && Boolean(isRail(box, g)) === some);
    const groups = edged(view, "groups", boxes(false), theme.node, theme.nodeEdge, 0.8);
    const rails = layout.tiers ? edged(view, "rails", boxes(true), theme.node, theme.nodeEdge, 0.8) : [];
    if (sight.chips) {
      groups.push(rects(`${view}:packages`, layout.packages.filter((p) => sight.has(p.g)), theme.package));
    }
    return { racks, groups, rails };
  });
}

function lineLayer(scene, view, level, look, sight) {
  const lines = linesAt(scene, level);
  const rows = sight.rows && level === "link" ? kept(scene, "rows", `${level} ${sight.key}`, () => rowsInSight(scene, lines, sight)) : null;
  const paint = kept(scene, "paint", `${level} ${look.key}`, () => paintLines(scene, level, look));
  const data = kept(scene, "lines", `${view} ${level} ${look.key} ${rows ? sight.key : ""}`, () => {
    const pick = (column, size) => (rows ? gather(column, size, rows) : column);
    return {
      length: rows ? rows.length : lines.count,
      attributes: {
        getSourcePosition: { value: kept(scene, "from", `${level} ${sight.key}`, () => pick(lines.source, 2)), size: 2 },
        getTargetPosition: { value: kept(scene, "to", `${level} ${sight.key}`, () => pick(lines.target, 2)), size: 2 },
        getColor: { value: pick(paint.colours, 4), size: 4, normalized: true },
        getWidth: { value: pick(paint.widths, 1), size: 1 },
      },
    };
  });
  return new SmoothLineLayer({ id: `${view}:lines`, data, widthUnits: "pixels", widthMinPixels: 0.5 });
}

/** Lines with an end in sight; in a big machine those of nodes only, while there are any. */
function rowsInSight(scene, lines, sight) {
  const { group, groups } = scene.model;
  const isNode = (g) => groups.kinds[g] === "node";
  const nodes = sight.big && groups.kinds.some((_, g) => isNode(g) && sight.has(g));
  const shows = (g) => sight.has(g) && (!nodes || isNode(g));
  const rows = [];
  for (let i = 0; i < lines.count && rows.length < MOST_ROWS; i++) {
    if (shows(group[lines.a[i]]) || shows(group[lines.b[i]])) rows.push(i);
  }
  return Uint32Array.from(rows);
}

function gather(column, size, rows) {
  const out = new column.constructor(size * rows.length);
  rows.forEach((row, i) => {
    for (let c = 0; c < size; c++) out[size * i + c] = column[size * row + c];
  });
  return out;
}

function routeLayer(scene, view, look) {
  const { model, layout } = scene;
  const data = [];
  for (const found of look.routes(model)) {
    const colour = planeColour(model, look.theme, found.plane);
    const most = Math.max(...found.links.values());
    for (const [e, weight] of found.links) {
      data.push({ e, colour: [...colour, 120 + 135 * (weight / most)], width: 1.2 + 3 * weight });
    }
  }
  const at = (v) => [layout.position[2 * v], layout.position[2 * v + 1]];
  return new SmoothLineLayer({
    id: `${view}:routes`,
    data,
    getSourcePosition: (d) => at(model.links.src[d.e]),
    getTargetPosition: (d) => at(model.links.dst[d.e]),
    getColor: (d) => d.colour,
    getWidth: (d) => d.width,
    widthUnits: "pixels",
  });
}

function chipLayers(scene, view, level, look, sight) {
  if (!sight.chips) return [];
  return kept(scene, "chips", `${view} ${look.themeName} ${sight.key}`, () => {
    const { model, layout } = scene;
    const { theme } = look;
    const squares = { die: [], cpu: [] };
    const rounds = [];
    const gone = [];
    for (let v = 0; v < model.size; v++) {
      if (!sight.has(model.group[v])) continue;
      const half = layout.size[v] / 2;
      const x = layout.position[2 * v];
      const y = layout.position[2 * v + 1];
      if (model.vertexGone[v]) gone.push({ x, y, half });
      else if (v >= model.endpoints) rounds.push({ x, y, half });
      else {
        const box = { x: x - half, y: y - half, w: 2 * half, h: 2 * half };
        squares[model.kinds[model.kind[v]] === "cpu" ? "cpu" : "die"].push(box);
      }
    }
    return [
      rects(`${view}:dies`, squares.die, theme.die),
      rects(`${view}:cpus`, squares.cpu, theme.cpu),
      circles(`${view}:chips`, rounds, theme.chip, theme.chipEdge),
      ...goneLayers(view, gone, theme),
    ];
  });
}

function circles(id, items, fill, edge) {
  return new ScatterplotLayer({
    id,
    data: items,
    getPosition: (d) => [d.x, d.y],
    getRadius: (d) => d.half,
    radiusUnits: "common",
    stroked: true,
    getFillColor: [...fill, 255],
    getLineColor: [...edge, 255],
    getLineWidth: 1.1,
    lineWidthUnits: "common",
    updateTriggers: { getFillColor: fill.join(), getLineColor: edge.join() },
  });
}

/** What has been taken out: a hollow ring with a cross in it. */
function goneLayers(view, gone, theme) {
  if (!gone.length) return [];
  const strokes = gone.flatMap((d) => [
    { from: [d.x - d.half, d.y - d.half], to: [d.x + d.half, d.y + d.half] },
    { from: [d.x - d.half, d.y + d.half], to: [d.x + d.half, d.y - d.half] },
  ]);
  return [
    circles(`${view}:gone`, gone, theme.node, theme.gone),
    new SmoothLineLayer({
      id: `${view}:gone-cross`,
      data: strokes,
      getSourcePosition: (d) => d.from,
      getTargetPosition: (d) => d.to,
      getColor: [...theme.gone, 255],
      getWidth: 2,
      widthUnits: "common",
    }),
  ];
}

/** Rings around what is chosen, found or an end of a route. */
function markLayers(scene, view, level, look) {
  const { layout } = scene;
  const marks = look.marks(scene.model);
  const spots = marks.vertices.map(({ v, colour }) => ({
    position: [layout.position[2 * v], layout.position[2 * v + 1]],
    radius: layout.size[v] * 0.95,
    colour: colour || look.theme.mark,
  }));
  const frames = marks.groups.flatMap((g) => frame(layout.groups[g]));
  return [
    new SmoothLineLayer({
      id: `${view}:frames`,
      data: frames,
      getSourcePosition: (d) => d.from,
      getTargetPosition: (d) => d.to,
      getColor: [...look.theme.mark, 255],
      getWidth: 2,
      widthUnits: "pixels",
    }),
    new ScatterplotLayer({
      id: `${view}:marks`,
      data: spots,
      getPosition: (d) => d.position,
      getRadius: (d) => d.radius,
      radiusUnits: "common",
      radiusMinPixels: 7,
      filled: false,
      stroked: true,
      getLineColor: (d) => [...d.colour, 255],
      getLineWidth: 2.5,
      lineWidthUnits: "pixels",
    }),
  ];
}

function frame({ x, y, w, h }) {
  const corners = [
    [x, y],
    [x + w, y],
    [x + w, y + h],
    [x, y + h],
  ];
  return corners.map((from, i) => ({ from, to: corners[(i + 1) % 4] }));
}

/** The names, and the plates under them. */
function labelLayers(scene, view, level, look, sight) {
  const size = sight.scale.toFixed(sight.names ? 1 : 2);
  return kept(scene, "labels", `${view} ${look.themeName} ${level} ${size} ${sight.key}`, () => {
    const labels = labelsOf(scene, sight);
    if (!labels.length) return { plates: [], names: [] };
    const { theme } = look;
    const plates = (on, colour) => rects(`${view}:${on}-plates`, platesOf(labels, on, sight.scale), colour, PLATE);
    return {
      plates: [plates("rack", theme.rack), plates("node", theme.node)],
      names: [nameLayer(view, labels, look)],
    };
  });
}

function nameLayer(view, labels, look) {
  return new TextLayer({
    id: `${view}:labels`,
    data: labels,
    getText: (d) => d.text,
    getPosition: (d) => [d.x, d.y],
    getSize: (d) => d.size,
    sizeUnits: "common",
    sizeMaxPixels: LARGEST,
    getColor: (d) => [...labelColour(look.theme, d), 255],
    getTextAnchor: "middle",
    getAlignmentBaseline: "center",
    characterSet: [...new Set(labels.flatMap((d) => [...d.text]))],
    fontFamily: FONT,
    fontWeight: 500,
    fontSettings: { fontSize: 40, buffer: 6 },
    updateTriggers: { getColor: look.themeName },
  });
}
