// Colour and width of every line, for what is chosen and for an instant of the traffic.

import { classColour, planeColour } from "./palette.js";
import { linesAt, resourcesAt } from "./scene.js";

/** The largest value (0..255) of any link under line i in a bin; 0 where nothing moves. */
function valueOf(table, resources, bins, bin, i) {
  let most = 0;
  for (let k = resources.begin[i]; k < resources.begin[i + 1]; k++) {
    const value = table[resources.list[k] * bins + bin];
    if (value > most) most = value;
  }
  return most;
}

/** Colours [4 n] and widths [n] of a level's lines for what is chosen; `hidden` planes get none. */
export function paintLines(scene, level, look) {
  const lines = linesAt(scene, level);
  const colours = new Uint8Array(4 * lines.count);
  const widths = new Float32Array(lines.count);
  const { theme, hidden, focus } = look;
  const planes = scene.model.planes.map((_, p) => planeColour(scene.model, theme, p));
  const base = Math.min(170, Math.max(16, 2400 / Math.sqrt(lines.count + 1)));
  const measured = scene.traffic && look.colour !== "plane" ? measure(scene, level, look) : null;
  const dead = look.dead?.marks > 0 ? deadOf(scene, level, lines, look.dead) : null;
  const faint = focus || look.quiet ? 0.16 : 1;
  for (let i = 0; i < lines.count; i++) {
    if (hidden.has(lines.plane[i])) continue;
    const gone = lines.gone[i] + (dead ? dead[i] : 0) >= lines.links[i];
    let colour = gone ? theme.gone : planes[lines.plane[i]];
    let alpha = gone ? 110 : base;
    let width = level === "link" || scene.layout.tiers ? 1.1 : bundleWidth(lines, i);
    if (measured && !gone) {
      const value = measured.value(i);
      colour = value === 0 ? theme.idle : measured.colour(i, value);
      alpha = value === 0 ? 0.3 * base : Math.min(235, 0.5 * base + 25 + (level === "link" ? 0.35 : 0.6) * value);
      width = 0.8 + value / 160;
    }
    if (dead && dead[i] && !gone) {
      colour = theme.gone;
      alpha = Math.max(alpha, 110);
    }
    const lit = focus && focus(lines, i);
    alpha = lit ? Math.max(alpha, 215) : alpha * faint;
    if (lit) width += 0.6;
    colours[4 * i] = colour[0];
    colours[4 * i + 1] = colour[1];
    colours[4 * i + 2] = colour[2];
    colours[4 * i + 3] = alpha;
    widths[i] = width;
  }
  return { colours, widths };
}

/** How many links under each line are dead, or carry less, by faults that have come: by line. */
function deadOf(scene, level, lines, dead) {
  const key = `${level} ${dead.version}`;
  if (scene.cache.dead?.key !== key) {
    const value = new Uint32Array(lines.count);
    dead.of.forEach((state, e) => {
      if (state && lines.of[e] >= 0) value[lines.of[e]]++;
    });
    scene.cache.dead = { key, value };
  }
  return scene.cache.dead.value;
}

function bundleWidth(lines, i) {
  const links = lines.bandwidth[i] / 56e9;
  return Number.isFinite(links) ? Math.min(5, Math.max(0.8, 0.5 + 0.4 * Math.log2(1 + links))) : 2;
}

function measure(scene, level, look) {
  const { traffic } = scene;
  const resources = resourcesAt(scene, level);
  const { bins } = traffic;
  const bin = look.bin;
  const table = look.colour === "queue" ? traffic.backlog : traffic.utilisation;
  if (bin < 0) return { value: () => 0, colour: () => [0, 0, 0] };
  const value = (i) => valueOf(table, resources, bins, bin, i);
  const ramp = look.ramp;
  if (look.colour !== "class") {
    return { value, colour: (_, v) => [ramp[3 * v], ramp[3 * v + 1], ramp[3 * v + 2]] };
  }
  const hues = traffic.labels.map((_, k) => classColour(look.theme, k));
  const main = (i) => {
    let most = -1;
    let label = 0;
    for (let k = resources.begin[i]; k < resources.begin[i + 1]; k++) {
      const at = resources.list[k] * bins + bin;
      if (table[at] > most) {
        most = table[at];
        label = traffic.main_label[at];
      }
    }
    return label;
  };
  return { value, colour: (i) => hues[main(i)] };
}
