// The packets pane: what became of the packets of each traffic class, in all and in time, and the
// queues in which most bytes waited.

import { el, facts, name, svg } from "./dom.js";
import { bytes, count, time } from "./format.js";
import { themeName } from "./look.js";
import { classColour, css, THEMES } from "./palette.js";

const WIDTH = 300;
const HEIGHT = 46;

const packets = (n) => `${count(n)} packet${n === 1 ? "" : "s"}`;

/** What is drawn over time, in this order: a field of the data, its title, how its values read. */
const COURSES = [
  ["packets", "arrived", packets],
  ["waited", "mean wait for a link", time],
  ["longest", "longest time of a packet", time],
  ["overtaken", "overtaken by a later one", packets],
  ["farthest", "overtaken by at most", packets],
  ["dropped", "dropped", packets],
  ["resent", "sent again", packets],
  ["marked", "marked (ECN)", packets],
  ["pauses", "links stopped (PFC)", (n) => `${count(n)} times`],
  ["paused", "links stopped, all together", time],
];

export function packetsPane(app) {
  const { state } = app.store;
  const shown = state.compare ? app.scenes : app.scenes.slice(0, 1);
  return shown.filter((scene) => scene.traffic && scene.traffic.packets).flatMap((scene) => runPane(app, scene));
}

function runPane(app, scene) {
  const { traffic } = scene;
  const found = traffic.packets;
  const theme = THEMES[themeName(app.store.state)];
  const several = found.classes.length > 1;
  if (!found.classes.length) return [el("h2", {}, "Packets"), el("p", { class: "faint" }, "None were sent.")];
  return [
    el("h2", {}, name(several ? "Packets by traffic class" : "Packets")),
    ...found.classes.flatMap((one, k) => [
      several ? el("h3", {}, swatch(theme, k), name(one.name)) : null,
      facts(one.facts),
    ]),
    el("h2", {}, "In time"),
    el("p", { class: "faint" }, `The most of each line stands beside it; a step is ${time(found.window)}.`),
    ...COURSES.flatMap(([field, title, say]) => courseOf(app, scene, field, title, say, theme)),
    el("h2", {}, "Longest queues"),
    found.queues.length
      ? el("ol", { class: "list", id: "queues" }, found.queues.map((queue) => queueItem(app, scene, queue, theme)))
      : el("p", { class: "faint" }, "Nothing waited for a link."),
  ];
}

function swatch(theme, k) {
  const mark = el("i", { class: "swatch" });
  mark.style.background = css(classColour(theme, k));
  return mark;
}

/** A line for each class in one frame; nothing where all of it is 0. */
function courseOf(app, scene, field, title, say, theme) {
  const found = scene.traffic.packets;
  const all = found.course[field];
  const most = all.reduce((a, b) => Math.max(a, b), 0);
  if (!most) return [];
  const lines = found.classes.map((_, k) => [all.subarray(k * found.windows, (k + 1) * found.windows), css(classColour(theme, k))]);
  return [
    el("div", { class: "split" }, title, el("span", {}, say(most))),
    chart(app, scene, lines, most, `${title}: at most ${say(most)} in ${time(found.window)}`, field),
  ];
}

function queueItem(app, scene, queue, theme) {
  const most = queue.bytes.reduce((a, b) => Math.max(a, b), 0);
  return el("li", {},
    el("div", { class: "split" }, name(queue.name), el("span", {}, bytes(most))),
    chart(app, scene, [[queue.bytes, css(theme.text)]], most, `Bytes that waited for ${queue.name}: at most ${bytes(most)}`, "queue"));
}

/** Lines over the time of the run, and where the player is. */
function chart(app, scene, lines, most, words, field) {
  const { traffic } = scene;
  const { window: step } = traffic.packets;
  const span = Math.max(traffic.duration, 1e-15);
  const x = (t) => Math.min(1, t / span) * WIDTH;
  const y = (value) => HEIGHT - 2 - (value / most) * (HEIGHT - 6);
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: "100%", height: HEIGHT, preserveAspectRatio: "none", role: "img", "aria-label": words, class: "course", "data-field": field });
  for (const [values, stroke] of lines) {
    if (!values.some((value) => value > 0)) continue;
    let d = `M0 ${y(0)}`;
    values.forEach((value, at) => {
      d += `V${y(value).toFixed(1)}H${x((at + 1) * step).toFixed(1)}`;
    });
    root.append(svg("path", { d, fill: "none", stroke, "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }));
  }
  const now = app.store.state.time;
  if (now !== null) {
    root.append(svg("line", { x1: x(now), x2: x(now), y1: 0, y2: HEIGHT, stroke: "currentColor", "stroke-opacity": 0.5, "vector-effect": "non-scaling-stroke" }));
  }
  return root;
}
