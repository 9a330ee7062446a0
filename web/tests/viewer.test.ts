import { Sphere, Vector3 } from "three";
import { expect, test } from "vitest";

import { hasSceneViewer, sceneViewerLink } from "../src/pages/shared/sceneViewer";
import { placed } from "../src/pages/shared/usdz";
import { confidenceColors, SCALE } from "../src/viewer/confidence";
import { boxOf } from "../src/viewer/useClip";
import { Box3, BoxGeometry, Mesh } from "three";

test("the least certain points are dark and the most certain bright, whatever a few strays are", () => {
  const values = Float32Array.from({ length: 1001 }, (_, index) => index / 1000);
  values[500] = 1e9;
  const colors = confidenceColors(values);
  expect([...colors.slice(0, 3)]).toEqual([...SCALE[0]]);
  expect([...colors.slice(-3)]).toEqual([...(SCALE.at(-1) ?? [])]);
  expect([...confidenceColors(Float32Array.of(0.5, 0.5)).slice(0, 3)]).toEqual([...(SCALE.at(-1) ?? [])]);
});

test("a clip box is the part of the cube around a model that its shares name", () => {
  const box = boxOf(new Sphere(new Vector3(1, 2, 3), 2), [[0, 1], [0.25, 0.5], [0.5, 1]]);
  expect([box.min.toArray(), box.max.toArray()]).toEqual([[-1, 1, 3], [3, 2, 5]]);
});

test("in a room a model stands upright on the ground; one of unknown size is a metre tall at most", () => {
  const model = () => new Mesh(new BoxGeometry(2, 4, 8).translate(10, 20, 30));
  const boundsOf = (metric: boolean) => new Box3().setFromObject(placed(model(), [0, 0, 1], metric));
  const near = (value: Vector3, expected: number[]) => value.toArray().forEach((each, axis) => expect(each).toBeCloseTo(expected[axis] ?? NaN, 6));
  near(boundsOf(true).min, [-1, 0, -2]);
  near(boundsOf(true).max, [1, 8, 2]);
  near(boundsOf(false).max, [0.125, 1, 0.25]);
});

test("a phone with Android is told where the model is, and where to go without a viewer", () => {
  const link = new URL(sceneViewerLink(new URL("https://models.example.org/v1/shared/a.b/ar/model.glb"), 'A "b" & c;end', "https://models.example.org/shared/a.b"));
  expect(link.searchParams.get("file")).toBe("https://models.example.org/v1/shared/a.b/ar/model.glb");
  expect(link.searchParams.get("title")).toBe('A "b" & c;end');
  expect(link.hash.split(";").filter((each) => each.startsWith("S."))).toEqual(["S.browser_fallback_url=https%3A%2F%2Fmodels.example.org%2Fshared%2Fa.b"]);
  expect(link.hash.endsWith(";end;")).toBe(true);
  const phone = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36";
  expect([hasSceneViewer(phone, "https:"), hasSceneViewer(phone, "http:"), hasSceneViewer("Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0", "https:")]).toEqual([true, false, false]);
});
