import { expect, test } from "vitest";

import { pointsOfColmap, pointsOfPly, upOf, type Cameras } from "../src/viewer/formats";

test("points of a PLY file are read whatever stands between position and colour", () => {
  const header =
    "ply\nformat binary_little_endian 1.0\ncomment made by E2E3D\nelement vertex 2\n" +
    "property float x\nproperty float y\nproperty float z\nproperty float nx\nproperty uchar red\nproperty uchar green\n" +
    "property uchar blue\nproperty float confidence\nelement face 0\nproperty list uchar int vertex_indices\nend_header\n";
  const rows = new DataView(new ArrayBuffer(46));
  [1, 2, 3, 9].forEach((value, index) => rows.setFloat32(4 * index, value, true));
  [10, 20, 30].forEach((value, index) => rows.setUint8(16 + index, value));
  [4, 5, 6, 9].forEach((value, index) => rows.setFloat32(23 + 4 * index, value, true));
  [40, 50, 60].forEach((value, index) => rows.setUint8(39 + index, value));
  const file = new Uint8Array([...new TextEncoder().encode(header), ...new Uint8Array(rows.buffer)]);
  const { positions, colors } = pointsOfPly(file.buffer);
  expect([...positions]).toEqual([1, 2, 3, 4, 5, 6]);
  expect([...colors]).toEqual([10, 20, 30, 40, 50, 60]);
});

test("what is no PLY file is refused", () => {
  expect(() => pointsOfPly(new TextEncoder().encode("<html>").buffer)).toThrow("no binary PLY file");
});

test("points of COLMAP are read past tracks of any length", () => {
  const view = new DataView(new ArrayBuffer(8 + 51 + 16 + 51));
  view.setBigUint64(0, 2n, true);
  view.setFloat64(16, 1.5, true);
  view.setUint8(8 + 32, 200);
  view.setBigUint64(8 + 43, 2n, true);
  const second = 8 + 51 + 16;
  view.setFloat64(second + 24, -2.5, true);
  view.setUint8(second + 34, 100);
  const { positions, colors } = pointsOfColmap(view.buffer);
  expect([...positions]).toEqual([1.5, 0, 0, 0, 0, -2.5]);
  expect([...colors]).toEqual([200, 0, 0, 0, 0, 100]);
});

const image = (rows: number[][]) => ({ name: "a.jpg", camera_id: 1, cam_from_world: rows, center_world: [0, 0, 0] });

test("up is z in a frame that is level, and where the photographs are upright in one that is not", () => {
  const level = { frame: "upright", cameras: [], images: [] } satisfies Cameras;
  expect(upOf(level)).toEqual([0, 0, 1]);
  const tilted = [image([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0]]), image([[1, 0, 0, 0], [0, 0, -1, 5], [0, 1, 0, 0]])];
  expect(upOf({ frame: "arbitrary", cameras: [], images: tilted }).map((value) => value + 0)).toEqual([0, 0, 1]);
});
