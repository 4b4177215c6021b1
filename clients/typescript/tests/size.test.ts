/** How much a page loads for the client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { PACKAGE } from "./support.js";

/** Bytes, minified and compressed. */
async function size(...names: string[]): Promise<number> {
  let sum = 0;
  for (const name of names) {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL(`dist/${name}.js`, PACKAGE))], bundle: true, minify: true, write: false, format: "esm", external: ["react"],
    });
    sum += gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  }
  return sum;
}

test("the client is small, and so are its parts", async () => {
  assert.ok((await size("index")) <= 8_550, `${await size("index")} bytes`);
  assert.ok((await size("index", "react")) <= 9_550, `${await size("index", "react")} bytes`);
  assert.ok((await size("sse")) <= 2_000, `${await size("sse")} bytes`);
});
