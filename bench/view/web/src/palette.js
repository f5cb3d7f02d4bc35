// Colours. Planes and classes: Okabe and Ito's set, which colour-blind people can tell apart
// (Color Universal Design, 2008). Amounts: viridis-like ramps that grow in one direction of
// lightness, so they can be read without hue.

const OKABE_ITO = {
  black: [0, 0, 0],
  orange: [230, 159, 0],
  sky: [86, 180, 233],
  green: [0, 158, 115],
  yellow: [240, 228, 66],
  blue: [0, 114, 178],
  vermillion: [213, 94, 0],
  purple: [204, 121, 167],
};

export const THEMES = {
  light: {
    ground: [247, 248, 250],
    idle: [190, 198, 210],
    rack: [255, 255, 255],
    rackEdge: [208, 213, 221],
    node: [240, 242, 245],
    nodeEdge: [208, 213, 221],
    package: [214, 219, 227],
    die: [71, 84, 103],
    cpu: [152, 162, 179],
    onDie: [255, 255, 255],
    onCpu: [16, 24, 40],
    chip: [255, 255, 255],
    chipEdge: [71, 84, 103],
    text: [52, 64, 84],
    faint: [102, 112, 133],
    mark: [16, 24, 40],
    gone: OKABE_ITO.vermillion,
    planes: [OKABE_ITO.blue, OKABE_ITO.orange, OKABE_ITO.green, OKABE_ITO.purple, OKABE_ITO.sky],
    package_plane: [120, 128, 140],
    ramp: [
      [205, 214, 224],
      [145, 196, 190],
      [66, 150, 140],
      [52, 95, 141],
      [68, 32, 100],
      [45, 0, 50],
    ],
  },
  dark: {
    ground: [16, 20, 28],
    idle: [70, 78, 98],
    rack: [23, 28, 38],
    rackEdge: [52, 61, 77],
    node: [31, 38, 50],
    nodeEdge: [58, 68, 86],
    package: [60, 70, 88],
    die: [208, 215, 226],
    cpu: [128, 140, 160],
    onDie: [16, 20, 28],
    onCpu: [16, 20, 28],
    chip: [31, 38, 50],
    chipEdge: [208, 215, 226],
    text: [222, 228, 237],
    faint: [150, 160, 178],
    mark: [255, 255, 255],
    gone: OKABE_ITO.vermillion,
    planes: [OKABE_ITO.sky, OKABE_ITO.orange, OKABE_ITO.green, OKABE_ITO.purple, OKABE_ITO.yellow],
    package_plane: [150, 160, 178],
    ramp: [
      [55, 62, 82],
      [72, 70, 135],
      [49, 120, 142],
      [40, 174, 128],
      [160, 218, 57],
      [253, 231, 37],
    ],
  },
};

/** The colour of a plane: grey inside a package, else in the order of the topology's planes. */
export function planeColour(model, theme, plane) {
  if (model.planes[plane].name === "package") return theme.package_plane;
  const before = model.planes.slice(0, plane).filter((p) => p.name !== "package").length;
  return theme.planes[before % theme.planes.length];
}

export function classColour(theme, k) {
  const all = [...theme.planes, OKABE_ITO.vermillion, OKABE_ITO.yellow, [140, 140, 140]];
  return all[k % all.length];
}

/** 256 colours from the theme's ramp, as [r, g, b] triples in one array. */
export function rampTable(theme) {
  const table = new Uint8Array(3 * 256);
  const last = theme.ramp.length - 1;
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * last;
    const low = Math.min(Math.floor(at), last - 1);
    for (let c = 0; c < 3; c++) {
      table[3 * i + c] = theme.ramp[low][c] + (theme.ramp[low + 1][c] - theme.ramp[low][c]) * (at - low);
    }
  }
  return table;
}

export function css(rgb) {
  return `rgb(${rgb[0]},${rgb[1]},${rgb[2]})`;
}
