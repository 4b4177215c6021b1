/** Builds the console page into the folder that the gateway serves. File names stay the same, so that changes can be read. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const served = fileURLToPath(new URL("../websocket_handler/api/console", import.meta.url));

export default defineConfig({
  base: "/console/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    outDir: served,
    emptyOutDir: false,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { console: "index.html", connection: "src/connection.ts" },
      preserveEntrySignatures: "allow-extension",
      // `make sdk-console` builds this file: the page runs the client as it is published.
      external: ["websocket-handler-client"],
      output: {
        paths: { "websocket-handler-client": "./websocket-handler-client.js" },
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "console[extname]",
      },
    },
  },
  // `npm run dev` beside a gateway on this machine.
  server: { proxy: { "/ws": { target: "http://127.0.0.1:8080", ws: true }, "/api": "http://127.0.0.1:8080", "/metrics": "http://127.0.0.1:8080" } },
  resolve: { alias: process.env.NODE_ENV === "development" ? { "websocket-handler-client": `${served}/websocket-handler-client.js` } : {} },
});
