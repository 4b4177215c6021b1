/** Builds what is published into dist/, and the tests into .build/tests/. With --console it builds the console's copy. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { INTERNAL_NAMES } from "./internal_names.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const entries = { index: "src/index.ts", "ag-ui": "src/ag-ui/index.ts", sse: "src/sse/index.ts", testing: "src/testing/index.ts" };
const hooks = { react: "src/react/index.ts" };
const common = { absWorkingDir: here, bundle: true, format: "esm", target: "es2022", logLevel: "warning" };
const small = { minify: true, mangleProps: new RegExp(`^(${INTERNAL_NAMES.join("|")})$`) };

/** One file for each subpath: they share no state, so two copies of a module do no harm. */
const published = { ...common, ...small, outdir: "dist", platform: "neutral", external: ["react"], sourcemap: true };

/** The gateway's console page runs the published client, from this file. */
export const CONSOLE_FILE = new URL("../../websocket_handler/api/console/websocket-handler-client.js", import.meta.url);

/** The text of that file. */
export async function consoleText() {
  const banner = `// websocket-handler-client ${version}, built from clients/typescript by \`make sdk-console\`. Do not edit it.`;
  const options = { ...common, ...small, platform: "neutral", entryPoints: { index: entries.index }, banner: { js: banner } };
  const { outputFiles } = await build({ ...options, write: false });
  return outputFiles[0].text;
}

/** The tests import what users import from dist/: they run on the published files. What is not exported comes from src/. */
const fromPublished = {
  name: "from-published",
  setup(building) {
    building.onResolve({ filter: /^(\.\.\/)+src\/(index|(ag-ui|react|sse|testing)\/index)\.js$/ }, ({ path }) => {
      const [name] = path.split("src/")[1].split(/\/|\.js/);
      return { path: fileURLToPath(new URL(`dist/${name}.js`, import.meta.url)) };
    });
  },
};

async function buildAll(isQuick) {
  for (const folder of ["dist", ".build"]) rmSync(new URL(folder, import.meta.url), { recursive: true, force: true });
  await build({ ...published, entryPoints: entries });
  await build({ ...published, entryPoints: hooks, banner: { js: '"use client";' } });
  if (!isQuick) {
    const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", import.meta.url));
    execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: here, stdio: "inherit" });
  }
  const tests = readdirSync(new URL("tests", import.meta.url), { recursive: true })
    .filter((name) => /\.tsx?$/.test(name) && !name.startsWith("browser"));
  const testing = { ...common, outdir: ".build/tests", platform: "node", sourcemap: "inline", jsx: "automatic", plugins: [fromPublished] };
  await build({ ...testing, entryPoints: tests.map((name) => `tests/${name}`), packages: "external" });
  // The same tests with React 18, which has to be in the file: its parts look for `react` by name.
  await build({
    ...testing, entryPoints: { "react18.test": "tests/react.test.tsx" }, external: ["happy-dom"],
    alias: { react: "react18", "react-dom": "react-dom18", "react/jsx-runtime": "react18/jsx-runtime" },
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--console")) writeFileSync(CONSOLE_FILE, await consoleText());
  else await buildAll(process.argv.includes("--quick"));
}
