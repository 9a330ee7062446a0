import { expect, test } from "vitest";

import { differencesOf } from "../src/pages/compare/differences";
import { changesOf } from "../src/pages/job/rerun";
import { parted, stylesFor } from "../src/pages/job/reportDocument";

const job = { quality: "low", settings: { "mesh.max_faces": 5000, "depth.max_size_px": 320 }, name: "statue" };

test("a rerun names only what is different, and null for what goes back to its preset", () => {
  const typed = { "mesh.max_faces": "5000", "depth.max_size_px": " ", "texture.max_pages": "2" };
  expect(changesOf(job, { quality: "low", name: "", typed })).toEqual({
    settings: { "depth.max_size_px": null, "texture.max_pages": 2 },
  });
  const same = { "mesh.max_faces": "5000", "depth.max_size_px": "320" };
  expect(changesOf(job, { quality: "low", name: "statue", typed: same })).toEqual({});
  expect(changesOf(job, { quality: "high", name: "again", typed: same })).toEqual({ quality: "high", name: "again" });
});

test("jobs are compared by what they ran with, whether it was named or is that of their quality", () => {
  expect(differencesOf(job, { ...job, settings: { ...job.settings, "mesh.max_faces": 9000 } })).toEqual([
    { name: "mesh.max_faces", values: ["5000", "9000"] },
  ]);
  expect(differencesOf(job, { quality: "preview", settings: job.settings }).length).toBeGreaterThan(0);
});

test("a report loses its styles and landmarks, and its styles fit one element in the theme that is wanted", () => {
  const { text, css } = parted('<style>main { a: b }</style><main><header class="x"><i style="width:4%"></i></header></main>');
  expect(text).toBe('<div class="main"><div class="x"><i data-style="width:4%"></i></div></div>');
  expect(stylesFor(css, undefined)).toBe(".main { a: b }");
  const themed = "@media (prefers-color-scheme: dark) { :root { a: b } }\nbody { c: d }";
  expect(stylesFor(themed, "light")).toBe("@media not all { :host { a: b } }\n:host { c: d }");
});
