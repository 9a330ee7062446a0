import { Quaternion, Vector3 } from "three";
import { expect, test } from "vitest";

import { IDENTITY, inverseOf, moved, similarityOf, type Similarity } from "../src/pages/compare/align";
import type { Cameras } from "../src/viewer/formats";

const truth: Similarity = {
  rotation: new Quaternion().setFromAxisAngle(new Vector3(1, 2, -1).normalize(), 2.1),
  scale: 3.5,
  offset: new Vector3(4, -2, 9),
};

/** Cameras of which those of the second model are those of the first, laid over by `truth`. */
function pair(count: number): [Cameras, Cameras] {
  const a = Array.from({ length: count }, (_, index) => {
    const turn = new Quaternion().setFromAxisAngle(new Vector3(0.3, 1, index / 5).normalize(), 0.4 * index);
    return { name: `${index}.jpg`, turn, center: [Math.sin(index), 0.2 * index, Math.cos(2 * index)] };
  });
  const cameras = (images: Cameras["images"]): Cameras => ({ frame: "arbitrary", cameras: [], images });
  const first = a.map(({ name, turn, center }) => ({ name, camera_id: 1, cam_from_world: rowsOf(turn), center_world: center }));
  const second = a.map(({ name, turn, center }) => ({
    name,
    camera_id: 1,
    cam_from_world: rowsOf(turn.clone().multiply(truth.rotation.clone().invert())),
    center_world: moved(truth, center),
  }));
  return [cameras(first), cameras(second.reverse())];
}

function rowsOf(turn: Quaternion): number[][] {
  const columns = [new Vector3(1, 0, 0), new Vector3(0, 1, 0), new Vector3(0, 0, 1)].map((axis) => axis.applyQuaternion(turn).toArray());
  return [0, 1, 2].map((row) => columns.map((column) => column[row] ?? 0));
}

test("one model is laid over another by the cameras of their photographs, and back", () => {
  const [a, b] = pair(5);
  const found = similarityOf(a, b);
  for (const point of [[0, 0, 0], [1, -2, 0.5]]) {
    const there = moved(truth, point);
    moved(found, point).forEach((value, axis) => expect(value).toBeCloseTo(there[axis] ?? NaN, 9));
    moved(inverseOf(found), there).forEach((value, axis) => expect(value).toBeCloseTo(point[axis] ?? NaN, 9));
  }
});

test("one camera says nothing of scale and place", () => {
  const [a, b] = pair(1);
  expect(similarityOf(a, b)).toBe(IDENTITY);
});
