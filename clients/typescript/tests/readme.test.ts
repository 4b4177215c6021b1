/** The code in the README has right types: it is checked as a program would be that has installed the package. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { PACKAGE } from "./support.js";

test("the README's code has right types", () => {
  const text = readFileSync(new URL("README.md", PACKAGE), "utf8");
  const blocks = [...text.matchAll(/^```(typescript|tsx)\n(.*?)^```$/gms)];
  assert.ok(blocks.length > 0);
  const folder = new URL(".build/readme/", PACKAGE);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  blocks.forEach(([, language, code], index) => {
    writeFileSync(new URL(`block${index}.${language === "tsx" ? "tsx" : "ts"}`, folder), `${code}\nexport {};\n`);
  });
  const options = { extends: "../../tsconfig.json", compilerOptions: { noUnusedLocals: false }, include: ["."] };
  writeFileSync(new URL("tsconfig.json", folder), JSON.stringify(options));
  const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", PACKAGE));
  execFileSync(process.execPath, [tsc, "--noEmit", "-p", fileURLToPath(new URL("tsconfig.json", folder))], { encoding: "utf8", stdio: "pipe" });
});
