/** The code in the documents and the examples have right types: they are checked as a program that has installed the package. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { PACKAGE, REPOSITORY } from "./support.js";

/** All documents of the repository. */
const documents = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], { cwd: REPOSITORY, encoding: "utf8" });

test("the code of the documents and of the examples has right types", () => {
  const text = documents.trim().split("\n").map((name) => readFileSync(new URL(name, REPOSITORY), "utf8")).join("\n");
  const blocks = [...text.matchAll(/^```(typescript|tsx)\n(.*?)^```$/gms)];
  assert.ok(blocks.length > 6);
  const folder = new URL(".build/readme/", PACKAGE);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  blocks.forEach(([, language, code], index) => {
    writeFileSync(new URL(`block${index}.${language === "tsx" ? "tsx" : "ts"}`, folder), `${code}\nexport {};\n`);
  });
  for (const name of ["follow.js", "page/page.tsx"]) copyFileSync(new URL(`examples/${name}`, PACKAGE), new URL(basename(name), folder));
  const options = { extends: "../../tsconfig.json", compilerOptions: { noUnusedLocals: false, allowJs: true }, include: ["."] };
  writeFileSync(new URL("tsconfig.json", folder), JSON.stringify(options));
  const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", PACKAGE));
  execFileSync(process.execPath, [tsc, "--noEmit", "-p", fileURLToPath(new URL("tsconfig.json", folder))], { encoding: "utf8", stdio: "pipe" });
});
