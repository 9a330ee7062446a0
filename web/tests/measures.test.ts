import { expect, test } from "vitest";
import { BufferAttribute, BufferGeometry, Group, Mesh, Ray, Vector3 } from "three";

import { measured, scaleOf, type Point } from "../src/viewer/measures";
import { firstHit } from "../src/viewer/picking";

test("length, area and angle of a right triangle", () => {
  const points: Point[] = [[3, 0, 1], [0, 0, 1], [0, 4, 1]];
  expect(measured(points.slice(0, 1))).toBeNull();
  expect(measured(points.slice(0, 2))).toEqual({ length: 3, area: null, angle: null });
  const all = measured(points);
  expect(all?.length).toBe(7);
  expect(all?.area).toBe(6);
  expect(all?.angle).toBeCloseTo(Math.PI / 2, 12);
});

test("the area of a shape that is not convex, and no angle of four points", () => {
  const all = measured([[0, 0, 0], [4, 0, 0], [4, 4, 0], [2, 1, 0]]);
  expect(all?.area).toBe(6);
  expect(all?.angle).toBeNull();
});

test("a known length sets the scale, and nonsense does not", () => {
  expect(scaleOf(4, 2)).toBe(0.5);
  for (const [length, metres] of [[0, 1], [1, 0], [1, -2], [1, NaN]] as const) expect(scaleOf(length, metres)).toBeNull();
});

test("a ray meets the surface that is nearest, from either side, where its object stands", () => {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(Float32Array.from([-1, -1, 0, 1, -1, 0, 0, 1, 0]), 3));
  const [near, far] = [new Mesh(geometry), new Mesh(geometry)];
  far.position.z = -5;
  const both = new Group().add(near, far);
  both.position.x = 10;
  const from = (z: number, direction: number) => new Ray(new Vector3(10, 0, z), new Vector3(0, 0, direction));
  expect(firstHit(both, from(3, -1))?.toArray()).toEqual([10, 0, 0]);
  expect(firstHit(both, from(-9, 1))?.toArray()).toEqual([10, 0, -5]);
  expect(firstHit(both, from(3, 1))).toBeNull();
});
