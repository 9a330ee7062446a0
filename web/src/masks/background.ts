import { distance, logDensity, mixtureOf, type Mixture, type Picture } from "./colors";

/** Where a photograph shows the object: 1, else 0, row by row. */
export type Mask = Uint8Array<ArrayBuffer>;

const COLOURS = 6;
const BORDER = 0.06; // of the shorter side: where only background is expected
const ROUNDS = 4;
const SWEEPS = 12;
const SMOOTHNESS = 2.5;
const MOST_LOG_ODDS = 6;
const STILL_DISTANCE = 60; // squared, of a colour from itself in another photograph
const STILL_SHARE = 0.6; // of the border: the camera stood still, and the object was turned
const STILL_LOG_ODDS = 3;
const SMALLEST_PART = 0.05; // of the largest part of the object

/** What stands still in photographs from one place: the colours of most of them; null where the camera moved. */
export function stillOf(pictures: readonly Picture[]): Float32Array | null {
  const [first] = pictures;
  if (!first || pictures.length < 4 || pictures.some(({ width, height }) => width !== first.width || height !== first.height)) return null;
  const median = new Float32Array(first.data.length);
  const values = new Float32Array(pictures.length);
  for (let at = 0; at < median.length; at++) {
    pictures.forEach(({ data }, index) => (values[index] = data[at] ?? 0));
    median[at] = values.sort()[values.length >> 1] ?? 0;
  }
  const border = borderOf(first);
  let still = 0;
  for (const { data } of pictures) for (const pixel of border) if (distance(data, 3 * pixel, median, 3 * pixel) < STILL_DISTANCE) still++;
  return still >= STILL_SHARE * border.length * pictures.length ? median : null;
}

/**
 * The object before its background, from the colours of the border of the picture, those of the rest, and what stands
 * still: the energy of GrabCut (Rother et al., SIGGRAPH 2004), minimised by mean field (Krähenbühl and Koltun, NIPS 2011,
 * with neighbours only) instead of cuts, which is enough before plain backdrops and needs no library.
 */
export function objectOf(picture: Picture, still: Float32Array | null): Mask {
  const count = picture.width * picture.height;
  const border = borderOf(picture);
  const background = mixtureOf(picture, border, COLOURS);
  const fixed = new Uint8Array(count);
  border.forEach((pixel) => (fixed[pixel] = 1));
  let likely: Float32Array = new Float32Array(count);
  for (let pixel = 0; pixel < count; pixel++) likely[pixel] = fixed[pixel] || logDensity(picture, pixel, background) > unlikely(background) ? 0 : 1;
  for (let round = 0; round < ROUNDS; round++) {
    const inside = chosenOf(likely, (share) => share > 0.5);
    if (inside.length < COLOURS) break;
    const outside = chosenOf(likely, (share) => share <= 0.5);
    const [object, rest] = [mixtureOf(picture, thinned(inside), COLOURS), mixtureOf(picture, thinned(outside), COLOURS)];
    likely = smoothed(picture, oddsOf(picture, object, rest, still), fixed);
  }
  return grown(withoutCrumbs(Uint8Array.from(likely, (share) => (share > 0.5 ? 1 : 0)), picture), picture);
}

/** The density below which a colour is not one of the background: four deviations from all of it. */
function unlikely({ variances, weights }: Mixture): number {
  let [most, index] = [0, 0];
  weights.forEach((weight, each) => {
    if (weight > most) [most, index] = [weight, each];
  });
  return Math.log(most / (variances[index] ?? 1) ** 1.5) - 8;
}

function borderOf({ width, height }: Picture): number[] {
  const wide = Math.max(2, Math.round(BORDER * Math.min(width, height)));
  return [...Array(width * height).keys()].filter((pixel) => {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    return x < wide || y < wide || x >= width - wide || y >= height - wide;
  });
}

function oddsOf(picture: Picture, object: Mixture, rest: Mixture, still: Float32Array | null): Float32Array {
  return Float32Array.from({ length: picture.width * picture.height }, (_, pixel) => {
    let odds = logDensity(picture, pixel, object) - logDensity(picture, pixel, rest);
    if (still) odds += distance(picture.data, 3 * pixel, still, 3 * pixel) < STILL_DISTANCE ? -STILL_LOG_ODDS : STILL_LOG_ODDS;
    return Math.max(-MOST_LOG_ODDS, Math.min(MOST_LOG_ODDS, odds));
  });
}

/** Shares of the object that agree with their neighbours, less across edges. */
function smoothed({ width, height, data }: Picture, odds: Float32Array, fixed: Uint8Array): Float32Array {
  const contrast = meanContrast(data, width);
  const alike = (a: number, b: number) => SMOOTHNESS * Math.exp(-distance(data, 3 * a, data, 3 * b) / (2 * contrast));
  let shares = odds.map((each) => 1 / (1 + Math.exp(-each)));
  const [right, below] = [new Float32Array(odds.length), new Float32Array(odds.length)];
  for (let pixel = 0; pixel < odds.length; pixel++) {
    if ((pixel + 1) % width > 0) right[pixel] = alike(pixel, pixel + 1);
    if (pixel + width < odds.length) below[pixel] = alike(pixel, pixel + width);
  }
  const pull = (weight: number | undefined, share: number | undefined) => (weight ?? 0) * (2 * (share ?? 0) - 1);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const before = shares;
    shares = before.map((_, pixel) => {
      if (fixed[pixel]) return 0;
      const from =
        pull(right[pixel], before[pixel + 1]) + pull(pixel % width > 0 ? right[pixel - 1] : 0, before[pixel - 1]) +
        pull(below[pixel], before[pixel + width]) + pull(pixel >= width ? below[pixel - width] : 0, before[pixel - width]);
      return 1 / (1 + Math.exp(-(odds[pixel] ?? 0) - from));
    });
  }
  return height > 0 ? shares : odds;
}

function meanContrast(data: Float32Array, width: number): number {
  let sum = 0;
  for (let pixel = 0; 3 * (pixel + 1) < data.length - 2; pixel++) if ((pixel + 1) % width > 0) sum += distance(data, 3 * pixel, data, 3 * pixel + 3);
  return Math.max(1, (3 * sum) / data.length);
}

/** Without parts that are small beside the largest. */
export function withoutCrumbs(mask: Mask, { width, height }: { width: number; height: number }): Mask {
  const labels = new Int32Array(mask.length);
  const sizes = [0];
  for (let seed = 0; seed < mask.length; seed++) {
    if (!mask[seed] || labels[seed]) continue;
    const label = sizes.push(0) - 1;
    const open = [seed];
    labels[seed] = label;
    for (let pixel = open.pop(); pixel !== undefined; pixel = open.pop()) {
      sizes[label]! += 1;
      for (const next of neighbours(pixel, width, height)) {
        if (!mask[next] || labels[next]) continue;
        labels[next] = label;
        open.push(next);
      }
    }
  }
  const least = SMALLEST_PART * Math.max(...sizes);
  return mask.map((_, pixel) => (labels[pixel] && (sizes[labels[pixel]] ?? 0) >= least ? 1 : 0));
}

/** One pixel larger, so that the edge of the object stays. */
function grown(mask: Mask, { width, height }: Picture): Mask {
  return mask.map((inside, pixel) => (inside || neighbours(pixel, width, height).some((next) => mask[next]) ? 1 : 0));
}

function neighbours(pixel: number, width: number, height: number): number[] {
  const x = pixel % width;
  const found = [];
  if (x > 0) found.push(pixel - 1);
  if (x < width - 1) found.push(pixel + 1);
  if (pixel >= width) found.push(pixel - width);
  if (pixel < width * (height - 1)) found.push(pixel + width);
  return found;
}

function chosenOf(shares: Float32Array, wanted: (share: number) => boolean): number[] {
  const found: number[] = [];
  shares.forEach((share, pixel) => {
    if (wanted(share)) found.push(pixel);
  });
  return found;
}

/** Enough of some pixels to know their colours. */
const thinned = (pixels: number[]): number[] => pixels.filter((_, index) => index % Math.max(1, Math.floor(pixels.length / 6000)) === 0);
