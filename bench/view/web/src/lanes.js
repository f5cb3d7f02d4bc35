// Ranks over time: a lane a rank, waiting and moving, the critical path marked.

import { Deck, OrthographicView } from "@deck.gl/core";
import { TextLayer } from "@deck.gl/layers";
import { byId, el, name } from "./dom.js";
import { time } from "./format.js";
import { themeName } from "./look.js";
import { classColour, css, THEMES } from "./palette.js";
import { longest } from "./player.js";
import { CANVAS } from "./map.js";
import { SmoothLineLayer } from "./smooth_lines.js";

const LANE = 1; // units of height a rank; time is 0..WIDTH units
const WIDTH = 1000;
const NAMES = 64; // pixels left of the lanes, for the ranks' names
const WHAT = ["waits", "moves bytes", "software"];

export function drawLanes(app, changed) {
  const { state } = app.store;
  const section = byId("lanes");
  section.hidden = !state.lanes || !app.scenes.some((scene) => scene.traffic?.lanes);
  if (section.hidden) return;
  if (!app.lanes) app.lanes = makeLanes(app);
  const needs = ["start", "lanes", "theme", "size", "compare"].some((key) => changed.has(key));
  if (needs) {
    drawHead(app);
    resetLanes(app);
  }
  if (needs || app.lanes.moved || grown(app, changed)) redraw(app);
  moveCursor(app);
}

/** Whether a run that goes on has more to show, at most a few times a second. */
function grown(app, changed) {
  if (!app.live || !changed.has("came")) return false;
  const now = performance.now();
  const { live, labels } = app.scenes[0].traffic;
  if (now - (app.lanes.grown || 0) < 250 && live.end === null) return false;
  app.lanes.grown = now;
  if (labels.length !== app.lanes.labels) drawHead(app);
  app.lanes.labels = labels.length;
  return true;
}

function runsOf(app) {
  return (app.store.state.compare ? app.scenes : app.scenes.slice(0, 1)).filter((s) => s.traffic?.lanes);
}

/** Rows of all runs one under the other: [scene, first lane]. */
function stackOf(app) {
  let first = 0;
  return runsOf(app).map((scene) => {
    const entry = { scene, first };
    first += scene.traffic.lanes.ranks + 2;
    return entry;
  });
}

function makeLanes(app) {
  const element = byId("lanes-map");
  const cursor = el("div", { id: "lanes-cursor" });
  const lanes = { element, view: null, cursor, moved: false };
  lanes.deck = new Deck({
    parent: element,
    views: new OrthographicView({ id: "lanes", flipY: true, controller: { scrollZoom: { speed: 0.02 }, keyboard: false } }),
    viewState: { target: [WIDTH / 2, 10], zoom: 0 },
    layers: [],
    onViewStateChange: ({ viewState }) => {
      lanes.view = bounded(app, lanes, viewState);
      redraw(app);
      moveCursor(app);
    },
    deviceProps: CANVAS,
  });
  element.append(cursor);
  element.addEventListener("click", (event) => {
    const found = segmentUnder(app, event);
    if (found) app.store.set({ time: Math.max(0, found.time), playing: false });
  });
  element.addEventListener("pointermove", (event) => tell(app, event));
  element.addEventListener("pointerleave", () => app.tip(null));
  return lanes;
}

function rowsOf(app) {
  return stackOf(app).reduce((sum, { scene }) => sum + scene.traffic.lanes.ranks + 2, 0) - 2;
}

function resetLanes(app) {
  const { clientWidth: w, clientHeight: h } = app.lanes.element;
  const rows = Math.max(1, rowsOf(app));
  const zoomX = Math.log2(Math.max(50, w - NAMES - 12) / WIDTH);
  const zoomY = Math.log2(Math.max(Math.min((h - 8) / rows, 18), 2));
  const shift = (NAMES - 12) / 2 / 2 ** zoomX;
  app.lanes.width = w;
  const y = rows * 2 ** zoomY < h - 8 ? rows / 2 : h / 2 / 2 ** zoomY - marginAt(zoomY);
  app.lanes.view = { target: [WIDTH / 2 - shift, y, 0], zoomX, zoomY, zoom: zoomX };
}

/** Half of a name's height in rows: what the first and the last need beyond their lanes. */
function marginAt(zoomY) {
  return 7 / 2 ** zoomY;
}

/** Time may be zoomed, ranks keep their height; both can be moved along. */
function bounded(app, lanes, next) {
  const { clientHeight: h } = lanes.element;
  const rows = Math.max(1, rowsOf(app));
  const zoomX = next.zoomX ?? (Array.isArray(next.zoom) ? next.zoom[0] : next.zoom);
  const half = h / 2 / 2 ** lanes.view.zoomY - marginAt(lanes.view.zoomY);
  const y = Math.min(Math.max(next.target[1], Math.min(half, rows / 2)), Math.max(rows - half, rows / 2));
  const x = Math.min(Math.max(next.target[0], 0), WIDTH);
  return { target: [x, y, 0], zoomX: Math.max(-4, Math.min(9, zoomX)), zoomY: lanes.view.zoomY, zoom: zoomX };
}

function redraw(app) {
  const { lanes } = app;
  const theme = THEMES[themeName(app.store.state)];
  const { zoomX, zoomY, target } = lanes.view;
  const layers = stackOf(app).flatMap(({ scene, first }, i) => [
    ...segmentLayers(app, scene, first, theme, i),
    nameLayer(app, scene, first, theme, i),
  ]);
  lanes.deck.setProps({ layers, viewState: { target, zoomX, zoomY, zoom: [zoomX, zoomY] } });
}

function segmentLayers(app, scene, first, theme, run) {
  const { lanes, duration } = scene.traffic;
  const scale = WIDTH / (longest(app.scenes) || 1);
  const key = `${themeName(app.store.state)} ${first} ${scale} ${app.lanes.view.zoomY} ${scene.traffic.version}`;
  if (scene.cache.lanes?.key !== key) scene.cache.lanes = { key, ...columns(lanes, first, scale, theme, scene) };
  const { data, critical } = scene.cache.lanes;
  const height = LANE * 2 ** app.lanes.view.zoomY;
  const layer = (id, part, width) =>
    new SmoothLineLayer({
      id: `lanes${run}-${id}`, data: part, widthUnits: "pixels", getWidth: width,
      updateTriggers: { getWidth: width },
    });
  return duration ? [layer("all", data, height * 0.86), layer("critical", critical, Math.max(2, height * 0.3))] : [];
}

function columns(lanes, first, scale, theme, scene) {
  const hues = scene.traffic.labels.map((_, k) => [...classColour(theme, k), 235]);
  const plain = [...classColour(theme, 0), 235];
  const still = [[...theme.nodeEdge, 255], null, [...theme.faint, 255]];
  const colour = (i) => still[lanes.what[i]] || (hues.length > 1 ? hues[lanes.label[i]] : plain);
  const make = (rows, paint) => {
    const n = rows.length;
    const source = new Float32Array(2 * n);
    const target = new Float32Array(2 * n);
    const colours = new Uint8Array(4 * n);
    for (let i = 0; i < n; i++) {
      const row = rows[i];
      const y = first + lanes.rank[row] + 0.5;
      source[2 * i] = lanes.begin[row] * scale;
      target[2 * i] = lanes.end[row] * scale;
      source[2 * i + 1] = target[2 * i + 1] = y;
      const [r, g, b, a] = paint(row);
      colours[4 * i] = r;
      colours[4 * i + 1] = g;
      colours[4 * i + 2] = b;
      colours[4 * i + 3] = a;
    }
    return {
      length: n,
      attributes: {
        getSourcePosition: { value: source, size: 2 },
        getTargetPosition: { value: target, size: 2 },
        getColor: { value: colours, size: 4, normalized: true },
      },
    };
  };
  const every = Uint32Array.from({ length: lanes.rank.length }, (_, i) => i);
  const mark = [...theme.mark, 255];
  return { data: make(every, colour), critical: make(every.filter((i) => lanes.critical[i]), () => mark) };
}

function nameLayer(app, scene, first, theme, run) {
  const { ranks } = scene.traffic.lanes;
  const height = 2 ** app.lanes.view.zoomY;
  const every = Math.max(1, Math.ceil(13 / height));
  const { target, zoomX } = app.lanes.view;
  const left = target[0] - (app.lanes.element.clientWidth / 2 - 6) / 2 ** zoomX;
  const data = [];
  for (let r = 0; r < ranks; r += every) data.push({ text: `rank ${r}`, at: [left, first + r + 0.5] });
  return new TextLayer({
    id: `lanes${run}-names`,
    data,
    getText: (d) => d.text,
    getPosition: (d) => d.at,
    getSize: 11,
    getColor: [...theme.text, 255],
    getTextAnchor: "start",
    getAlignmentBaseline: "center",
    characterSet: [..."rank 0123456789"],
    fontFamily: "system-ui, sans-serif",
    background: true,
    getBackgroundColor: [...theme.rack, 230],
    backgroundPadding: [3, 0, 4, 0],
    updateTriggers: { getColor: css(theme.text), getBackgroundColor: css(theme.rack) },
  });
}

function drawHead(app) {
  const theme = THEMES[themeName(app.store.state)];
  const swatch = (colour, label) => {
    const mark = el("i", { class: "swatch" });
    mark.style.background = css(colour);
    return el("span", { class: "key" }, mark, el("bdi", {}, label));
  };
  const runs = runsOf(app);
  const { labels } = runs[0].traffic;
  const moving = labels.length > 1
    ? labels.slice(0, 7).map((label, k) => swatch(classColour(theme, k), label))
    : [swatch(classColour(theme, 0), "moves bytes")];
  const titles = runs.map((scene) => scene.traffic.title).join("  above  ");
  byId("lanes-head").replaceChildren(
    el("strong", {}, name(`Ranks over time: ${titles}`)),
    ...moving, swatch(theme.nodeEdge, "waits for another rank"), swatch(theme.faint, "software"), swatch(theme.mark, "critical path"),
  );
}

function moveCursor(app) {
  const { view, cursor, width } = app.lanes;
  const x = (app.store.state.time / longest(app.scenes)) * WIDTH;
  const px = (x - view.target[0]) * 2 ** view.zoomX + width / 2;
  cursor.hidden = px < NAMES || px > width;
  cursor.style.left = `${px}px`;
}

/** The row of a lane under a pointer: the scene, the row, and the time there. */
export function segmentAt(app, px, py) {
  const { view, element } = app.lanes;
  const x = view.target[0] + (px - element.clientWidth / 2) / 2 ** view.zoomX;
  const y = view.target[1] + (py - element.clientHeight / 2) / 2 ** view.zoomY;
  const seconds = (x / WIDTH) * longest(app.scenes);
  for (const { scene, first } of stackOf(app)) {
    const { lanes } = scene.traffic;
    const rank = Math.floor(y - first);
    if (rank < 0 || rank >= lanes.ranks) continue;
    const row = lanes.rank.findIndex((r, i) => r === rank && lanes.begin[i] <= seconds && seconds < lanes.end[i]);
    return { scene, rank, row, time: seconds };
  }
  return null;
}

function segmentUnder(app, event) {
  const box = app.lanes.element.getBoundingClientRect();
  return segmentAt(app, event.clientX - box.left, event.clientY - box.top);
}

function tell(app, event) {
  const found = segmentUnder(app, event);
  if (!found || found.row < 0) return app.tip(null);
  const { lanes, labels } = found.scene.traffic;
  const { row } = found;
  const peer = lanes.peer[row];
  const doing = lanes.what[row] === 0 && peer >= 0 ? `waits for rank ${peer}` : WHAT[lanes.what[row]];
  const label = labels.length > 1 && lanes.what[row] === 1 ? ` (${labels[lanes.label[row]]})` : "";
  const until = lanes.what[row] === 1 && peer >= 0 ? `, last with rank ${peer}` : "";
  const span = time(lanes.end[row] - lanes.begin[row]);
  const text = `rank ${found.rank} ${doing}${label} for ${span}${until}${lanes.critical[row] ? " · critical path" : ""}`;
  return app.tip(text, event.clientX, event.clientY);
}
