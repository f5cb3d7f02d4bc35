// Which names fit where, at a scale.

export const READABLE = 7; // pixels

export function labelsOf(scene, sight) {
  const { scale } = sight;
  const labels = [...rackLabels(scene, scale), ...groupLabels(scene, sight)];
  return sight.names ? [...labels, ...chipLabels(scene, sight)] : labels;
}

/** In the rack's head while that can be read, else across the rack. */
function rackLabels(scene, scale) {
  const inHead = 22 * scale >= READABLE;
  return scene.layout.racks.flatMap((rack) => {
    const size = inHead ? Math.min(22, Math.max(14, 10 / scale)) : Math.min(rack.w / 3.6, 10 / scale);
    if (size * scale < READABLE) return [];
    return [{ text: rack.name, x: rack.x + rack.w / 2, y: rack.y + (inHead ? 14 : rack.h / 2), size }];
  });
}

function groupLabels(scene, sight) {
  const { model, layout } = scene;
  return layout.groups.flatMap((box, g) => {
    const outer = model.groups.kinds[g] !== "node";
    const size = 13;
    if (size * sight.scale < READABLE || !sight.has(g)) return [];
    const text = shortened(model.groups.names[g], box.w / (0.56 * size));
    return [{ text, x: box.x + box.w / 2, y: box.y + 11, size, faint: !outer }];
  });
}

function chipLabels(scene, { has, inView }) {
  const { model, layout } = scene;
  const labels = [];
  for (let v = 0; v < model.size; v++) {
    const x = layout.position[2 * v];
    const y = layout.position[2 * v + 1];
    if (!has(model.group[v]) || !inView(x, y)) continue;
    const text = shortened(model.names[v].split(".").slice(-1)[0], 9);
    labels.push({ text, x, y: y + layout.size[v] / 2 + 1.5, size: 2.6, faint: true });
  }
  return labels;
}

function shortened(text, most) {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, Math.max(1, most - 1)).join("")}…`;
}
