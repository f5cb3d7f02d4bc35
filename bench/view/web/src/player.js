// The timeline: play, scrub, speed, and how busy the fabric was over time.

import { byId, svg } from "./dom.js";
import { clock } from "./format.js";
import { themeName } from "./look.js";
import { css, THEMES } from "./palette.js";

const WALL = 12; // seconds that a whole run takes to play at speed 1
const STEPS = 1000;

export function longest(scenes) {
  return Math.max(...scenes.map((scene) => scene.traffic?.duration ?? 0));
}

/** The middle of the busiest stretch of the first run: what a page shows before anything is played. */
export function busiest(scenes) {
  const { traffic } = scenes[0];
  if (!traffic || traffic.live) return 0;
  const use = meanUse(traffic);
  const bin = use.indexOf(Math.max(...use));
  return ((bin + 0.5) / traffic.bins) * traffic.duration;
}

export function attachPlayer(app) {
  const { store, scenes } = app;
  if (!longest(scenes) && !app.live) return;
  byId("player").hidden = false;
  byId("play").addEventListener("click", () => toggle(app));
  byId("scrub").addEventListener("input", (event) => {
    store.set({ time: (event.target.value / STEPS) * longest(scenes), playing: false, following: false });
  });
  byId("newest").hidden = !app.live;
  byId("newest").addEventListener("click", () => newest(app));
  if (app.live) byId("colour").querySelector("[value=queue]").remove();
  byId("speed").addEventListener("change", (event) => store.set({ speed: Number(event.target.value) }));
  byId("colour").addEventListener("change", (event) => store.set({ colour: event.target.value }));
  byId("lanes-toggle").hidden = !scenes.some((scene) => scene.traffic?.lanes);
  byId("lanes-toggle").addEventListener("click", () => store.set({ lanes: !store.state.lanes }));
  byId("compare-toggle").hidden = scenes.length < 2;
  byId("compare-toggle").addEventListener("click", () => store.set({ compare: !store.state.compare }));
}

export function toggle(app) {
  const { store, scenes } = app;
  const duration = longest(scenes);
  if (!duration) return;
  if (store.state.following) return store.set({ following: false });
  const playing = !store.state.playing;
  const again = store.state.time >= reached(scenes) || store.state.time === app.firstTime;
  store.set({ playing, time: playing && again ? 0 : store.state.time });
  if (playing) requestAnimationFrame((now) => advance(app, now));
  return undefined;
}

/** Follow a run that goes on, as the page does at first. */
export function newest(app) {
  if (app.live) app.store.set({ following: true, playing: false, time: app.scenes[0].traffic.live.now });
}

/** How far the runs are: to their end, or to now. */
function reached(scenes) {
  return scenes[0].traffic.live ? scenes[0].traffic.live.now : longest(scenes);
}

function advance(app, before) {
  requestAnimationFrame((now) => {
    const { store, scenes } = app;
    if (!store.state.playing) return;
    const duration = longest(scenes);
    // A hidden tab gives no frames: what passed meanwhile is not caught up in one leap.
    const passed = Math.min(0.25, (now - before) / 1000);
    const time = store.state.time + (passed * store.state.speed * duration) / WALL;
    const end = reached(scenes);
    store.set({ time: Math.min(time, end), playing: time < end, following: app.live && time >= end });
    advance(app, now);
  });
}

export function nudge(app, share) {
  const duration = longest(app.scenes);
  if (!duration) return;
  const time = Math.min(duration, Math.max(0, app.store.state.time + share * duration));
  app.store.set({ time, playing: false, following: false });
}

export function drawPlayer(app, changed) {
  const { state } = app.store;
  const duration = longest(app.scenes) || (app.live ? 1 : 0);
  if (!duration) return;
  byId("clock").textContent = `${clock(state.time, duration)} / ${clock(duration, duration)}`;
  const scrub = byId("scrub");
  if (changed.has("time") || changed.has("came")) scrub.value = String(Math.round((state.time / duration) * STEPS));
  byId("cursor").style.left = `${(100 * state.time) / duration}%`;
  if (changed.has("playing") || changed.has("following") || changed.has("start")) {
    const goes = state.playing || state.following;
    byId("play").setAttribute("aria-label", goes ? "Pause" : "Play");
    byId("play").replaceChildren(symbol(goes));
    byId("newest").setAttribute("aria-pressed", String(state.following));
  }
  byId("lanes-toggle").setAttribute("aria-expanded", String(state.lanes));
  byId("compare-toggle").setAttribute("aria-pressed", String(state.compare));
  byId("colour").value = state.colour;
  if (changed.has("theme") || changed.has("start") || changed.has("size") || changed.has("came")) drawSpark(app);
}

function symbol(playing) {
  const d = playing ? "M3 2H6V14H3ZM10 2H13V14H10Z" : "M3 1.5L14 8L3 14.5Z";
  return svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, svg("path", { d, fill: "currentColor" }));
}

/** Mean use of all links that carry anything, over time; one line a run. */
export function meanUse(traffic) {
  const { bins, utilisation } = traffic;
  const use = new Float64Array(bins);
  const rows = utilisation.length / bins;
  let used = 0;
  for (let r = 0; r < rows; r++) {
    let any = 0;
    for (let b = 0; b < bins; b++) any += utilisation[r * bins + b];
    if (!any) continue;
    used++;
    for (let b = 0; b < bins; b++) use[b] += utilisation[r * bins + b] / 255;
  }
  return use.map((x) => x / Math.max(1, used));
}

function drawSpark(app) {
  const canvas = byId("spark");
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, canvas.clientWidth * ratio);
  canvas.height = Math.max(1, canvas.clientHeight * ratio);
  const context = canvas.getContext("2d");
  const theme = THEMES[themeName(app.store.state)];
  const duration = longest(app.scenes);
  app.scenes.forEach((scene, i) => {
    if (!scene.traffic) return;
    scene.cache.use ??= meanUse(scene.traffic);
    const { use } = scene.cache;
    const width = (canvas.width * scene.traffic.duration) / duration;
    const most = Math.max(0.05, ...app.scenes.map((s) => Math.max(0, ...(s.cache.use || []))));
    context.beginPath();
    context.moveTo(0, canvas.height);
    use.forEach((value, b) => {
      const y = canvas.height * (1 - 0.92 * (value / most));
      context.lineTo((b / use.length) * width, y);
      context.lineTo(((b + 1) / use.length) * width, y);
    });
    context.lineTo(width, canvas.height);
    context.closePath();
    const colour = theme.planes[i];
    if (i === 0) {
      context.fillStyle = css(colour);
      context.globalAlpha = 0.4;
      context.fill();
      context.globalAlpha = 1;
    }
    context.strokeStyle = css(colour);
    context.lineWidth = 1.5 * ratio;
    context.stroke();
  });
}
