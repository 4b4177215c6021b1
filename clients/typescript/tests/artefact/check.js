/**
 * Packs the client as it is published, installs the pack in an empty project, and uses it there: node tests/artefact/check.js.
 * No network is needed, because the client depends on nothing.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = fileURLToPath(new URL("../..", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "sdk-"));
const run = (program, options, cwd = here) => execFileSync(program, options, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const tool = (path, options) => run(process.execPath, [join(here, "node_modules", path), ...options]);

try {
  run(process.execPath, ["build.js"]);
  const pack = join(project, run("npm", ["pack", "--silent", "--pack-destination", project]).trim());
  tool("publint/src/cli.js", ["run", pack, "--strict"]);
  tool("@arethetypeswrong/cli/dist/index.js", [pack, "--profile", "esm-only"]);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  run("npm", ["install", "--silent", "--offline", "--no-audit", "--no-fund", pack], project);
  copyFileSync(new URL("user.js", import.meta.url), join(project, "user.js"));
  process.stdout.write(run(process.execPath, ["user.js"], project));
  const page = join(project, "page");
  cpSync(new URL("../../examples/page", import.meta.url), page, { recursive: true });
  for (const name of ["react", "react-dom"]) symlinkSync(join(here, "node_modules", name), join(project, "node_modules", name));
  run(process.execPath, [join(here, "node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn"], page);
  const [script] = readdirSync(join(page, "dist/assets"));
  const bytes = gzipSync(readFileSync(join(page, "dist/assets", script))).length;
  console.log(`Vite builds the page from the installed client: ${bytes} bytes with React, compressed`);
} finally {
  rmSync(project, { recursive: true });
}
