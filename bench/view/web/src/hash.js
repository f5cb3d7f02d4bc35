// The view in the address, so that a link restores it. Unknown or broken parts are left out.

const TEXTS = {
  picture: ["tiers", "racks", "matrix", "flow"],
  level: ["auto", "rack", "node", "link"],
  theme: ["auto", "light", "dark"],
  colour: ["utilisation", "queue", "class", "plane"],
  tab: ["machine", "details", "routes", "traffic", "packets"],
};

export function toHash(state) {
  const parts = new URLSearchParams();
  for (const key of Object.keys(TEXTS)) parts.set(key, state[key]);
  if (!state.fitted) {
    parts.set("view", [state.view.x, state.view.y, state.view.zoom].map((x) => x.toFixed(3)).join(","));
  }
  if (state.hidden.size) parts.set("hidden", [...state.hidden].join(","));
  if (state.selected) {
    const { type, id, level } = state.selected;
    parts.set("selected", type === "line" ? `line,${id},${level}` : `${type},${id}`);
  }
  if (state.from !== null) parts.set("from", state.from);
  if (state.to !== null) parts.set("to", state.to);
  parts.set("t", state.time.toExponential(5));
  if (state.lanes) parts.set("ranks", 1);
  if (!state.compare) parts.set("single", 1);
  return `#${parts}`;
}

/** The part of a state that a hash gives, checked against the model. */
export function fromHash(hash, model) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const state = {};
  for (const [key, choices] of Object.entries(TEXTS)) {
    if (choices.includes(parts.get(key))) state[key] = parts.get(key);
  }
  const view = (parts.get("view") || "").split(",").map(Number);
  if (view.length === 3 && view.every(Number.isFinite)) {
    const zoom = Math.min(6, Math.max(-6, view[2]));
    Object.assign(state, { view: { x: view[0], y: view[1], zoom }, fitted: false });
  }
  const planes = new Set(model.planes.map((plane) => plane.name));
  if (parts.has("hidden") || parts.has("t")) {
    state.hidden = new Set((parts.get("hidden") || "").split(",").filter((name) => planes.has(name)));
  }
  state.selected = selectedFrom(parts.get("selected"), model);
  for (const key of ["from", "to"]) {
    if (parts.has(key)) state[key] = within(parts.get(key), model.endpoints);
  }
  const t = parts.has("t") ? Number(parts.get("t")) : NaN;
  if (t >= 0 && t < Infinity) state.time = t;
  state.lanes = parts.has("ranks");
  state.compare = !parts.has("single");
  return state;
}

function within(text, count) {
  const number = Number(text);
  return Number.isInteger(number) && number >= 0 && number < count ? number : null;
}

function selectedFrom(text, model) {
  const [type, number, level] = (text || "").split(",");
  const counts = { vertex: model.size, group: model.groups.names.length };
  if (type === "line" && ["rack", "node", "link"].includes(level)) {
    const id = within(number, model.linkCount);
    return id === null ? null : { type, id, level };
  }
  const id = type in counts ? within(number, counts[type]) : null;
  return id === null ? null : { type, id };
}
