/** Builds what is published into dist/, and the tests into .build/tests/. */
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const entries = { index: "src/index.ts", sse: "src/sse/index.ts", testing: "src/testing/index.ts" };
const hooks = { react: "src/react/index.ts" };
const common = { absWorkingDir: here, bundle: true, format: "esm", target: "es2022", logLevel: "warning" };

/** One file for each subpath: they share no state, so two copies of a module do no harm. */
export const published = { ...common, entryPoints: entries, outdir: "dist", platform: "neutral", external: ["react"] };

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(new URL("dist", import.meta.url), { recursive: true, force: true });
  rmSync(new URL(".build", import.meta.url), { recursive: true, force: true });
  await build(published);
  if (!process.argv.includes("--quick")) {
    const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", import.meta.url));
    execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: here, stdio: "inherit" });
  }
  await build({ ...published, entryPoints: hooks, banner: { js: '"use client";' } });
  const tests = readdirSync(new URL("tests", import.meta.url), { recursive: true }).filter((name) => /\.tsx?$/.test(name));
  const testing = { ...common, outdir: ".build/tests", platform: "node", sourcemap: "inline", jsx: "automatic" };
  await build({ ...testing, entryPoints: tests.map((name) => `tests/${name}`), packages: "external" });
  // The same tests with React 18, which has to be in the file: its parts look for `react` by name.
  await build({
    ...testing, entryPoints: { "react18.test": "tests/react.test.tsx" }, external: ["happy-dom"],
    alias: { react: "react18", "react-dom": "react-dom18", "react/jsx-runtime": "react18/jsx-runtime" },
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
}
