// A run that is still going on: its server sends what happens, and the page keeps it.

import { byId, el, name } from "./dom.js";
import { clock, count } from "./format.js";
import { bucket } from "./model.js";
import { decode } from "./payload.js";

const MOST = 12000; // stretches of ranks that are kept, as many as the server keeps
const SEVERAL = 25; // pieces of marks that are listed

/** The columns of a run's traffic that grow while it goes on. */
export function makeLive(traffic, linkCount) {
  const links = bucket(traffic.resource, Math.max(0, ...traffic.resource) + 1);
  traffic.live = {
    now: 0, calls: 0, dropped: 0, skipped: 0, end: null, lost: null, links, marks: [],
    dead: { marks: -1, of: new Uint8Array(linkCount), version: 0 },
  };
  for (const key of ["utilisation", "main_label"]) traffic[key] = new Uint8Array(traffic[key]);
  traffic.link_bytes = new Float32Array(traffic.link_bytes);
  traffic.version = 0;
}

/** Follow the server's stream until the run has ended. */
export function follow(app) {
  const source = new EventSource("events");
  let order = Promise.resolve();
  const after = (what) => {
    order = order.then(what).catch((error) => {
      source.close();
      app.fail(error);
    });
  };
  source.addEventListener("message", ({ data }) => after(async () => take(app, await decode(data))));
  source.addEventListener("end", () => source.close());
  source.addEventListener("error", () => {
    source.close();
    after(() => {
      const { live } = app.scenes[0].traffic;
      live.lost = live.end === null ? "the run cannot be reached any more" : null;
      app.store.set({ came: app.store.state.came + 1 });
    });
  });
}

function take(app, frame) {
  const [scene] = app.scenes;
  const { traffic } = scene;
  const { live } = traffic;
  traffic.version++;
  traffic.duration = frame.duration;
  traffic.labels = frame.labels;
  for (const key of ["now", "calls", "dropped", "skipped", "end"]) live[key] = frame[key];
  putBins(traffic, frame);
  for (let i = 0; i < frame.carriers.length; i++) {
    const r = frame.carriers[i] + 1;
    const alike = live.links.begin[r + 1] - live.links.begin[r];
    for (let k = live.links.begin[r]; k < live.links.begin[r + 1]; k++) {
      traffic.link_bytes[live.links.list[k]] = frame.carried[i] / alike;
    }
  }
  traffic.lanes = joined(traffic.lanes, frame.lanes);
  traffic.pairs = frame.pairs;
  live.marks.push(...frame.marks);
  scene.cache.use = null;
  const { state } = app.store;
  const now = state.following ? { time: live.now, following: live.end === null } : {};
  app.store.set({ came: state.came + 1, ...now });
}

/** Put the intervals that have changed into the tables. */
function putBins(traffic, { bins, utilisation, main_label: labels, whole }) {
  const rows = traffic.utilisation.length / traffic.bins;
  if (whole) {
    traffic.utilisation.set(utilisation);
    traffic.main_label.set(labels);
    return;
  }
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < bins.length; k++) {
      traffic.utilisation[r * traffic.bins + bins[k]] = utilisation[r * bins.length + k];
      traffic.main_label[r * traffic.bins + bins[k]] = labels[r * bins.length + k];
    }
  }
}

/** The latest stretches: those that were there, then those that have come. */
function joined(lanes, more) {
  const n = more.rank.length;
  const left = Math.min(lanes.rank.length, MOST - n);
  const both = (was, come) => {
    const column = new come.constructor(left + n);
    column.set(was.subarray(was.length - left));
    column.set(come, left);
    return column;
  };
  const made = { ...lanes };
  for (const key of ["rank", "begin", "end", "what", "label", "peer"]) made[key] = both(come(lanes[key], more[key]), more[key]);
  made.critical = new Uint8Array(left + n);
  return made;
}

/** An empty column takes the type of what comes. */
function come(was, more) {
  return was.constructor === more.constructor ? was : new more.constructor(was);
}

/** Which links are dead at a time: uint8 [links], kept until another mark is reached. */
export function deadAt(traffic, seconds) {
  const { dead, marks } = traffic.live;
  let due = 0;
  while (due < marks.length && marks[due].at <= seconds) due++;
  if (due !== dead.marks) {
    dead.of.fill(0);
    for (const { links, share } of marks.slice(0, due)) for (const e of links) dead.of[e] = share === 0 ? 2 : share < 1 ? 1 : 0;
    dead.marks = due;
    dead.version++;
  }
  return dead;
}

/** What stands beside the clock: that it goes on, or how it has ended. */
export function drawLive(app) {
  const { live, duration } = app.scenes[0].traffic;
  const box = byId("live");
  box.hidden = false;
  const over = live.end ?? live.lost;
  const texts = [
    over ?? "live",
    `${count(live.calls)} calls until ${clock(live.now, duration || 1)}`,
    live.dropped ? `${count(live.dropped)} not shown` : "",
    live.skipped ? `${count(live.skipped)} frames skipped` : "",
  ];
  const text = texts.filter(Boolean).join(" · ");
  if (box.textContent !== text) box.replaceChildren(name(text));
  box.classList.toggle("over", over !== null);
}

/** The latest faults and losses up to a time, for the panel. */
export function marksPane(traffic, seconds) {
  const due = traffic.live.marks.filter((mark) => mark.at <= seconds);
  if (!due.length) return [];
  const shown = due.slice(-SEVERAL).reverse();
  return [
    el("h2", {}, "What has happened"),
    el("ul", { class: "list", id: "marks" }, shown.map((mark) =>
      el("li", {}, el("div", { class: "split" }, name(mark.text), el("span", {}, clock(mark.at, traffic.duration)))))),
  ];
}
