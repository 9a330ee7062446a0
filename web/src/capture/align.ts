import { halved, type Gray } from "./gray";

const LEAST_COMMON = 0.3; // of the area

/**
 * The shift in whole pixels at which two pictures of the same size correlate best, found in halved ones first; they must
 * have a part of their area in common.
 */
export function shiftOf(base: Gray, frame: Gray): { x: number; y: number } {
  if (base.width < 32) return best(base, frame, { x: 0, y: 0 }, base.width, base.height);
  const coarse = shiftOf(halved(base), halved(frame));
  return best(base, frame, { x: 2 * coarse.x, y: 2 * coarse.y }, 2, 2);
}

function best(base: Gray, frame: Gray, around: { x: number; y: number }, wide: number, tall: number): { x: number; y: number } {
  let [found, most] = [around, -2];
  for (let y = around.y - tall; y <= around.y + tall; y++) {
    for (let x = around.x - wide; x <= around.x + wide; x++) {
      const [common, all] = [(base.width - Math.abs(x)) * (base.height - Math.abs(y)), base.width * base.height];
      if (Math.abs(x) >= base.width || Math.abs(y) >= base.height || common < LEAST_COMMON * all) continue;
      const alike = correlation(base, frame, x, y);
      if (alike > most) [found, most] = [{ x, y }, alike];
    }
  }
  return found;
}

function correlation(base: Gray, frame: Gray, dx: number, dy: number): number {
  const { width, height, data: first } = base;
  const { data: second } = frame;
  let [count, a, b, aa, bb, ab] = [0, 0, 0, 0, 0, 0];
  const [left, right] = [Math.max(0, -dx), Math.min(width, width - dx)];
  for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
    for (let x = left; x < right; x++) {
      const [p, q] = [first[y * width + x] as number, second[(y + dy) * width + x + dx] as number];
      a += p;
      b += q;
      aa += p * p;
      bb += q * q;
      ab += p * q;
      count++;
    }
  }
  const spread = (count * aa - a * a) * (count * bb - b * b);
  return spread > 0 ? (count * ab - a * b) / Math.sqrt(spread) : 0;
}
