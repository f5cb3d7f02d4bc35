// Bytes by tier, as a Sankey diagram: from the endpoints that send up through the tiers of switches,
// and down again to those that receive. What does not go up from a tier turns there.

import { svg } from "./dom.js";
import { bytes } from "./format.js";
import { kindOf } from "./model.js";
import { kindName } from "./naming.js";
import { css, planeColour } from "./palette.js";

const HEIGHT = 280;
const BAR = 12;
const GAP = 16;

/** Hops of each vertex from the nearest endpoint on a plane; -1 where it is not on it. */
function tiersOn(model, plane) {
  const { src, dst, plane: planeOf } = model.links;
  const tier = new Int32Array(model.size).fill(-1);
  let front = [];
  for (let e = 0; e < model.linkCount; e++) {
    const v = src[e];
    if (planeOf[e] === plane && v < model.endpoints && tier[v] < 0) {
      tier[v] = 0;
      front.push(v);
    }
  }
  while (front.length) {
    const next = [];
    for (const v of front) {
      for (let k = model.out.begin[v]; k < model.out.begin[v + 1]; k++) {
        const e = model.out.list[k];
        if (planeOf[e] !== plane || tier[dst[e]] >= 0) continue;
        tier[dst[e]] = tier[v] + 1;
        next.push(dst[e]);
      }
    }
    front = next;
  }
  return tier;
}

/** What each tier is called, by the kinds of vertices in it. */
function tierNames(model, tier) {
  const kinds = new Map();
  tier.forEach((t, v) => {
    if (t < 0) return;
    if (!kinds.has(t)) kinds.set(t, new Set());
    kinds.get(t).add(kindName(kindOf(model, v)));
  });
  return (t) => [...kinds.get(t)].slice(0, 2).join(", ");
}

/**
 * The flows of a run, plane by plane: from and to by name and by step (0 is sending, `2 * top` is
 * receiving, where `top` is the highest tier that is reached), and bytes.
 */
export function flowsOf(scene) {
  const { model, traffic } = scene;
  scene.cache.tiers ??= model.planes.map((_, p) => tiersOn(model, p));
  return model.planes.flatMap((plane, p) => {
    const tier = scene.cache.tiers[p];
    const moved = new Map();
    const { src, dst, plane: planeOf } = model.links;
    for (let e = 0; e < model.linkCount; e++) {
      if (planeOf[e] !== p || !traffic.link_bytes[e]) continue;
      const key = `${tier[src[e]]} ${tier[dst[e]]}`;
      moved.set(key, (moved.get(key) || 0) + traffic.link_bytes[e]);
    }
    return moved.size ? planeFlows(moved, plane.name, p, tierNames(model, tier)) : [];
  });
}

function planeFlows(moved, plane, p, named) {
  const top = Math.max(...[...moved.keys()].map((key) => Math.max(...key.split(" ").map(Number))));
  const flows = [];
  const last = 2 * Math.max(top, 1);
  const add = (from, to, a, b, amount) => {
    if (amount > 0) flows.push({ plane, p, from, to, a, b, last, amount });
  };
  const up = (t) => moved.get(`${t} ${t + 1}`) || 0;
  for (let t = 0; t < top; t++) add(named(t), named(t + 1), t, t + 1, up(t));
  for (let t = 1; t < top; t++) {
    const turned = up(t - 1) - up(t);
    if (turned > 1e-6 * up(t - 1)) add(named(t), `${named(t)}, turned`, t, last - t, turned);
  }
  for (let t = top; t > 0; t--) add(named(t), named(t - 1), last - t, last - t + 1, moved.get(`${t} ${t - 1}`) || 0);
  for (let t = 0; t <= top; t++) add(named(t), named(t), t, last - t, moved.get(`${t} ${t}`) || 0);
  return flows;
}

export function flowPicture(scene, flows, theme, width) {
  const root = svg("svg", { width, height: HEIGHT + 40, viewBox: `0 0 ${width} ${HEIGHT + 40}`, role: "img", "aria-label": "Bytes by tier; the table below has the same" });
  if (!flows.length) return root;
  const bars = barsOf(flows);
  const most = Math.max(...[...columnsOf(bars).values()].map((column) => column.reduce((sum, bar) => sum + bar.amount, 0)));
  const widest = Math.max(...[...columnsOf(bars).values()].map((column) => column.length));
  const scale = (HEIGHT - GAP * widest) / most;
  const across = (bar) => 10 + (bar.at / bar.last) * (width - 20 - BAR);
  for (const column of columnsOf(bars).values()) {
    let y = 24;
    for (const bar of column) {
      Object.assign(bar, { x: across(bar), y, out: y, into: y });
      y += bar.amount * scale + GAP;
    }
  }
  for (const flow of flows) root.append(ribbon(bars, flow, scale, css(planeColour(scene.model, theme, flow.p))));
  for (const bar of bars.values()) root.append(...drawnBar(bar, scale, theme, width));
  return root;
}

/** The bars between which flows go: one a plane and step, as high as what passes it. */
function barsOf(flows) {
  const bars = new Map();
  const at = (flow, step, label) => {
    const key = `${flow.p} ${step}`;
    if (!bars.has(key)) bars.set(key, { key: step / flow.last, at: step, last: flow.last, label, in: 0, go: 0, amount: 0 });
    return bars.get(key);
  };
  for (const flow of flows) {
    at(flow, flow.a, flow.from).go += flow.amount;
    at(flow, flow.b, flow.to.replace(/, turned$/, "")).in += flow.amount;
  }
  for (const bar of bars.values()) bar.amount = Math.max(bar.in, bar.go);
  return bars;
}

function columnsOf(bars) {
  const columns = new Map();
  for (const bar of bars.values()) columns.set(bar.key, [...(columns.get(bar.key) || []), bar]);
  return columns;
}

function ribbon(bars, flow, scale, fill) {
  const from = bars.get(`${flow.p} ${flow.a}`);
  const to = bars.get(`${flow.p} ${flow.b}`);
  const h = flow.amount * scale;
  const [x0, x1, y0, y1] = [from.x + BAR, to.x, from.out, to.into];
  from.out += h;
  to.into += h;
  const m = (x0 + x1) / 2;
  const d = `M${x0} ${y0}C${m} ${y0} ${m} ${y1} ${x1} ${y1}V${y1 + h}C${m} ${y1 + h} ${m} ${y0 + h} ${x0} ${y0 + h}Z`;
  const path = svg("path", { d, fill, "fill-opacity": 0.45 });
  path.append(svg("title", {}, `${flow.plane}: ${flow.from} → ${flow.to}, ${bytes(flow.amount)}`));
  return path;
}

function drawnBar(bar, scale, theme, width) {
  const last = bar.at === bar.last;
  return [
    svg("rect", { x: bar.x, y: bar.y, width: BAR, height: Math.max(1, bar.amount * scale), fill: css(theme.die) }),
    ...words(bar, last, theme, (width - 20) / bar.last),
  ];
}

/** The name of a bar over it, and how many bytes pass it, as far as there is room. */
function words(bar, last, theme, room) {
  const amount = bytes(bar.amount);
  const texts = [`${bar.label}, ${amount}`, amount];
  const text = texts.find((words) => 6.4 * words.length < (last ? Math.max(room, 170) : room));
  if (!text) return [];
  return [
    svg("text", { x: last ? bar.x + BAR : bar.x, y: bar.y - 5, "font-size": 11, "text-anchor": last ? "end" : "start", fill: css(theme.text) }, text),
  ];
}
