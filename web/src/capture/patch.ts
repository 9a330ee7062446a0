import type { Gray } from "./gray";

const RADIUS = 4; // of what is fitted, in pixels
const LOOK_RADIUS = 8; // of what must look alike
export const MARGIN = RADIUS + 1;
const LOOK_STEP = 2;
const STEPS = 8;
const SETTLED_PX = 0.03;
const ALIKE = 0.75;

/**
 * A small square of a photograph that is found again in later frames: Baker and Matthews (Lucas-Kanade 20 years on,
 * IJCV 2004), translation only. It counts as found while a larger square around it looks as in the photograph, so
 * nothing drifts.
 */
export class Patch {
  /** From its place in the photograph to where it was found last. */
  dx = 0;
  dy = 0;
  found = true;
  readonly #values = new Float32Array((2 * RADIUS + 1) ** 2);
  readonly #gradients = new Float32Array(2 * (2 * RADIUS + 1) ** 2);
  readonly #look: { u: number; v: number; value: number }[] = [];
  #xx = 0;
  #xy = 0;
  #yy = 0;

  constructor(
    photograph: Gray,
    readonly x: number,
    readonly y: number,
  ) {
    let at = 0;
    for (let v = y - RADIUS; v <= y + RADIUS; v++) {
      for (let u = x - RADIUS; u <= x + RADIUS; u++) {
        const gx = (valueAt(photograph, u + 1, v) - valueAt(photograph, u - 1, v)) / 2;
        const gy = (valueAt(photograph, u, v + 1) - valueAt(photograph, u, v - 1)) / 2;
        this.#values[at] = valueAt(photograph, u, v);
        this.#gradients.set([gx, gy], 2 * at++);
        this.#xx += gx * gx;
        this.#xy += gx * gy;
        this.#yy += gy * gy;
      }
    }
    for (let v = -LOOK_RADIUS; v <= LOOK_RADIUS; v += LOOK_STEP) {
      for (let u = -LOOK_RADIUS; u <= LOOK_RADIUS; u += LOOK_STEP) {
        if (isInside(photograph, x + u, y + v)) this.#look.push({ u, v, value: valueAt(photograph, x + u, y + v) });
      }
    }
  }

  /** Whether it is found in a frame, beginning at a shift from its own place; it keeps where. */
  follow(frame: Gray, dx: number, dy: number): boolean {
    const determinant = this.#xx * this.#yy - this.#xy * this.#xy;
    if (determinant <= 0) return false;
    for (let step = 0; step < STEPS; step++) {
      if (!isInside(frame, this.x + dx, this.y + dy)) return false;
      let [xe, ye, at] = [0, 0, 0];
      for (let v = this.y - RADIUS; v <= this.y + RADIUS; v++) {
        for (let u = this.x - RADIUS; u <= this.x + RADIUS; u++) {
          const error = (this.#values[at] as number) - sampleAt(frame, u + dx, v + dy);
          xe += error * (this.#gradients[2 * at] as number);
          ye += error * (this.#gradients[2 * at + 1] as number);
          at++;
        }
      }
      const [x, y] = [(this.#yy * xe - this.#xy * ye) / determinant, (this.#xx * ye - this.#xy * xe) / determinant];
      dx += x;
      dy += y;
      if (Math.abs(x) + Math.abs(y) < SETTLED_PX) break;
    }
    if (!isInside(frame, this.x + dx, this.y + dy) || !this.#looksAlike(frame, dx, dy)) return false;
    [this.dx, this.dy] = [dx, dy];
    return true;
  }

  #looksAlike(frame: Gray, dx: number, dy: number): boolean {
    let [count, a, b, aa, bb, ab] = [0, 0, 0, 0, 0, 0];
    for (const { u, v, value } of this.#look) {
      const [x, y] = [this.x + u + dx, this.y + v + dy];
      if (!isInside(frame, x, y)) continue;
      const other = sampleAt(frame, x, y);
      a += value;
      b += other;
      aa += value * value;
      bb += other * other;
      ab += value * other;
      count++;
    }
    const spread = (count * aa - a * a) * (count * bb - b * b);
    return count >= this.#look.length / 3 && spread > 0 && count * ab - a * b >= ALIKE * Math.sqrt(spread);
  }
}

/** How well a place can be found again: the smaller eigenvalue of the mean structure tensor (Shi and Tomasi, CVPR 1994). */
export function cornerness(gray: Gray, x: number, y: number): number {
  let [xx, xy, yy] = [0, 0, 0];
  for (let v = y - 2; v <= y + 2; v++) {
    for (let u = x - 2; u <= x + 2; u++) {
      const gx = (valueAt(gray, u + 1, v) - valueAt(gray, u - 1, v)) / 2;
      const gy = (valueAt(gray, u, v + 1) - valueAt(gray, u, v - 1)) / 2;
      xx += gx * gx;
      xy += gx * gy;
      yy += gy * gy;
    }
  }
  return ((xx + yy) / 2 - Math.hypot((xx - yy) / 2, xy)) / 25;
}

const isInside = ({ width, height }: Gray, x: number, y: number): boolean => x >= 0 && y >= 0 && x <= width - 1 && y <= height - 1;
const valueAt = ({ width, data }: Gray, x: number, y: number): number => data[y * width + x] as number;

/** Between pixels, bilinear; beyond the border as at it. */
function sampleAt({ width, height, data }: Gray, x: number, y: number): number {
  const [u, v] = [Math.min(Math.max(x, 0), width - 1.001), Math.min(Math.max(y, 0), height - 1.001)];
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const [right, below] = [u - left, v - top];
  const at = top * width + left;
  const upper = (data[at] as number) * (1 - right) + (data[at + 1] as number) * right;
  const lower = (data[at + width] as number) * (1 - right) + (data[at + width + 1] as number) * right;
  return upper * (1 - below) + lower * below;
}
