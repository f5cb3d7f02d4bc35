// Bundles src/ into built/page.js, and the licences of what is in it into built/page.licences.txt.
// `node build.mjs --check` says whether the committed bundle is what the sources build to.

import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const check = process.argv.includes("--check");
const here = new URL(".", import.meta.url).pathname;

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  define: { "process.env.NODE_ENV": '"production"', __MATH_GL_VERSION__: '"0"' },
  legalComments: "none",
  charset: "ascii",
  metafile: true,
  write: false,
  logLevel: "warning",
});

const files = {
  "page.js": result.outputFiles[0].text,
  "page.licences.txt": licences(result.metafile),
};
for (const [name, text] of Object.entries(files)) {
  const path = `${here}built/${name}`;
  if (!check) writeFileSync(path, text);
  else if (readFileSync(path, "utf8") !== text) {
    console.error(`${name} is not what the sources build to: run make page`);
    process.exitCode = 1;
  }
}

/** The licence text of every package of which a line is in the bundle. */
function licences(metafile) {
  const packages = new Set();
  const [output] = Object.values(metafile.outputs);
  for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
    if (found && bytesInOutput) packages.add(found[1]);
  }
  return [...packages].sort().map((name) => {
    const folder = `${here}node_modules/${name}`;
    const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const text = ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"].flatMap((file) => {
      try {
        return [readFileSync(`${folder}/${file}`, "utf8").trim()];
      } catch (error) {
        if (error.code === "ENOENT") return [];
        throw error;
      }
    })[0];
    return `${name} ${version} (${license})\n\n${text || "No licence file is in the package."}\n`;
  }).join(`\n${"-".repeat(80)}\n\n`);
}
