/** Cuts the client from real gateways on every run-time: node runtimes/run.js CUTS SEED. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const modules = new URL("node_modules/", import.meta.url);
const cuts = fileURLToPath(new URL("../.build/tests/real/cuts.js", import.meta.url));
const runtimes = {
  "this Node, with ws": [process.execPath],
  "Node 22": ["node22/bin/node"],
  "Node 26": ["node26/bin/node"],
  Bun: ["@oven/bun-linux-x64/bin/bun"],
  Deno: ["@deno/linux-x64-glibc/deno", "run", "--allow-all", "--quiet"],
};

let failed = 0;
for (const [name, [program, ...options]] of Object.entries(runtimes)) {
  const path = program === process.execPath ? program : fileURLToPath(new URL(program, modules));
  const { stdout, status } = spawnSync(path, [...options, cuts, "--cuts", ...process.argv.slice(2)], { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  console.log(`${name}: ${stdout.trim()}`);
  if (status !== 0) failed += 1;
}
process.exit(failed);
