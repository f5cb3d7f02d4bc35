// What is shown in place of the map: who sends to whom, and what each tier of switches carries.

import { byId, el, facts, name } from "./dom.js";
import { bytes, count } from "./format.js";
import { themeName } from "./look.js";
import { THEMES } from "./palette.js";
import { flowPicture, flowsOf } from "./flow.js";
import { drawMatrix, matrixAt, matrixWords } from "./matrix.js";

const PAUSE = 500; // milliseconds between two pictures of a run that goes on

export const CHARTS = ["matrix", "flow"];

/** The pictures that there are of a page's first run. */
export function picturesOf(scene, tiers) {
  return [...(tiers ? ["tiers"] : []), "racks", ...(scene.traffic ? CHARTS : [])];
}

export function drawChart(app, changed) {
  const { state } = app.store;
  const chart = byId("chart");
  const shows = CHARTS.includes(state.picture);
  chart.hidden = !shows;
  byId("legend").hidden = shows;
  if (!shows || !["start", "picture", "theme", "size", "came"].some((key) => changed.has(key))) return;
  const now = performance.now();
  const { live } = app.scenes[0].traffic;
  if (changed.has("came") && now - (app.chartDrawn || 0) < PAUSE && live.end === null) return;
  app.chartDrawn = now;
  chart.replaceChildren(...(state.picture === "matrix" ? matrixChart(app) : flowChart(app)));
}

function matrixChart(app) {
  const [scene] = app.scenes;
  const { pairs, pairs_of: many, lanes } = scene.traffic;
  const cells = Math.round(Math.sqrt(pairs.length));
  const words = matrixWords(pairs, many);
  const side = Math.max(120, Math.min(byId("stage").clientWidth - 90, byId("stage").clientHeight - 110));
  const canvas = el("canvas", { width: cells, height: cells, role: "img", "aria-label": words, id: "matrix" });
  canvas.style.width = canvas.style.height = `${side}px`;
  drawMatrix(canvas, pairs, THEMES[themeName(app.store.state)]);
  canvas.addEventListener("pointermove", (event) => app.tip(matrixAt(canvas, pairs, many, event), event.clientX, event.clientY));
  canvas.addEventListener("pointerleave", () => app.tip(null));
  const last = lanes ? lanes.ranks - 1 : cells * many - 1;
  return [
    el("h2", {}, name(`Bytes from rank to rank: ${scene.traffic.title}`)),
    el("div", { class: "matrix" },
      el("span", { class: "rows" }, "from"), canvas, el("span", { class: "columns" }, `to: rank 0 … ${count(last)}`)),
    el("p", { class: "faint" }, words),
  ];
}

function flowChart(app) {
  const [scene] = app.scenes;
  const flows = flowsOf(scene);
  const theme = THEMES[themeName(app.store.state)];
  const rows = flows.map(({ plane, from, to, amount }) =>
    el("tr", {}, el("td", {}, name(plane)), el("td", {}, name(`${from} → ${to}`)), el("td", { class: "n" }, bytes(amount))));
  return [
    el("h2", {}, name(`Bytes by tier: ${scene.traffic.title}`)),
    flowPicture(scene, flows, theme, byId("stage").clientWidth - 40),
    flows.length
      ? el("table", { id: "flows" }, el("thead", {}, el("tr", {}, ...["plane", "over", "bytes"].map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, rows))
      : facts([["bytes", "none yet"]]),
  ];
}
