// Bundles a page of the guide: `node bundle.mjs <packages> <entry> <out>`. A .vue file is compiled as Vue's own
// tools do it; everything else esbuild reads itself.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const [, , packages, entry, out] = process.argv;
const require = createRequire(`${packages}/`);
const { build } = require("esbuild");
const { compileScript, parse } = require("vue/compiler-sfc");

const vue = {
  name: "vue",
  setup({ onLoad }) {
    onLoad({ filter: /\.vue$/ }, async ({ path }) => {
      const { descriptor, errors } = parse(await readFile(path, "utf8"), { filename: path });
      if (errors.length) throw errors[0];
      return { contents: compileScript(descriptor, { id: "one", inlineTemplate: true }).content, loader: "js" };
    });
  },
};

await build({
  entryPoints: [entry],
  outfile: out,
  bundle: true,
  format: "esm",
  jsx: "automatic",
  nodePaths: [packages],
  define: { "process.env.NODE_ENV": '"production"', __VUE_OPTIONS_API__: "false", __VUE_PROD_DEVTOOLS__: "false",
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
  plugins: [vue],
  logLevel: "error",
});
