#!/usr/bin/env bash
# React 19.3.1, its `act`; esbuild 0.28.2; Node 20 and later.
#
# Guess: a test that passes when Node runs it from its files behaves in the same way when it was bundled first: the bundle
# has the same code.
# Seen: the tests pass, and then the process does not end. `act` looks for setImmediate through `module.require`. In a
# bundle `module` is esbuild's own object without `require`, so `act` falls back, without a word, to a MessageChannel: a
# new one at each call, which it never closes. Each open port keeps Node alive, so a test runner that waits for the end of
# its processes waits for ever, and nothing in the tests is to blame. It is the same with `--platform=node`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund react@19.3.1 esbuild@0.28.2 >/dev/null
cat >test.mjs <<'JAVASCRIPT'
import { act, version } from "react";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
for (let call = 0; call < 3; call += 1) await act(async () => {});
const open = process.getActiveResourcesInfo().filter((kind) => kind === "MessagePort").length;
console.log(`React ${version}: ${open} open ports after three calls of act`);
process.exit(0); // a real test has no such line
JAVASCRIPT
export NODE_ENV=development
for platform in browser node; do
  node_modules/.bin/esbuild test.mjs --bundle --format=esm --platform=$platform --outfile=$platform.mjs --log-level=error
done
for file in test browser node; do
  node $file.mjs >$file.txt
  printf '%-12s %s\n' $file.mjs "$(cat $file.txt)"
done
grep -q ": 0 open ports" test.txt
grep -q ": 3 open ports" browser.txt
grep -q ": 3 open ports" node.txt
echo "as described"
