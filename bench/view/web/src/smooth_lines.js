// Straight lines and boxes with smooth edges, without a multisampled canvas: a quarter of the
// samples to fill, and finer steps of coverage than four samples have.

import { LineLayer } from "@deck.gl/layers";

// deck.gl widens a line by half a pixel to either side for its own smooth edges; here its ends are
// drawn out by as much, because a thick line is also how a box is drawn.
const ENDS = `
vec2 span = (target.xy - source.xy) * project.viewportSize;
float pixelsLong = max(0.5 * length(span) * project.devicePixelRatio, 1e-3);
float beyond = (2.0 * positions.x - 1.0) * 0.5;
uv.x += beyond / pixelsLong;
gl_Position.xy += project_pixel_size_to_clipspace(normalize(span) * beyond / project.devicePixelRatio);
`;

// Coverage falls off over a pixel at each edge. The slope is that of the signed distance to the
// middle: that of the plain distance vanishes where neighbouring pixels lie on either side of it.
const FRAGMENT = `#version 300 es
#define SHADER_NAME smooth-line-fragment
precision highp float;
in vec4 vColor;
in vec2 uv;
out vec4 fragColor;
void main(void) {
  vec2 inside = vec2(min(uv.x, 1.0 - uv.x), 1.0 - abs(uv.y));
  vec2 covered = clamp(inside / max(fwidth(uv), vec2(1e-6)) + 0.5, 0.0, 1.0);
  fragColor = vec4(vColor.rgb, vColor.a * covered.x * covered.y);
}
`;

export class SmoothLineLayer extends LineLayer {
  getShaders() {
    return { ...super.getShaders(), fs: FRAGMENT, inject: { "vs:#main-end": ENDS } };
  }
}
SmoothLineLayer.layerName = "SmoothLineLayer";
SmoothLineLayer.defaultProps = { antialiasing: true };
