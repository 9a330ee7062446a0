import { BufferGeometry, Mesh, Points, Sphere, Vector3, type Object3D } from "three";

import type { Cameras } from "./formats";

const SAMPLES = 20_000;
const INNER = 0.02; // of the coordinates on either side are strays

/** A sphere around nearly all of an object: the middle 96 % of its points along each axis, since clouds have strays. */
export function sphereOf(object: Object3D): Sphere {
  const axes: [number[], number[], number[]] = [[], [], []];
  object.updateWorldMatrix(true, true);
  const point = new Vector3();
  object.traverse((part) => {
    if (!(part instanceof Mesh || part instanceof Points)) return;
    const position = (part.geometry as BufferGeometry).getAttribute("position");
    const step = Math.max(1, Math.floor(position.count / SAMPLES));
    for (let index = 0; index < position.count; index += step) {
      point.fromBufferAttribute(position, index).applyMatrix4(part.matrixWorld);
      axes[0].push(point.x);
      axes[1].push(point.y);
      axes[2].push(point.z);
    }
  });
  if (axes[0].length === 0) return new Sphere(new Vector3(), 1);
  const spans = axes.map((values) => {
    values.sort((a, b) => a - b);
    const at = (share: number) => values[Math.round(share * (values.length - 1))] ?? 0;
    return [at(INNER), at(1 - INNER)] as const;
  });
  const middle = spans.map(([low, high]) => (low + high) / 2) as [number, number, number];
  const radius = Math.hypot(...spans.map(([low, high]) => (high - low) / 2));
  return new Sphere(new Vector3(...middle), Math.max(radius, 1e-6));
}

/** From where the photographs were taken, on the whole: the middle of their viewpoints, unless they are all around. */
export function viewpointOf({ images }: Cameras, sphere: Sphere): [number, number, number] | null {
  const sum = new Vector3();
  for (const { center_world: center } of images) {
    sum.add(new Vector3(...(center as [number, number, number])).sub(sphere.center).normalize());
  }
  if (images.length === 0) return null;
  const [first] = images;
  if (sum.length() / images.length < 0.5 && first) return first.center_world as [number, number, number];
  return sum.add(sphere.center).toArray();
}
