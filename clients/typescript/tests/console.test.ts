/** The gateway's console page has this client, as it is built from these sources. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PACKAGE } from "./support.js";

interface Building {
  readonly CONSOLE_FILE: URL;
  consoleText(): Promise<string>;
}

test("the console's copy of the client is what these sources build", async () => {
  const { CONSOLE_FILE, consoleText } = (await import(new URL("build.js", PACKAGE).href)) as Building;
  assert.ok(readFileSync(CONSOLE_FILE, "utf8") === (await consoleText()), "run `make sdk-console`, and commit the file");
});
