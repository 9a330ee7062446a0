import { expect, test } from "vitest";

import { parsed, QUALITIES, STAGES } from "../src/pages/set/settings";

test("what was typed becomes the values that the service takes, and what is empty stays out", () => {
  const typed = { "a.number": " 0.5 ", "a.flag": "true", "a.list": "5, 2, 1", "a.word": "L1_ROOT", "a.empty": "  " };
  expect(parsed(typed)).toEqual({ "a.number": 0.5, "a.flag": true, "a.list": [5, 2, 1], "a.word": "L1_ROOT" });
});

test("qualities and stages come in the order of the configuration", () => {
  expect(QUALITIES).toEqual(["preview", "low", "medium", "high", "ultra"]);
  expect(STAGES.map(([stage]) => stage).slice(0, 4)).toEqual(["frames", "ingest", "features", "pairs"]);
});
