// The current picture as a file: PNG from the canvas, SVG from what is drawn.

import { CHARTS } from "./charts.js";
import { byId, svg } from "./dom.js";
import { clock, time } from "./format.js";
import { LARGEST, labelColour, labelsOf, platesOf } from "./labels.js";
import { makeLook, themeName } from "./look.js";
import { levelOf, sightIn, windowsOf } from "./map.js";
import { paintLines } from "./paint.js";
import { classColour, css, planeColour, THEMES } from "./palette.js";
import { longest } from "./player.js";
import { linesAt } from "./scene.js";

const HEAD = 34;
const FONT = "system-ui, sans-serif";

function save(blob, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function fileName(app, ending) {
  const stem = app.scenes[0].model.name.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 60);
  return `${stem || "topology"}.${ending}`;
}

/** Title and planes above what the canvas shows. */
export async function savePng(app) {
  app.map.deck.redraw("picture");
  const from = app.map.element.querySelector("canvas");
  const ratio = from.width / from.clientWidth;
  const canvas = document.createElement("canvas");
  canvas.width = from.width;
  canvas.height = from.height + HEAD * ratio;
  const context = canvas.getContext("2d");
  const theme = THEMES[themeName(app.store.state)];
  context.fillStyle = css(theme.ground);
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(from, 0, HEAD * ratio);
  context.scale(ratio, ratio);
  context.font = `600 14px ${FONT}`;
  context.fillStyle = css(theme.text);
  context.fillText(titleOf(app), 12, 22, from.clientWidth * 0.6);
  context.font = `12px ${FONT}`;
  let x = from.clientWidth - 12;
  for (const { label, colour } of keysOf(app, theme).reverse()) {
    const place = keyPlace(x, label, colour, context.measureText(label).width);
    context.fillStyle = css(theme.text);
    context.fillText(label, place.text, 22);
    if (colour) context.fillStyle = css(colour);
    if (colour) context.fillRect(place.swatch, 16, 16, 4);
    x = place.next;
  }
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  save(blob, fileName(app, "png"));
}

/** From right to left: where a key's text and swatch begin, and where the next key ends. */
function keyPlace(right, label, colour, width) {
  const text = right - width;
  const swatch = text - (label ? 6 : 0) - (colour ? 16 : 0);
  return { text, swatch, next: swatch - (label && colour ? 14 : 0) };
}

function titleOf(app) {
  const { scenes, store } = app;
  const names = scenes.slice(0, store.state.compare ? 2 : 1).map(({ traffic, model }) => traffic?.title || model.name);
  const when = scenes[0].traffic ? ` at ${clock(store.state.time, longest(scenes))}` : "";
  return [...new Set(names)].join(" | ") + when;
}

/** What the colours of the lines mean: planes, classes, or the two ends of a scale. */
function keysOf(app, theme) {
  const { model, traffic } = app.scenes[0];
  const { colour } = app.store.state;
  if (traffic && colour === "class") {
    return traffic.labels.map((label, k) => ({ label, colour: classColour(theme, k) }));
  }
  if (traffic && colour !== "plane") {
    const [low, high] = colour === "queue" ? ["queue 0", time(traffic.most_backlog)] : ["idle", "full"];
    const scale = theme.ramp.map((rgb) => ({ label: "", colour: rgb }));
    return [{ label: low, colour: null }, ...scale, { label: high, colour: null }];
  }
  return model.planes.flatMap((plane, p) =>
    app.store.state.hidden.has(plane.name) ? [] : [{ label: plane.name, colour: planeColour(model, theme, p) }],
  );
}

export function saveSvg(app) {
  const text = new XMLSerializer().serializeToString(pictureOf(app));
  save(new Blob([text], { type: "image/svg+xml" }), fileName(app, "svg"));
}

/** Have what is on the screen on paper, too: a canvas may be empty there, and colours are light ones. */
export function attachPrint(app) {
  addEventListener("beforeprint", () => {
    const { state } = app.store;
    if (CHARTS.includes(state.picture)) return;
    const { theme } = state;
    state.theme = "light";
    byId("printed").replaceChildren(pictureOf(app));
    state.theme = theme;
  });
  addEventListener("afterprint", () => byId("printed").replaceChildren());
}

/** What is drawn now as one SVG element, window by window, in pixels. */
export function pictureOf(app) {
  const { clientWidth: width, clientHeight: height } = app.map.element;
  const theme = THEMES[themeName(app.store.state)];
  const root = svg("svg", {
    width, height: height + HEAD, viewBox: `0 0 ${width} ${height + HEAD}`, "font-family": FONT,
  });
  root.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  root.append(svg("rect", { width, height: height + HEAD, fill: css(theme.ground) }));
  root.append(svg("text", { x: 12, y: 22, "font-size": 14, "font-weight": 600, fill: css(theme.text) }, titleOf(app)));
  let right = width - 12;
  for (const { label, colour } of keysOf(app, theme).reverse()) {
    const place = keyPlace(right, label, colour, label.length * 6.6);
    root.append(svg("text", { x: place.text, y: 22, "font-size": 12, fill: css(theme.text) }, label));
    if (colour) root.append(svg("rect", { x: place.swatch, y: 16, width: 16, height: 4, fill: css(colour) }));
    right = place.next;
  }
  for (const window of windowsOf(app.map)) root.append(windowPart(app, window, theme));
  return root;
}

function windowPart(app, window, theme) {
  const { scene } = window;
  const { state } = app.store;
  const scale = 2 ** state.view.zoom;
  const level = levelOf(app.map, scene);
  const look = makeLook(app.scenes, scene, level, state);
  const sight = sightIn(app.map, window);
  const x = window.x + window.width / 2 - state.view.x * scale;
  const y = HEAD + window.y + window.height / 2 - state.view.y * scale;
  const drawing = svg("g", { transform: `translate(${round(x)} ${round(y)}) scale(${round(scale, 5)})` });
  const box = (b, fill, stroke) =>
    svg("rect", { x: round(b.x), y: round(b.y), width: round(b.w), height: round(b.h), fill: css(fill), stroke: stroke ? css(stroke) : "none", rx: 2 });
  const lines = linesPart(scene, level, look, scale);
  for (const b of scene.layout.racks) drawing.append(box(b, theme.rack, theme.rackEdge));
  const isRail = (g) => scene.layout.tiers && scene.model.groups.kinds[g] === "switches";
  const boxes = (rails) => scene.layout.groups.forEach((b, g) => {
    if (b && Boolean(isRail(g)) === rails) drawing.append(box(b, theme.node, theme.nodeEdge));
  });
  if (level !== "link" && !scene.layout.tiers) drawing.append(lines);
  boxes(false);
  if (level !== "link" && scene.layout.tiers) drawing.append(lines);
  boxes(true);
  if (sight.chips) for (const b of scene.layout.packages) if (sight.has(b.g)) drawing.append(box(b, theme.package));
  if (level === "link") drawing.append(lines);
  if (look.routes) {
    for (const part of routeParts(scene, look, scale)) drawing.append(part);
  }
  const labels = labelsOf(scene, sight);
  for (const [on, colour] of [["rack", theme.rack], ["node", theme.node]]) {
    for (const plate of platesOf(labels, on, scale)) {
      const shape = box(plate, colour);
      shape.setAttribute("fill-opacity", 0.8);
      drawing.append(shape);
    }
  }
  if (sight.chips) drawing.append(chipsPart(scene, sight, theme));
  for (const d of labels) {
    drawing.append(svg("text", {
      x: round(d.x), y: round(d.y + d.size * 0.35), "font-size": round(Math.min(d.size, LARGEST / scale)), "text-anchor": "middle", fill: css(labelColour(theme, d)),
    }, d.text));
  }
  const clip = `clip-${window.id}`;
  return svg(
    "g", {},
    svg("clipPath", { id: clip }, svg("rect", { x: window.x, y: HEAD + window.y, width: window.width, height: window.height })),
    svg("g", { "clip-path": `url(#${clip})` }, drawing),
  );
}

/** One path a colour and width: many thousand lines stay a small file. */
function linesPart(scene, level, look, scale) {
  const lines = linesAt(scene, level);
  const { colours, widths } = paintLines(scene, level, look);
  const paths = new Map();
  const add = (key, source, target, i) => {
    if (!paths.has(key)) paths.set(key, []);
    paths.get(key).push(`M${round(source[2 * i])} ${round(source[2 * i + 1])}L${round(target[2 * i])} ${round(target[2 * i + 1])}`);
  };
  for (let i = 0; i < lines.count; i++) {
    const alpha = colours[4 * i + 3];
    if (!alpha) continue;
    const rgb = colours.subarray(4 * i, 4 * i + 3).join();
    add(`${rgb}|${round(alpha / 255, 2)}|${round(widths[i] / scale)}`, lines.source, lines.target, i);
  }
  const group = svg("g", { fill: "none" });
  for (const [key, parts] of paths) {
    const [rgb, opacity, width] = key.split("|");
    group.append(svg("path", { d: parts.join(""), stroke: `rgb(${rgb})`, "stroke-opacity": opacity, "stroke-width": width }));
  }
  return group;
}

function routeParts(scene, look, scale) {
  const { links } = scene.model;
  const { position } = scene.layout;
  const at = (v) => `${round(position[2 * v])} ${round(position[2 * v + 1])}`;
  return look.routes(scene.model).map((found) =>
    svg("path", {
      d: [...found.links.keys()].map((e) => `M${at(links.src[e])}L${at(links.dst[e])}`).join(""),
      fill: "none", stroke: css(planeColour(scene.model, look.theme, found.plane)), "stroke-width": round(1.6 / scale),
    }),
  );
}

function chipsPart(scene, sight, theme) {
  const { model, layout } = scene;
  const group = svg("g");
  for (let v = 0; v < model.size; v++) {
    if (!sight.has(model.group[v])) continue;
    const x = layout.position[2 * v];
    const y = layout.position[2 * v + 1];
    const half = layout.size[v] / 2;
    if (model.vertexGone[v]) {
      group.append(svg("path", {
        d: `M${round(x - half)} ${round(y - half)}L${round(x + half)} ${round(y + half)}M${round(x - half)} ${round(y + half)}L${round(x + half)} ${round(y - half)}`,
        stroke: css(theme.gone), "stroke-width": 2,
      }));
    } else if (v >= model.endpoints) {
      group.append(svg("circle", { cx: round(x), cy: round(y), r: round(half), fill: css(theme.chip), stroke: css(theme.chipEdge) }));
    } else {
      const fill = css(model.kinds[model.kind[v]] === "cpu" ? theme.cpu : theme.die);
      group.append(svg("rect", { x: round(x - half), y: round(y - half), width: round(2 * half), height: round(2 * half), fill }));
    }
  }
  return group;
}

function round(value, digits = 2) {
  return Number(value.toFixed(digits));
}
