// Ranks by ranks: what each has sent to each, as a picture of one cell a pair, or of several ranks.

import { bytes } from "./format.js";
import { rampTable } from "./palette.js";

export function drawMatrix(canvas, pairs, theme) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const ramp = rampTable(theme);
  let most = 0;
  for (const value of pairs) if (value > most) most = value;
  for (let i = 0; i < pairs.length; i++) {
    const at = pairs[i] > 0 ? Math.max(24, Math.round((255 * pairs[i]) / most)) : -1;
    const [r, g, b] = at < 0 ? theme.node : [ramp[3 * at], ramp[3 * at + 1], ramp[3 * at + 2]];
    image.data[4 * i] = r;
    image.data[4 * i + 1] = g;
    image.data[4 * i + 2] = b;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function ranks(cell, many) {
  return many > 1 ? `ranks ${cell * many} to ${(cell + 1) * many - 1}` : `rank ${cell}`;
}

/** What the matrix says, in words: for those who do not see it. */
export function matrixWords(pairs, many) {
  const cells = Math.round(Math.sqrt(pairs.length));
  let most = -1;
  let used = 0;
  for (let i = 0; i < pairs.length; i++) {
    if (pairs[i] > 0) used++;
    if (pairs[i] > 0 && (most < 0 || pairs[i] > pairs[most])) most = i;
  }
  if (most < 0) return "No rank has sent anything to another one.";
  const [from, to] = [Math.floor(most / cells), most % cells];
  return `${used} of ${pairs.length} pairs have sent; most: ${ranks(from, many)} to ${ranks(to, many)}, ${bytes(pairs[most])}.`;
}

/** The pair under a pointer, in words. */
export function matrixAt(canvas, pairs, many, event) {
  const box = canvas.getBoundingClientRect();
  const cells = canvas.width;
  const to = Math.min(cells - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * cells)));
  const from = Math.min(cells - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * cells)));
  return `${ranks(from, many)} to ${ranks(to, many)}: ${bytes(pairs[from * cells + to])}`;
}
