// Elements from code. Text goes in as text nodes only: nothing here reads markup, so a name that
// looks like markup stays a name.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key === "hue") node.style.background = value;
    else if (key === "wide") node.style.width = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** A name, kept apart from the writing direction of what is around it. */
export function name(text) {
  return el("bdi", {}, text);
}

/** Pairs of a name and a value as a list, without those that have no value. */
export function facts(pairs, text = false) {
  const rows = pairs.filter((pair) => pair && pair[1] !== "" && pair[1] !== null);
  return el("dl", { class: text ? "text" : null }, rows.flatMap(([key, value]) => [
    el("dt", {}, key),
    el("dd", {}, value instanceof Node ? value : el("bdi", {}, String(value))),
  ]));
}

export function byId(id) {
  return document.getElementById(id);
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}
