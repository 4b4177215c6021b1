/**
 * Packs the client as it is published, installs the pack in an empty project, and uses it there: node tests/artefact/check.js.
 * No network is needed, because the client depends on nothing.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

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
} finally {
  rmSync(project, { recursive: true });
}
