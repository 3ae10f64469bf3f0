// Builds web/dist out of web/src. With --check it compares instead, prints the size, and fails above the budget.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";

const HEAD = "/* Onramp's browser module, Apache-2.0. Built from web/src: make web */";
/** By file: where it begins, its form, and how many bytes it may have, compressed. */
const BUILDS = {
  "onramp.js": ["onramp.js", "esm", 6_000],
  // Takes `connect` from the file beside it, so that a page with both has it once.
  "onramp-element.js": ["element.js", "esm", 2_000],
  // Whole by itself: who takes it needs no SDK and no window.
  "onramp-redirect.js": ["redirect.js", "esm", 5_500],
  "onramp.global.js": ["global.js", "iife", 8_000],
};

const place = (path) => new URL(path, import.meta.url).pathname;
const { buildSync } = createRequire(place("../.local/web/"))("esbuild");
const check = process.argv.includes("--check");
const problems = [];

for (const [name, [entry, format, budget]] of Object.entries(BUILDS)) {
  const external = format === "esm" ? ["./onramp.js"] : [];
  const what = { entryPoints: [place(`src/${entry}`)], external, format, banner: { js: HEAD } };
  const how = { bundle: true, minify: true, write: false, target: "es2022", charset: "utf8", legalComments: "none" };
  const [{ contents }] = buildSync({ ...what, ...how }).outputFiles;
  const path = place(`dist/${name}`);
  if (!check) writeFileSync(path, contents);
  else if (!readFileSync(path).equals(contents)) problems.push(`web/dist/${name} is not what web/src makes: make web`);
  const size = gzipSync(contents, { level: 9 }).length;
  console.log(`${name}: ${contents.length} bytes, ${size} compressed, of ${budget} at most`);
  if (size >= budget) problems.push(`web/dist/${name} is above its budget of ${budget} bytes`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length ? 1 : 0;
