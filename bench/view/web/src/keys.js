// The keyboard: everything that a mouse does.

import { byId, el } from "./dom.js";
import { togglePlane } from "./legend.js";
import { fit } from "./map.js";
import { savePng } from "./picture.js";
import { newest, nudge, toggle } from "./player.js";
import { LEVELS } from "./scene.js";

const KEYS = [
  ["/", "search"],
  ["arrows", "move the map"],
  ["+  −", "zoom"],
  ["0", "whole machine"],
  ["M", "next view: tiers, racks, ranks × ranks, bytes by tier"],
  ["D", "next level of detail"],
  ["1 … 9", "a plane on or off"],
  ["space", "play or pause"],
  [",  .", "a step back or on in time"],
  ["N", "what happens now, of a run that goes on"],
  ["R", "ranks over time"],
  ["V", "routes between two endpoints"],
  ["T", "light or dark"],
  ["C", "copy a link to this view"],
  ["P", "save as PNG"],
  ["Esc", "clear what is chosen"],
];

/** `commands`: what the page does at `t` (switchTheme) and `c` (share). */
export function attachKeys(app, commands) {
  byId("help").addEventListener("click", () => showHelp());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "range";
    if (typing || byId("keys").open) return;
    if (press(app, commands, event.key)) event.preventDefault();
  });
}

/** Act on a key; whether it meant anything. */
function press(app, commands, key) {
  const { store, scenes } = app;
  const { state } = store;
  const step = 60 / 2 ** state.view.zoom;
  const move = (x, y) => store.set({ view: { ...state.view, x: state.view.x + x * step, y: state.view.y + y * step }, fitted: false });
  const zoom = (by) => store.set({ view: { ...state.view, zoom: Math.min(6, Math.max(-6, state.view.zoom + by)) }, fitted: false });
  const actions = {
    "/": () => byId("query").focus(),
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
    "+": () => zoom(0.5),
    "=": () => zoom(0.5),
    "-": () => zoom(-0.5),
    0: () => fit(app.map),
    m: () => store.set({ picture: app.pictures[(app.pictures.indexOf(state.picture) + 1) % app.pictures.length], selected: null }),
    d: () => store.set({ level: nextLevel(state.level, scenes[0].model) }),
    " ": () => toggle(app),
    ",": () => nudge(app, -0.01),
    ".": () => nudge(app, 0.01),
    n: () => newest(app),
    r: () => store.set({ lanes: !state.lanes }),
    v: () => store.set({ tab: "routes" }),
    t: () => commands.switchTheme(app),
    c: () => commands.share(app),
    p: () => savePng(app),
    "?": () => showHelp(),
    Escape: () => store.set({ selected: null, from: null, to: null }),
  };
  const action = actions[key] || actions[key.toLowerCase()];
  const plane = scenes[0].model.planes[Number(key) - 1];
  if (!action && !plane) return false;
  if (action) action();
  else togglePlane(store, plane.name);
  return true;
}

function nextLevel(level, model) {
  const choices = ["auto", ...LEVELS.filter((name) => name !== "rack" || model.racks.length)];
  return choices[(choices.indexOf(level) + 1) % choices.length];
}

function showHelp() {
  const dialog = byId("keys");
  dialog.replaceChildren(
    el("h2", {}, "Keys"),
    el("dl", { class: "text" }, KEYS.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    el("details", {}, el("summary", {}, "Licences of what this page is made of"), el("pre", {}, byId("licences").textContent)),
    el("form", { method: "dialog" }, el("button", { autofocus: true }, "Close")),
  );
  dialog.showModal();
}
