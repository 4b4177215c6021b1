/** Builds the console page into an empty folder, and compares it byte for byte with the files that the gateway serves. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const OF_THE_SDK = "websocket-handler-client.js";
const served = fileURLToPath(new URL("../websocket_handler/api/console/", import.meta.url));
const built = mkdtempSync(join(tmpdir(), "console-"));

try {
  await build({ root: fileURLToPath(new URL(".", import.meta.url)), logLevel: "warn", build: { outDir: built } });
  const names = new Set([...readdirSync(built), ...readdirSync(served)]);
  names.delete(OF_THE_SDK);
  const different = [...names].filter((name) => {
    try {
      return !readFileSync(join(built, name)).equals(readFileSync(join(served, name)));
    } catch {
      return true; // one of the folders has no such file
    }
  });
  if (different.length > 0) {
    console.error(`out of date: ${different.sort().join(", ")}. Run \`make console\`, and commit the files.`);
    process.exitCode = 1;
  }
} finally {
  rmSync(built, { recursive: true });
}
