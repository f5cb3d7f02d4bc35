// The legend, which is also the switch of each plane.

import { byId, el, svg } from "./dom.js";
import { count, time } from "./format.js";
import { themeName } from "./look.js";
import { countsOf } from "./model.js";
import { kindName } from "./naming.js";
import { classColour, css, planeColour, rampTable, THEMES } from "./palette.js";

export function drawLegend(scenes, store) {
  const { state } = store;
  const scene = scenes[0];
  const theme = THEMES[themeName(state)];
  const rows = [planeRow(scene.model, state, store, theme), shapeRow(scenes, theme)];
  if (scene.traffic && state.colour !== "plane") rows.push(trafficRow(scene, state, theme));
  byId("legend").replaceChildren(...rows);
  // Two runs leave it no corner of its own: it lies flat below them.
  byId("legend").classList.toggle("flat", scenes.length > 1 && state.compare);
}

function planeRow(model, state, store, theme) {
  const links = countsOf(model).planes;
  return el("div", { class: "row" }, ...model.planes.map((plane, p) => {
    const on = !state.hidden.has(plane.name);
    const swatch = el("i");
    swatch.style.background = css(planeColour(model, theme, p));
    return el(
      "button",
      {
        type: "button", class: "plane", "aria-pressed": String(on), "data-plane": plane.name,
        title: `${plane.note || `plane ${plane.name}`} · ${count(links[plane.name])} links one way each (key ${p + 1})`,
        onclick: () => togglePlane(store, plane.name),
      },
      swatch,
      el("bdi", {}, short(plane.name)),
    );
  }));
}

function short(text) {
  const known = { ub: "UB", rdma: "RDMA", vpc: "VPC", nvlink: "NVLink" };
  return known[text] || (text.length > 16 ? `${text.slice(0, 15)}…` : text);
}

export function togglePlane(store, name) {
  const hidden = new Set(store.state.hidden);
  if (!hidden.delete(name)) hidden.add(name);
  store.set({ hidden });
}

function shapeRow(scenes, theme) {
  const { model } = scenes[0];
  const kinds = model.kinds.filter((_, k) => k < 40);
  const first = (kind) => model.kind.indexOf(model.kinds.indexOf(kind));
  const keys = [];
  for (const kind of kinds) {
    if (first(kind) >= model.endpoints) continue;
    const fill = css(kind === "cpu" ? theme.cpu : theme.die);
    keys.push(key(square(fill), kindName(kind)));
  }
  if (kinds.some((kind) => first(kind) >= model.endpoints)) {
    keys.push(key(circle(css(theme.chip), css(theme.chipEdge)), "switch"));
  }
  const gone = scenes.some((s) => s.model.vertexGone.includes(1) || s.model.links.gone.includes(1));
  if (gone) keys.push(key(crossed(css(theme.gone)), "taken out"));
  return el("div", { class: "row" }, ...keys.slice(0, 6));
}

function key(mark, text) {
  return el("span", { class: "key" }, mark, el("bdi", {}, text.length > 20 ? `${text.slice(0, 19)}…` : text));
}

function square(fill) {
  return svg("svg", { width: 11, height: 11 }, svg("rect", { width: 11, height: 11, fill }));
}

function circle(fill, stroke) {
  return svg("svg", { width: 12, height: 12 }, svg("circle", { cx: 6, cy: 6, r: 5, fill, stroke, "stroke-width": 1.5 }));
}

function crossed(stroke) {
  return svg(
    "svg", { width: 12, height: 12 },
    svg("path", { d: "M2 2L10 10M10 2L2 10", stroke, "stroke-width": 2 }),
    svg("circle", { cx: 6, cy: 6, r: 5, fill: "none", stroke, "stroke-width": 1.2 }),
  );
}

function trafficRow(scene, state, theme) {
  const { traffic } = scene;
  if (state.colour === "class") {
    return el("div", { class: "row" }, ...traffic.labels.slice(0, 8).map((label, k) => {
      const swatch = el("i", { class: "swatch" });
      swatch.style.background = css(classColour(theme, k));
      return el("span", { class: "key" }, swatch, el("bdi", {}, label));
    }));
  }
  const canvas = el("canvas", { width: 256, height: 1 });
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  const table = rampTable(theme);
  for (let i = 0; i < 256; i++) {
    image.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  const queue = state.colour === "queue";
  return el(
    "div", { class: "ramp", title: queue ? "Seconds that the link still needs for what has set out" : "Fraction of the bandwidth in use; a bundle shows its busiest link" },
    el("span", {}, queue ? "queue 0" : "idle"), canvas, el("span", {}, queue ? time(traffic.most_backlog) : "full"),
  );
}
