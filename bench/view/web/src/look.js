// How a scene is to look in a state: colours, what is lit, what is marked.

import { deadAt } from "./live.js";
import { rampTable, THEMES } from "./palette.js";
import { routesOn } from "./routes.js";

const RAMPS = { light: rampTable(THEMES.light), dark: rampTable(THEMES.dark) };

export function themeName(state) {
  if (state.theme !== "auto") return state.theme;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** The vertex of a model that a reference of the first model means, by name; -1 for none. */
export function sameVertex(scenes, scene, v) {
  if (scene.model === scenes[0].model) return v;
  const found = scene.model.index.get(scenes[0].model.names[v]);
  return found === undefined ? -1 : found;
}

export function binAt(traffic, seconds) {
  if (seconds > traffic.duration || !traffic.duration) return -1;
  return Math.min(traffic.bins - 1, Math.floor((seconds / traffic.duration) * traffic.bins));
}

export function makeLook(scenes, scene, level, state) {
  const name = themeName(state);
  const { traffic } = scene;
  const colour = traffic ? state.colour : "plane";
  const bin = traffic ? binAt(traffic, state.time) : 0;
  const routing = state.from !== null && state.to !== null;
  const hidden = new Set(
    scene.model.planes.flatMap((plane, p) => (state.hidden.has(plane.name) ? [p] : [])),
  );
  const selected = selectionOf(scenes, scene, level, state.selected);
  const dead = traffic?.live ? deadAt(traffic, state.time) : null;
  return {
    theme: { ...THEMES[name], lineAlpha: name === "dark" ? 36 : 30 },
    themeName: name,
    ramp: RAMPS[name],
    colour,
    bin,
    hidden,
    dead,
    quiet: routing,
    focus: selected && !routing ? (lines, i) => selected(lines, i) : null,
    routes: routing ? (model) => shownRoutes(scenes, { ...scene, model }, state, hidden) : null,
    marks: (model) => marksOf(scenes, { ...scene, model }, state, THEMES[name]),
    key: [
      name, colour, colour === "plane" ? 0 : bin, [...hidden].join(), routing,
      JSON.stringify(state.selected), traffic?.live ? `${traffic.version} ${dead.version}` : "",
    ].join("|"),
  };
}

function shownRoutes(scenes, scene, state, hidden) {
  const a = sameVertex(scenes, scene, state.from);
  const b = sameVertex(scenes, scene, state.to);
  if (a < 0 || b < 0) return [];
  const key = `${a} ${b} ${[...hidden].join()}`;
  if (scene.cache.routes?.key !== key) {
    const found = scene.model.planes.map((_, p) =>
      hidden.has(p) ? null : routesOn(scene.model, p, a, b, 0),
    );
    scene.cache.routes = { key, value: found.filter(Boolean) };
  }
  return scene.cache.routes.value;
}

/** Which lines of a level belong to the selection, as a test. */
function selectionOf(scenes, scene, level, selected) {
  if (!selected) return null;
  if (selected.type === "line") {
    if (selected.level !== level) return null;
    return (_, i) => i === selected.id;
  }
  const { model } = scene;
  const group = selected.type === "group";
  const v = group ? -1 : sameVertex(scenes, scene, selected.id);
  const g = group ? sameGroup(scenes, scene, selected.id) : model.group[v];
  if (g === undefined || g < 0) return null;
  if (level === "link") {
    if (!group) return (lines, i) => lines.a[i] === v || lines.b[i] === v;
    return (lines, i) => model.group[lines.a[i]] === g || model.group[lines.b[i]] === g;
  }
  const places = model.groups.names.length;
  const rack = model.groups.rack[g];
  const mine = level === "rack" && rack >= 0 ? places + rack : g;
  return (lines, i) => lines.a[i] === mine || lines.b[i] === mine;
}

function sameGroup(scenes, scene, g) {
  if (scene.model === scenes[0].model) return g;
  return scene.model.groups.names.indexOf(scenes[0].model.groups.names[g]);
}

function marksOf(scenes, scene, state, theme) {
  const vertices = [];
  const groups = [];
  const add = (v, colour) => {
    const here = sameVertex(scenes, scene, v);
    if (here >= 0) vertices.push({ v: here, colour });
  };
  if (state.selected && state.selected.type === "vertex") add(state.selected.id, theme.mark);
  if (state.selected && state.selected.type === "group") {
    const g = sameGroup(scenes, scene, state.selected.id);
    if (g >= 0) groups.push(g);
  }
  if (state.from !== null) add(state.from, theme.mark);
  if (state.to !== null) add(state.to, theme.mark);
  return { vertices, groups };
}

