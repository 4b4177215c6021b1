/** `resumableFetch` from its source, so that these tests need no build of the TypeScript client. */
import { build } from "../../clients/typescript/node_modules/esbuild/lib/main.js";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../../clients/typescript/src/ag-ui/index.ts", import.meta.url));
const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false, logLevel: "silent" });
export const { resumableFetch, ClientError } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
