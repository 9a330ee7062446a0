import { expect, test } from "vitest";

import { objectOf, stillOf, withoutCrumbs } from "../src/masks/background";
import { pictureOf } from "../src/masks/colors";
import { isMask, maskNameOf, partedPhotos } from "../src/masks/names";

const [WIDTH, HEIGHT] = [120, 90];

const chance = (seed: number) => {
  const wave = Math.sin(seed * 12.9898) * 43758.5453;
  return wave - Math.floor(wave);
};

/** A disc of several colours before `backdrop`; its truth, too. */
function scene(backdrop: (x: number, y: number) => number[], turn = 0) {
  const data = new Uint8ClampedArray(4 * WIDTH * HEIGHT);
  const truth = new Uint8Array(WIDTH * HEIGHT);
  for (let pixel = 0; pixel < truth.length; pixel++) {
    const [x, y] = [pixel % WIDTH, Math.floor(pixel / WIDTH)];
    const [u, v] = [x - 58, y - 46];
    const inside = Math.hypot(u, 1.3 * v) < 32 && Math.hypot(u, v) > 7; // with a hole
    const stripe = Math.floor((Math.atan2(v, u) + turn + 7) * 3) % 3;
    const color = inside ? [[180, 60, 40], [60, 90, 160], [200, 190, 120]][stripe]! : backdrop(x, y);
    truth[pixel] = inside ? 1 : 0;
    color.forEach((value, axis) => (data[4 * pixel + axis] = value + 10 * (chance(3 * pixel + axis + turn) - 0.5)));
  }
  return { picture: pictureOf({ width: WIDTH, height: HEIGHT, data }), truth };
}

function agreement(mask: Uint8Array, truth: Uint8Array): number {
  let [both, either] = [0, 0];
  truth.forEach((inside, pixel) => {
    both += inside && mask[pixel] ? 1 : 0;
    either += inside || mask[pixel] ? 1 : 0;
  });
  return both / either;
}

test("an object is told from a plain backdrop with a shadow, and the hole in it from the object", () => {
  const { picture, truth } = scene((x, y) => (y > 60 && x > 50 ? [150, 152, 155] : [205, 208, 212]));
  const mask = objectOf(picture, null);
  expect(agreement(mask, truth)).toBeGreaterThan(0.85); // it is a pixel larger all around
  expect(truth.every((inside, pixel) => !inside || mask[pixel])).toBe(true);
  expect(mask[46 * WIDTH + 58]).toBe(0);
});

test("what stands still behind a turned object is background, whatever its colours are", () => {
  const clutter = (x: number, y: number) => [[180, 60, 40], [90, 160, 90], [70, 70, 80]][Math.floor(chance(Math.floor(x / 12) + 31 * Math.floor(y / 12)) * 3)]!;
  const turned = Array.from({ length: 6 }, (_, index) => scene(clutter, index * 0.7));
  const still = stillOf(turned.map(({ picture }) => picture));
  expect(still).not.toBeNull();
  const [first] = turned;
  expect(agreement(objectOf(first!.picture, still), first!.truth)).toBeGreaterThan(0.7);
  const moved = Array.from({ length: 6 }, (_, index) => scene((x, y) => clutter(x + 17 * index, y + 5 * index)));
  expect(stillOf(moved.map(({ picture }) => picture))).toBeNull();
});

test("crumbs are no object", () => {
  const mask = new Uint8Array(100);
  for (let pixel = 0; pixel < 60; pixel++) mask[pixel] = 1;
  mask[99] = 1;
  expect(withoutCrumbs(mask, { width: 10, height: 10 }).reduce((sum, each) => sum + each, 0)).toBe(60);
});

test("masks lie in their folder, and are found as the service finds them", () => {
  const photo = (name: string) => ({ name }) as Parameters<typeof partedPhotos>[0][number];
  expect([isMask("masks/a.jpg.png"), isMask("x/Mask/a.png"), isMask("unmasked/a.png")]).toEqual([true, true, false]);
  const { photos, masks } = partedPhotos(["A.JPG", "b.jpg", "c.jpg", maskNameOf("A.JPG"), "masks/b_mask.png"].map(photo));
  expect(photos.map(({ name }) => name)).toEqual(["A.JPG", "b.jpg", "c.jpg"]);
  expect([...masks].map(([name, { name: mask }]) => [name, mask])).toEqual([["A.JPG", "masks/A.JPG.png"], ["b.jpg", "masks/b_mask.png"]]);
});
