import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const SERVICE = process.env.E2E3D_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  html: { cspNonce: "NONCE_OF_THE_ANSWER" }, // replaced in every answer by e2e3d/serve/web_page.py
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/v1": SERVICE } },
  test: { include: ["tests/**/*.test.ts"] },
});
