import { Matrix4, Quaternion, Vector3 } from "three";

import type { Cameras } from "../../viewer/formats";

/** From the frame of one model to that of another: first turned, then scaled, then moved. */
export interface Similarity {
  rotation: Quaternion;
  scale: number;
  offset: Vector3;
}

export const IDENTITY: Similarity = { rotation: new Quaternion(), scale: 1, offset: new Vector3() };

type Image = Cameras["images"][number];

/**
 * Lays model `a` over `b` by the cameras of the photographs that both have: the mean of their turns, the ratio of how
 * far they stand apart, and their middles. Identity where fewer than two cameras are common.
 */
export function similarityOf(a: Cameras, b: Cameras): Similarity {
  const known = new Map(b.images.map((image) => [image.name, image]));
  const pairs = a.images.flatMap((image): [Image, Image][] => {
    const other = known.get(image.name);
    return other ? [[image, other]] : [];
  });
  if (pairs.length < 2) return IDENTITY;
  const rotation = meanOf(pairs.map(([from, to]) => rotationOf(to).invert().multiply(rotationOf(from))));
  const [middleA, spreadA] = spreadOf(pairs.map(([from]) => centreOf(from)));
  const [middleB, spreadB] = spreadOf(pairs.map(([, to]) => centreOf(to)));
  const scale = spreadA > 0 ? spreadB / spreadA : 1;
  return { rotation, scale, offset: middleB.sub(middleA.applyQuaternion(rotation).multiplyScalar(scale)) };
}

export function inverseOf({ rotation, scale, offset }: Similarity): Similarity {
  const back = rotation.clone().invert();
  return { rotation: back, scale: 1 / scale, offset: offset.clone().negate().applyQuaternion(back).divideScalar(scale) };
}

export function moved({ rotation, scale, offset }: Similarity, point: readonly number[]): [number, number, number] {
  const [x = 0, y = 0, z = 0] = point;
  return new Vector3(x, y, z).applyQuaternion(rotation).multiplyScalar(scale).add(offset).toArray();
}

function rotationOf({ cam_from_world: rows }: Image): Quaternion {
  const [a, b, c] = [0, 1, 2].map((row) => [0, 1, 2].map((column) => rows[row]?.[column] ?? 0) as [number, number, number]);
  return new Quaternion().setFromRotationMatrix(new Matrix4().set(...(a ?? [1, 0, 0]), 0, ...(b ?? [0, 1, 0]), 0, ...(c ?? [0, 0, 1]), 0, 0, 0, 0, 1));
}

/** Of turns that are nearly the same: the normalised sum, with all on one side. */
function meanOf(turns: Quaternion[]): Quaternion {
  const [first = new Quaternion()] = turns;
  const sum = turns.reduce((total, turn) => {
    const sign = turn.dot(first) < 0 ? -1 : 1;
    return total.map((value, index) => value + sign * (turn.toArray()[index] ?? 0));
  }, [0, 0, 0, 0]);
  return new Quaternion(...(sum as [number, number, number, number])).normalize();
}

function centreOf({ center_world: [x = 0, y = 0, z = 0] }: Image): Vector3 {
  return new Vector3(x, y, z);
}

/** The middle of points, and how far they are from it on the whole. */
function spreadOf(points: Vector3[]): [Vector3, number] {
  const middle = points.reduce((sum, point) => sum.add(point), new Vector3()).divideScalar(points.length);
  return [middle, Math.sqrt(points.reduce((sum, point) => sum + point.distanceToSquared(middle), 0))];
}
