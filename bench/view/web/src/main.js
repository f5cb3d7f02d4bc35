// The page: data in, one state, and everything that shows or changes it.

import { byId, el, name } from "./dom.js";
import { plural } from "./format.js";
import { fromHash, toHash } from "./hash.js";
import { attachKeys } from "./keys.js";
import { drawLanes } from "./lanes.js";
import { drawLive, follow, makeLive } from "./live.js";
import { drawLegend } from "./legend.js";
import { sameVertex, themeName } from "./look.js";
import { draw, fit, goTo, layOut, levelOf, makeDeck, makeMap, settled, shown, sizeOf, under } from "./map.js";
import { countsOf, kindOf, makeModel } from "./model.js";
import { kindName, lineName } from "./naming.js";
import { drawPane, drawTabs, hasTab } from "./panel.js";
import { decode } from "./payload.js";
import { drawChart, picturesOf } from "./charts.js";
import { attachPrint, savePng, saveSvg } from "./picture.js";
import { attachPlayer, busiest, drawPlayer, longest } from "./player.js";
import { routesOn } from "./routes.js";
import { linesAt, makeScene } from "./scene.js";
import { attachSearch, search } from "./search.js";
import { makeStore } from "./store.js";
import { firstPlane, hasTiers } from "./tiers.js";

const FRESH = {
  picture: "racks", level: "auto", theme: "auto", colour: "utilisation", tab: "machine", speed: 1, time: null,
  playing: false, lanes: false, compare: true, fitted: true, selected: null, from: null, to: null,
  hidden: new Set(), view: { x: 0, y: 0, zoom: 0 }, following: false, came: 0,
};

async function begin() {
  document.documentElement.dataset.theme = themeName(FRESH);
  const reading = decode(byId("data").textContent);
  const deck = makeDeck(byId("map"));
  const data = await reading;
  const models = data.topologies.map(makeModel);
  const scenes = data.runs.map((run) => makeScene(models[run.topology], run.traffic || null));
  if (data.live) makeLive(scenes[0].traffic, scenes[0].model.linkCount);
  const store = makeStore({ ...FRESH, following: Boolean(data.live) });
  const app = { scenes, store, title: data.title, live: Boolean(data.live), fail };
  app.sameVertex = (scene, v) => sameVertex(scenes, scene, v);
  app.choose = (selected, options) => choose(app, selected, options);
  app.tip = (text, x, y) => tip(text, x, y);
  app.firstTime = busiest(scenes);
  app.pictures = picturesOf(scenes[0], hasTiers(models[0]));
  const given = fromHash(location.hash, models[0]);
  Object.assign(store.state, { time: app.firstTime, ...firstView(app, given) }, given);
  if (!app.pictures.includes(store.state.picture)) store.state.picture = "racks";
  store.state.time = Math.min(store.state.time, longest(scenes));
  if (scenes[0].traffic && !location.hash) store.state.tab = "traffic";
  if (!hasTab(scenes, store.state.tab)) store.state.tab = "machine";
  attachPlayer(app);
  // What takes room does so before the map is laid out.
  drawLegend(scenes, store);
  byId("title").replaceChildren(name(data.title));
  attachBar(app);
  app.map = makeMap(byId("map"), deck, scenes, store, {
    click: (info) => click(app, info),
    hover: (found, x, y) => hover(found, x, y),
    error: fail,
  });
  store.state.selected = checked(store.state.selected, scenes[0]);
  attachKeys(app, { share, switchTheme });
  attachPrint(app);
  listen(app);
  if (app.live) follow(app);
  return app;
}

/** What a page shows that no link leads to: tiers, and of these the first plane and what is used. */
function firstView(app, { picture, level }) {
  const [{ model, traffic }] = app.scenes;
  if (app.pictures[0] !== "tiers" || (picture ?? "tiers") !== "tiers" || level) return {};
  const used = new Set([firstPlane(model)]);
  if (traffic) traffic.link_bytes.forEach((x, e) => x && used.add(model.links.plane[e]));
  const hidden = app.live ? [] : model.planes.filter((_, p) => !used.has(p)).map((plane) => plane.name);
  return { picture: "tiers", hidden: new Set(hidden) };
}

/** A line of a link to a view is there only if the lines of its level reach that far. */
function checked(selected, scene) {
  if (selected?.type !== "line") return selected;
  return selected.id < linesAt(scene, selected.level).count ? selected : null;
}

/** What follows from each change of the state. */
function listen(app) {
  const { store } = app;
  store.listen((state, changed) => {
    document.documentElement.dataset.theme = themeName(state);
    const any = (...keys) => keys.some((key) => changed.has(key));
    if (any("start", "hidden", "theme", "colour", "compare")) drawLegend(app.scenes, store);
    if (any("start", "compare")) drawCaptions(app);
    if (changed.has("picture") && !changed.has("start")) {
      layOut(app.map);
      fit(app.map);
    }
    drawChart(app, changed);
    if (any("start", "tab")) drawTabs(app);
    if (any("start", "tab", "selected", "from", "to", "compare", "theme") || timed(app, changed)) drawPane(app);
    if (app.live && any("start", "came")) drawLive(app);
    if (changed.has("size") && state.fitted) fit(app.map);
    if (changed.has("compare") && state.fitted && !changed.has("start")) fit(app.map);
    drawPlayer(app, changed);
    drawLanes(app, changed);
    if (!onlyOf(changed, ["tab", "speed", "lanes", "playing"])) draw(app.map, changed);
    byId("level").value = state.level;
    byId("picture").value = state.picture;
    if (!state.playing && !state.following) saveHash(app);
  });
  const start = () => {
    if (store.state.fitted) fit(app.map);
    store.set({ start: true, size: {} });
  };
  start();
  new ResizeObserver(() => {
    const { width, height } = sizeOf(app.map.element);
    if (!width || !height) return; // hidden, as on paper: what is drawn stays as it is
    if (width === app.map.size.width && height === app.map.size.height) return;
    app.map.size = { width, height };
    store.set({ size: {} });
  }).observe(app.map.element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => store.set({ size: {}, theme: store.state.theme }));
}

function onlyOf(changed, keys) {
  return [...changed].every((key) => keys.includes(key));
}

/** Whether the panel shows something that changes with time, at most a few times a second. */
function timed(app, changed) {
  const { state } = app.store;
  if (!(changed.has("time") || changed.has("came")) || !["traffic", "packets", "details"].includes(state.tab)) return false;
  const now = performance.now();
  if ((state.playing || state.following) && now - (app.panelDrawn || 0) < 400) return false;
  app.panelDrawn = now;
  return true;
}

function saveHash(app) {
  clearTimeout(app.hashTimer);
  app.hashTimer = setTimeout(() => history.replaceState(null, "", toHash(app.store.state)), 150);
}

function drawCaptions(app) {
  const { scenes, store } = app;
  const shown = scenes.length > 1 && store.state.compare ? scenes : [];
  byId("captions").replaceChildren(...shown.map(({ traffic, model }) =>
    el("div", {}, el("span", {}, name(traffic ? traffic.title : model.name), el("small", {}, without(model))))));
}

function without(model) {
  const { removed } = model;
  if (!removed.length) return "nothing taken out";
  return `without ${removed.slice(0, 2).join(", ")}${removed.length > 2 ? ` and ${removed.length - 2} more` : ""}`;
}

function attachBar(app) {
  const { store, scenes } = app;
  attachSearch(byId("query"), byId("results"), (text) => search(scenes[0].model, text), (entry) => {
    choose(app, { type: entry.type, id: entry.id });
    byId("query").value = "";
  });
  byId("picture").addEventListener("change", (event) => store.set({ picture: event.target.value, selected: null }));
  for (const option of [...byId("picture").options]) if (!app.pictures.includes(option.value)) option.remove();
  byId("level").addEventListener("change", (event) => store.set({ level: event.target.value }));
  for (const option of [...byId("level").options]) {
    if (option.value === "rack" && !scenes[0].model.racks.length) option.remove();
  }
  byId("fit").addEventListener("click", () => fit(app.map));
  byId("theme").addEventListener("click", () => switchTheme(app));
  byId("png").addEventListener("click", () => savePng(app).catch(fail));
  byId("svg").addEventListener("click", () => saveSvg(app));
  byId("share").addEventListener("click", () => share(app));
}

function switchTheme(app) {
  app.store.set({ theme: themeName(app.store.state) === "dark" ? "light" : "dark" });
}

/** The link goes into the address at once; the clipboard may be closed to a page from a file. */
async function share(app) {
  clearTimeout(app.hashTimer);
  history.replaceState(null, "", toHash(app.store.state));
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  const box = byId("share").getBoundingClientRect();
  tip(copied ? "The link to this view is copied" : "The link to this view is in the address bar", box.left, box.bottom + 18);
  setTimeout(() => tip(null), 2500);
}

/** Select something, show its details, and bring it into sight unless it is there. */
function choose(app, selected, { stay = false } = {}) {
  const { store, scenes } = app;
  store.set({ selected, tab: stay ? store.state.tab : "details" });
  const { layout, model } = scenes[0];
  if (selected.type === "group") goTo(app.map, edges(layout.groups[selected.id]));
  if (selected.type === "vertex") goTo(app.map, edges(layout.groups[model.group[selected.id]]));
}

function edges({ x, y, w, h }) {
  return { x0: x, y0: y, x1: x + w, y1: y + h };
}

function click(app, info) {
  const { store, scenes } = app;
  const found = under(app.map, info.x, info.y, matchMedia("(pointer: coarse)").matches);
  const { state } = store;
  if (!found) return store.set({ selected: null });
  if (found.scene !== scenes[0]) return clickOther(app, found);
  const { model } = scenes[0];
  if (state.tab === "routes" && found.type === "vertex" && found.id < model.endpoints) {
    const key = state.from === null || state.to !== null ? "from" : "to";
    return store.set({ [key]: found.id, ...(key === "from" ? { to: null } : {}) });
  }
  const { type, id, level } = found;
  return store.set({ selected: type === "line" ? { type, id, level } : { type, id }, tab: "details" });
}

/** A click into the second run means the thing of that name in the first. */
function clickOther(app, found) {
  const { model } = app.scenes[0];
  if (found.type !== "vertex") return;
  const id = model.index.get(found.scene.model.names[found.id]);
  if (id !== undefined) app.store.set({ selected: { type: "vertex", id }, tab: "details" });
}

function hover(found, x, y) {
  if (!found) return tip(null);
  const { scene } = found;
  const { model } = scene;
  const box = byId("map").getBoundingClientRect();
  const texts = {
    vertex: () => `${model.names[found.id]} · ${kindName(kindOf(model, found.id))}${model.vertexGone[found.id] ? " · taken out" : ""}`,
    group: () => model.groups.names[found.id],
    line: () => {
      const lines = linesAt(scene, found.level);
      return `${lineName(scene, found.level, found.id)} · ${model.planes[lines.plane[found.id]].name}, ${plural(lines.links[found.id], "link")}`;
    },
  };
  return tip(texts[found.type](), box.left + x, box.top + y);
}

function tip(text, x, y) {
  const box = byId("tip");
  box.hidden = !text;
  if (!text) return;
  const stage = byId("stage").getBoundingClientRect();
  box.replaceChildren(name(text));
  const left = Math.min(x - stage.left + 14, stage.width - box.offsetWidth - 6);
  const top = Math.min(y - stage.top + 14, stage.height - box.offsetHeight - 6);
  box.style.left = `${Math.max(4, left)}px`;
  box.style.top = `${Math.max(4, top)}px`;
}

function fail(error) {
  console.error(error);
  const old = typeof DecompressionStream === "undefined" || !document.createElement("canvas").getContext("webgl2");
  const why = old ? "This browser lacks WebGL 2 or DecompressionStream, which the page draws with." : String(error);
  byId("failure")?.remove();
  document.body.append(el("div", { id: "failure" }, el("p", {}, "The page cannot be shown. ", why)));
}

begin().then((app) => {
  // For tests, benchmarks and the browser's console.
  window.triplane = {
    state: app.store.state,
    set: app.store.set,
    ready: shown(app.map),
    settled: () => settled(app.map),
    counts: (run = 0) => countsOf(app.scenes[run].model),
    lines: (level) => linesAt(app.scenes[0], level || levelOf(app.map, app.scenes[0])).count,
    level: () => levelOf(app.map, app.scenes[0]),
    routes: (plane, a, b, run = 0) => {
      const { model } = app.scenes[run];
      return routesOn(model, model.planes.findIndex((p) => p.name === plane), a, b);
    },
    app,
  };
}, fail);
