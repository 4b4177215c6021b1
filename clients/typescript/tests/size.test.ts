/** How much a page loads for the client: what an ordinary bundler makes of the published files, compressed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { PACKAGE } from "./support.js";

/** Bytes of a page's script with these parts, without React itself. */
async function size(...names: string[]): Promise<number> {
  const resolveDir = fileURLToPath(new URL("dist", PACKAGE));
  const contents = names.map((name) => `export * from "./${name}.js";`).join("\n");
  const { outputFiles } = await build({ stdin: { contents, resolveDir }, bundle: true, minify: true, write: false, format: "esm", external: ["react"] });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
}

for (const [names, most] of [[["index"], 7_168], [["index", "react"], 8_704], [["sse"], 2_048], [["ag-ui"], 2_300]] as const) {
  test(`the client is small: ${names.join(" and ")}`, async () => {
    const bytes = await size(...names);
    assert.ok(bytes <= most, `${bytes} bytes`);
  });
}
