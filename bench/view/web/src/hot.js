// The traffic pane: what ran, the hottest links, and two runs beside each other.

import { el, facts, name } from "./dom.js";
import { bytes, count, percent, time } from "./format.js";
import { marksPane } from "./live.js";
import { binAt } from "./look.js";
import { bandwidthOf } from "./model.js";
import { bundleName } from "./naming.js";

const MOST = 12;

/** Resources by how busy their links are over the whole run: index, share of the time, links. */
export function hottest(scene, most = MOST) {
  const { model, traffic } = scene;
  scene.cache.alike ??= alike(traffic.resource);
  const span = traffic.live ? traffic.live.now : traffic.duration;
  const found = [];
  for (const [r, list] of scene.cache.alike) {
    const bytes = traffic.link_bytes[list[0]];
    if (bytes) found.push({ resource: r, links: list, busy: bytes / bandwidthOf(model, list[0]) / span });
  }
  return found.sort((a, b) => b.busy - a.busy || a.resource - b.resource).slice(0, most);
}

/** The links of each resource that has any, in order of their first. */
function alike(resource) {
  const links = new Map();
  resource.forEach((number, e) => {
    if (!number) return;
    if (!links.has(number - 1)) links.set(number - 1, []);
    links.get(number - 1).push(e);
  });
  return links;
}

export function trafficPane(app) {
  const { state } = app.store;
  const shown = state.compare ? app.scenes : app.scenes.slice(0, 1);
  return [
    ...(app.scenes.length > 1 ? comparison(app) : []),
    ...shown.filter((scene) => scene.traffic).flatMap((scene) => runPane(app, scene)),
  ];
}

function runPane(app, scene) {
  const { traffic } = scene;
  const bin = binAt(traffic, app.store.state.time);
  if (traffic.live) scene.cache.hottest = hottest(scene);
  scene.cache.hottest ??= hottest(scene);
  return [
    el("h2", {}, name(traffic.title)),
    facts([traffic.live ? ["so far", time(traffic.live.now)] : ["duration", time(traffic.duration)], ...traffic.facts]),
    ...(traffic.live ? marksPane(traffic, app.store.state.time) : []),
    el("h2", {}, "Hottest links"),
    el("ol", { class: "list hot" }, scene.cache.hottest.map((hot) => hotItem(app, scene, hot, bin))),
  ];
}

function hotItem(app, scene, hot, bin) {
  const { model, traffic } = scene;
  const now = bin < 0 ? 0 : traffic.utilisation[hot.resource * traffic.bins + bin] / 255;
  const several = hot.links.length > 1 ? ` (${count(hot.links.length)} links alike)` : "";
  const bar = el("i");
  bar.style.width = `${Math.min(100, 100 * now)}%`;
  const choose = () => app.choose({ type: "vertex", id: model.links.src[hot.links[0]] }, { stay: true });
  return el("li", {},
    el("button", { type: "button", class: "link", onclick: scene === app.scenes[0] ? choose : null },
      el("div", { class: "split" }, name(bundleName(model, hot.links) + several), el("span", {}, percent(hot.busy))),
      el("small", {}, `${bytes(traffic.link_bytes[hot.links[0]])} a link · now ${percent(now)}`)),
    el("div", { class: "meter" }, bar));
}

function comparison(app) {
  const [a, b] = app.scenes.map((scene) => scene.traffic);
  if (!a || !b) return [];
  const row = (label, x, y, show) => el("tr", {}, el("td", {}, label), el("td", { class: "n" }, show(x)), el("td", { class: "n" }, show(y)));
  const total = (traffic) => traffic.link_bytes.reduce((sum, x) => sum + x, 0);
  const hot = (scene) => (scene.cache.hottest ??= hottest(scene))[0]?.busy ?? 0;
  const change = b.duration / a.duration - 1;
  return [
    el("h2", {}, "Side by side"),
    el("table", { id: "comparison" },
      el("tr", {}, el("th", {}), el("th", { class: "n" }, "first"), el("th", { class: "n" }, "second")),
      row("duration", a.duration, b.duration, time),
      row("bytes over links", total(a), total(b), bytes),
      row("hottest link busy", hot(app.scenes[0]), hot(app.scenes[1]), percent)),
    el("p", {}, Math.abs(change) < 5e-4
      ? "Both take the same time."
      : `The second takes ${Math.abs(change * 100).toFixed(1)} % ${change > 0 ? "longer" : "less"}.`),
  ];
}
