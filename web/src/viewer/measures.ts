/** A place in the frame of the model. */
export type Point = readonly [number, number, number];

/** What picked points span, in units of the model and radians. */
export interface Measured {
  /** Of the line through all points. */
  length: number;
  /** Of the flat shape that three or more points enclose; of one that is not flat, as seen from where it is largest. */
  area: number | null;
  /** At the second of three points. */
  angle: number | null;
}

export function measured(points: readonly Point[]): Measured | null {
  if (points.length < 2) return null;
  let length = 0;
  for (let index = 1; index < points.length; index++) length += norm(minus(at(points, index), at(points, index - 1)));
  return {
    length,
    area: points.length >= 3 ? areaOf(points) : null,
    angle: points.length === 3 ? angleAt(at(points, 0), at(points, 1), at(points, 2)) : null,
  };
}

/** Metres per unit of the model when `length` of it is known to be `metres`; null where that says nothing. */
export function scaleOf(length: number, metres: number): number | null {
  const scale = metres / length;
  return length > 0 && metres > 0 && Number.isFinite(scale) ? scale : null;
}

function areaOf(points: readonly Point[]): number {
  const first = at(points, 0);
  let sum: Point = [0, 0, 0];
  for (let index = 2; index < points.length; index++) {
    const [x, y, z] = cross(minus(at(points, index - 1), first), minus(at(points, index), first));
    sum = [sum[0] + x, sum[1] + y, sum[2] + z];
  }
  return norm(sum) / 2;
}

function angleAt(before: Point, corner: Point, after: Point): number {
  const [a, b] = [minus(before, corner), minus(after, corner)];
  return Math.atan2(norm(cross(a, b)), a[0] * b[0] + a[1] * b[1] + a[2] * b[2]);
}

const at = (points: readonly Point[], index: number): Point => points[index] ?? [0, 0, 0];
const minus = (a: Point, b: Point): Point => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const norm = (a: Point): number => Math.hypot(...a);
const cross = (a: Point, b: Point): Point => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
