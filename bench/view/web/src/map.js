// The map: one deck.gl canvas with a view a run, which move together.

import { Deck, OrthographicView } from "@deck.gl/core";
import { layersOf } from "./layers.js";
import { makeLayout } from "./layout.js";
import { makeLook } from "./look.js";
import { layScene, levelAt } from "./scene.js";
import { pick, sightOf } from "./sight.js";
import { hasTiers, makeTiers } from "./tiers.js";

const STILL = 5; // pixels that a pointer may move in a click

/** Layers are drawn in order and smooth their own edges: neither depth nor multisampling is needed. */
export const CANVAS = { type: "webgl", webgl: { antialias: false, depth: false, stencil: false } };

/** An empty canvas in `element`: the browser can get it ready while the data are being read. */
export function makeDeck(element) {
  return new Deck({
    parent: element,
    views: new OrthographicView({ id: "empty" }),
    viewState: { target: [0, 0, 0], zoom: 0 },
    layers: [],
    deviceProps: CANVAS,
    _typedArrayManagerProps: { overAlloc: 1, poolSize: 0 },
  });
}

export function makeMap(element, deck, scenes, store, events) {
  const map = { element, deck, scenes, store, events, size: sizeOf(element), layouts: new Map() };
  layOut(map);
  deck.setProps({
    layerFilter: ({ layer, viewport }) => layer.id.startsWith(`${viewport.id}:`),
    onViewStateChange: ({ viewState }) => {
      const { target, zoom } = viewState;
      store.set({ view: { x: target[0], y: target[1], zoom: Array.isArray(zoom) ? zoom[0] : zoom }, fitted: false });
    },
    onAfterRender: () => {
      map.rendered ||= deck.props.layers.length > 0;
    },
    getCursor: ({ isDragging }) => (isDragging ? "grabbing" : map.over ? "pointer" : "grab"),
    onError: (error) => events.error(error),
  });
  // Not deck.gl's click, which waits to see whether a second one follows.
  element.addEventListener("pointerdown", (event) => {
    map.pressed = { x: event.clientX, y: event.clientY };
  });
  element.addEventListener("click", (event) => {
    const { x, y } = map.pressed || { x: event.clientX, y: event.clientY };
    if (Math.hypot(event.clientX - x, event.clientY - y) > STILL) return;
    const box = element.getBoundingClientRect();
    events.click({ x: event.clientX - box.left, y: event.clientY - box.top });
  });
  element.addEventListener("pointermove", (event) => hover(map, event));
  element.addEventListener("pointerleave", () => events.hover(null));
  return map;
}

/** Give every scene the layout of the picture that is chosen, made for the shape of its window. */
export function layOut(map) {
  const [{ width, height }] = windowsOf(map);
  const { w, h } = legendOver(map);
  const flat = w > h;
  const free = { x: width - (flat ? 0 : w) - 30, y: height - overhead(map) - (flat ? h : 0) - 20 };
  const aspect = free.x / Math.max(60, free.y);
  const byTiers = map.store.state.picture === "tiers";
  const kept = byTiers ? "tiers" : "racks";
  for (const scene of map.scenes) {
    const { model } = scene;
    const layouts = map.layouts.get(model) || {}; // two runs on one machine share its layout
    const make = byTiers && hasTiers(model) ? makeTiers : makeLayout;
    layouts[kept] ??= make(model, Math.min(4, Math.max(0.3, aspect)));
    map.layouts.set(model, layouts);
    layScene(scene, layouts[kept]);
  }
}

/** Pixels that the captions of two runs take at the top. */
function overhead(map) {
  return map.store.state.compare && map.scenes.length > 1 ? 50 : 8;
}

/** Kept, because to ask the element in every frame would lay the page out anew each time. */
export function sizeOf(element) {
  return { width: element.clientWidth, height: element.clientHeight };
}

/** Each run's window in the element, in pixels: beside each other, or above on a narrow screen. */
export function windowsOf(map) {
  const { width, height } = map.size;
  const { state } = map.store;
  if (map.scenes.length < 2 || !state.compare) return [{ scene: map.scenes[0], id: "run0", x: 0, y: 0, width, height }];
  const across = width >= 560;
  const w = across ? width / 2 : width;
  const h = across ? height : height / 2;
  return map.scenes.map((scene, i) => ({
    scene, id: `run${i}`, x: across ? i * w : 0, y: across ? 0 : i * h, width: w, height: h,
  }));
}

function viewsOf(map) {
  return windowsOf(map).map(
    ({ id, x, y, width, height }) =>
      new OrthographicView({
        id, x, y, width, height, flipY: true,
        controller: { inertia: 200, scrollZoom: { speed: 0.02, smooth: false }, keyboard: false },
      }),
  );
}

function statesOf(map) {
  const { view } = map.store.state;
  return Object.fromEntries(
    windowsOf(map).map(({ id }) => [
      id, { target: [view.x, view.y, 0], zoom: view.zoom, minZoom: -6, maxZoom: 6 },
    ]),
  );
}

/** The view that shows all of a box of the drawing, beside or above the legend. */
export function viewOf(map, { x0, y0, x1, y1 }, most = 4) {
  const { width, height } = windowsOf(map)[0];
  const over = overhead(map);
  const { w, h } = legendOver(map);
  const views = [
    { left: 12, under: h && h + 20 },
    { left: w + 24, under: 10 },
  ].map(({ left, under }) => {
    const free = { x: width - left - 12, y: height - over - Math.min(under, height * 0.4) };
    const scale = Math.min(Math.max(40, free.x) / (x1 - x0), Math.max(40, free.y) / (y1 - y0), 2 ** most);
    return {
      x: (x0 + x1) / 2 - (left - 12) / 2 / scale,
      y: (y0 + y1) / 2 + (height - free.y - 2 * over) / 2 / scale,
      zoom: Math.log2(scale),
    };
  });
  return views[0].zoom >= views[1].zoom ? views[0] : views[1];
}

/** The size of the legend where it lies over the map, as it does on wide screens. */
function legendOver(map) {
  const legend = document.getElementById("legend");
  const over = getComputedStyle(legend).position === "absolute";
  return over ? { w: legend.offsetWidth, h: legend.offsetHeight } : { w: 0, h: 0 };
}

export function fit(map) {
  const { view: old } = map.store.state;
  const view = viewOf(map, map.scenes[0].layout.bounds);
  const same = ["x", "y", "zoom"].every((key) => view[key] === old[key]);
  map.store.set({ view: same ? old : view, fitted: true });
}

function frame() {
  return new Promise(requestAnimationFrame);
}

/** Resolves once what follows from the changes made so far is on the screen. */
export async function settled(map) {
  await frame(); // the store tells of changes
  await frame(); // deck.gl draws
  return shown(map);
}

/** Resolves once what has been drawn so far is on the screen. */
export async function shown(map) {
  while (!map.rendered) await frame();
  const gl = map.deck.getCanvas().getContext("webgl2");
  const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
  gl.flush();
  // A fence that has been passed says so only from the next task on.
  do await frame();
  while (gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED && !gl.isContextLost());
  gl.deleteSync(fence);
  await frame(); // the browser gives it when it has put the one before on the screen
  return true;
}

export function goTo(map, box) {
  const margin = 40;
  const { x0, y0, x1, y1 } = box;
  map.store.set({
    view: viewOf(map, { x0: x0 - margin, y0: y0 - margin, x1: x1 + margin, y1: y1 + margin }, 2.5),
    fitted: false,
  });
}

export function levelOf(map, scene) {
  const { state } = map.store;
  const level = state.level === "auto" ? levelAt(scene, 2 ** state.view.zoom) : state.level;
  return level === "rack" && (!scene.model.racks.length || scene.layout.tiers) ? "node" : level;
}

function boundsOf(window, view) {
  const half = { x: window.width / 2 / 2 ** view.zoom, y: window.height / 2 / 2 ** view.zoom };
  return { x0: view.x - half.x, x1: view.x + half.x, y0: view.y - half.y, y1: view.y + half.y };
}

export function sightIn(map, window) {
  const { view } = map.store.state;
  return sightOf(window.scene, boundsOf(window, view), 2 ** view.zoom);
}

export function draw(map, changed) {
  const { state } = map.store;
  const props = {};
  if (changed.has("compare") || changed.has("size")) props.views = viewsOf(map);
  if (changed.has("view") || changed.has("compare") || changed.has("size")) props.viewState = statesOf(map);
  props.layers = windowsOf(map).flatMap((window) => {
    const level = levelOf(map, window.scene);
    const look = makeLook(map.scenes, window.scene, level, state);
    return layersOf(window.scene, window.id, level, look, sightIn(map, window));
  });
  map.deck.setProps(props);
}

/** What is under a point of the element: the window and what `pick` says, null for nothing. */
export function under(map, px, py, touch = false) {
  const window = windowsOf(map).find(
    (w) => px >= w.x && px < w.x + w.width && py >= w.y && py < w.y + w.height,
  );
  if (!window) return null;
  const { view } = map.store.state;
  const scale = 2 ** view.zoom;
  const x = view.x + (px - window.x - window.width / 2) / scale;
  const y = view.y + (py - window.y - window.height / 2) / scale;
  const level = levelOf(map, window.scene);
  const look = makeLook(map.scenes, window.scene, level, map.store.state);
  const found = pick(window.scene, level, look, sightIn(map, window), x, y, (touch ? 9 : 4) / scale);
  return found ? { ...found, scene: window.scene } : null;
}

function hover(map, event) {
  if (event.buttons || event.pointerType === "touch") return map.events.hover(null);
  const box = map.element.getBoundingClientRect();
  const x = event.clientX - box.left;
  const y = event.clientY - box.top;
  const found = under(map, x, y);
  map.over = Boolean(found);
  return map.events.hover(found, x, y);
}
