/** A picture in luma and chroma, three numbers a pixel, row by row. */
export interface Picture {
  width: number;
  height: number;
  data: Float32Array;
}

const LUMA_WEIGHT = 0.5; // shadows on a backdrop change its luma most

/** Of RGBA pixels, by ITU-R BT.601. */
export function pictureOf({ width, height, data }: { width: number; height: number; data: Uint8ClampedArray }): Picture {
  const picture = new Float32Array(3 * width * height);
  for (let at = 0, from = 0; at < picture.length; at += 3, from += 4) {
    const [red = 0, green = 0, blue = 0] = [data[from], data[from + 1], data[from + 2]];
    const luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    picture[at] = LUMA_WEIGHT * luma;
    picture[at + 1] = 0.564 * (blue - luma);
    picture[at + 2] = 0.713 * (red - luma);
  }
  return { width, height, data: picture };
}

/** Colours as a mixture of round Gaussians. */
export interface Mixture {
  means: Float32Array;
  variances: Float32Array;
  weights: Float32Array;
}

const ROUNDS = 8;
const LEAST_VARIANCE = 12;

/** Of some pixels of a picture: k means, begun far from each other (Gonzalez 1985), which needs no chance. */
export function mixtureOf({ data }: Picture, pixels: readonly number[], count: number): Mixture {
  const means = farthest(data, pixels, count);
  const labels = new Int32Array(pixels.length);
  for (let round = 0; round < ROUNDS; round++) {
    pixels.forEach((pixel, index) => (labels[index] = nearest(data, 3 * pixel, means)[0]));
    const sums = new Float64Array(4 * count);
    pixels.forEach((pixel, index) => {
      const label = labels[index] ?? 0;
      for (let axis = 0; axis < 3; axis++) sums[4 * label + axis]! += data[3 * pixel + axis] ?? 0;
      sums[4 * label + 3]! += 1;
    });
    for (let each = 0; each < count; each++) {
      const weight = sums[4 * each + 3] ?? 0;
      if (weight > 0) for (let axis = 0; axis < 3; axis++) means[3 * each + axis] = (sums[4 * each + axis] ?? 0) / weight;
    }
  }
  const [variances, weights] = [new Float32Array(count), new Float32Array(count)];
  pixels.forEach((pixel, index) => {
    const label = labels[index] ?? 0;
    variances[label]! += nearest(data, 3 * pixel, means)[1];
    weights[label]! += 1;
  });
  for (let each = 0; each < count; each++) {
    variances[each] = Math.max(LEAST_VARIANCE, (variances[each] ?? 0) / Math.max(1, 3 * (weights[each] ?? 0)));
    weights[each] = (weights[each] ?? 0) / Math.max(1, pixels.length);
  }
  return { means, variances, weights };
}

/** The logarithm of the density of a mixture at a pixel. */
export function logDensity({ data }: Picture, pixel: number, { means, variances, weights }: Mixture): number {
  let sum = 1e-12; // something that the mixture has never seen
  for (let each = 0; each < weights.length; each++) {
    const variance = variances[each] ?? LEAST_VARIANCE;
    sum += ((weights[each] ?? 0) * Math.exp(-distance(data, 3 * pixel, means, 3 * each) / (2 * variance))) / variance ** 1.5;
  }
  return Math.log(sum);
}

function farthest(data: Float32Array, pixels: readonly number[], count: number): Float32Array {
  const means = new Float32Array(3 * count);
  const apart = new Float32Array(pixels.length).fill(Infinity);
  let chosen = pixels[0] ?? 0;
  for (let each = 0; each < count; each++) {
    means.set(data.subarray(3 * chosen, 3 * chosen + 3), 3 * each);
    let most = -1;
    pixels.forEach((pixel, index) => {
      apart[index] = Math.min(apart[index] ?? 0, distance(data, 3 * pixel, means, 3 * each));
      if ((apart[index] ?? 0) > most) [most, chosen] = [apart[index] ?? 0, pixel];
    });
  }
  return means;
}

function nearest(data: Float32Array, at: number, means: Float32Array): [number, number] {
  let [best, least] = [0, Infinity];
  for (let each = 0; 3 * each < means.length; each++) {
    const far = distance(data, at, means, 3 * each);
    if (far < least) [best, least] = [each, far];
  }
  return [best, least];
}

export function distance(a: Float32Array, i: number, b: Float32Array, j: number): number {
  const [x, y, z] = [a[i]! - b[j]!, a[i + 1]! - b[j + 1]!, a[i + 2]! - b[j + 2]!];
  return x * x + y * y + z * z;
}
