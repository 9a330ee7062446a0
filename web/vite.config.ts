import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const SERVICE = process.env.E2E3D_URL ?? "http://127.0.0.1:8000";
const WORKER = "service-worker";
const OFFLINE = [/index\.html$/, /capture\/CapturePage\.tsx$/, /i18n\/de\.json$/]; // modules that open without a network

export default defineConfig({
  plugins: [react(), listsOfflineFiles()],
  html: { cspNonce: "NONCE_OF_THE_ANSWER" }, // replaced in every answer by e2e3d/serve/web_page.py
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: "index.html", [WORKER]: "src/service-worker.ts" },
      output: { entryFileNames: ({ name }) => (name === WORKER ? "[name].js" : "assets/[name]-[hash].js") },
    },
  },
  server: { proxy: { "/v1": SERVICE } },
  test: { include: ["tests/**/*.test.ts"] },
});

/** Writes into the service worker which files it is to keep: those of some modules, with all that they import. */
function listsOfflineFiles(): Plugin {
  return {
    name: "lists-offline-files",
    apply: "build",
    generateBundle(_, bundle) {
      const files = new Set<string>();
      const add = (name: string) => {
        const chunk = bundle[name];
        if (files.has(name) || chunk?.type !== "chunk") return;
        files.add(name);
        chunk.viteMetadata?.importedCss.forEach((each) => files.add(each));
        chunk.viteMetadata?.importedAssets.forEach((each) => files.add(each));
        chunk.imports.forEach(add);
      };
      for (const [name, chunk] of Object.entries(bundle)) {
        if (chunk.type === "chunk" && OFFLINE.some((wanted) => wanted.test(chunk.facadeModuleId ?? ""))) add(name);
      }
      const worker = bundle[`${WORKER}.js`];
      if (worker?.type !== "chunk" || files.size < OFFLINE.length) throw new Error("the service worker has nothing to keep");
      worker.code = worker.code.replaceAll("__OFFLINE_FILES__", JSON.stringify([...files].map((file) => `/${file}`)));
    },
  };
}
