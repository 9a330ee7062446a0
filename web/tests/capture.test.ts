import { expect, test } from "vitest";

import { Chooser } from "../src/capture/chooser";
import { exposureOf, sharpnessOf, type Gray } from "../src/capture/gray";
import { counted, headingOf, sectorOf } from "../src/capture/heading";
import { Tracker } from "../src/capture/track";

const [WIDTH, HEIGHT] = [160, 120];

/** A smooth random world, seen from a place of it; `blur` smears it sideways, as a moved camera does. */
function view(left: number, top: number, { blur = 0, width = WIDTH, height = HEIGHT, light = 1 } = {}): Gray {
  const data = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let smear = 0; smear <= blur; smear++) sum += world(x + left + smear, y + top);
      data[y * width + x] = light * (sum / (blur + 1));
    }
  }
  return { width, height, data };
}

function world(x: number, y: number): number {
  const [size, left, top] = [7, Math.floor(x / 7), Math.floor(y / 7)];
  const [u, v] = [x / size - left, y / size - top];
  const above = noise(left, top) * (1 - u) + noise(left + 1, top) * u;
  return above * (1 - v) + (noise(left, top + 1) * (1 - u) + noise(left + 1, top + 1) * u) * v;
}

function noise(x: number, y: number): number {
  const wave = Math.sin(x * 127.1 + y * 311.7) * 43758.5453;
  return 40 + 170 * (wave - Math.floor(wave));
}

const frame = (left: number, at_ms: number, options = {}) => ({ small: view(left, 0, options), middle: view(left, 0, options), at_ms });

test("a moved camera is less sharp, and dark and white pictures are known", () => {
  expect(sharpnessOf(view(0, 0, { blur: 12 }))).toBeLessThan(0.4 * sharpnessOf(view(0, 0)));
  expect(exposureOf(view(0, 0))).toBe("good");
  expect(exposureOf(view(0, 0, { light: 0.2 }))).toBe("dark");
  expect(exposureOf(view(0, 0, { light: 3 }))).toBe("bright");
});

test.each([
  [0, 0],
  [3.5, -2.25],
  [13, 8],
  [-44, 21],
])("patches are followed over %f and %f pixels", (x, y) => {
  const motion = new Tracker(view(0, 0)).motionTo(view(x, y));
  expect(motion?.shift).toBeCloseTo(Math.hypot(x, y) / WIDTH, 2);
  const common = (1 - Math.abs(x) / WIDTH) * (1 - Math.abs(y) / HEIGHT);
  expect(Math.abs((motion?.overlap ?? 0) - common)).toBeLessThan(0.12);
});

test("another place has nothing in common, and a white wall says nothing", () => {
  expect(new Tracker(view(0, 0)).motionTo(view(5000, 900))?.overlap).toBeLessThan(0.2);
  expect(new Tracker({ width: WIDTH, height: HEIGHT, data: new Float32Array(WIDTH * HEIGHT).fill(200) }).motionTo(view(0, 0))).toBeNull();
});

test("photographs are taken at the wanted distance, sharp ones, and not of the same place twice", () => {
  const chooser = new Chooser();
  const taken: number[] = [];
  for (let step = 0; step <= 100; step++) {
    if (chooser.see(frame(step * 1.5, step * 100)).take) taken.push(step * 1.5);
  }
  const gaps = taken.slice(1).map((place, index) => place - (taken[index] ?? 0));
  expect(taken[0]).toBe(0);
  for (const gap of gaps) expect(gap / WIDTH).toBeGreaterThanOrEqual(0.07);
  for (const gap of gaps) expect(gap / WIDTH).toBeLessThan(0.12);
  const still = new Chooser();
  const hints = Array.from({ length: 40 }, (_, step) => still.see(frame(0, step * 100)));
  expect(hints.filter(({ take }) => take).length).toBe(1);
  expect(hints.at(-1)?.hint).toBe("move");
});

test("it waits for a sharp frame, and says what is wrong", () => {
  const chooser = new Chooser();
  chooser.see(frame(0, 0));
  const smeared = chooser.see(frame(20, 1000, { blur: 12 }));
  expect(smeared.take).toBe(false);
  expect(smeared.hint).toBe("slower");
  expect(chooser.see(frame(20, 1100)).take).toBe(true);
  expect(chooser.see(frame(21, 2000, { light: 0.15 }))).toMatchObject({ take: false, hint: "dark" });
  expect(chooser.see(frame(150, 2100))).toMatchObject({ take: false, hint: "back" });
  expect(chooser.see(frame(22, 2200)).hint).toBe("good");
});

test("a phone held upright looks at the horizon, and turns with it", () => {
  expect(headingOf(0, 90, 0).pitch_deg).toBeCloseTo(0);
  expect(headingOf(0, 90, 0).yaw_deg).toBeCloseTo(0); // north
  expect(headingOf(270, 90, 0).yaw_deg).toBeCloseTo(90); // turned to the right: east
  expect(headingOf(0, 0, 0).pitch_deg).toBeCloseTo(-90); // flat on a table: down
  expect(headingOf(0, 45, 0).pitch_deg).toBeCloseTo(-45);
  expect([sectorOf(0), sectorOf(359.9), sectorOf(-1)]).toEqual([0, 23, 23]);
  expect(counted([{ yaw_deg: 1, pitch_deg: 0 }, { yaw_deg: 14, pitch_deg: 0 }]).slice(0, 2)).toEqual([2, 0]);
});
