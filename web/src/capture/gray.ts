/** A picture in shades of gray, row by row, 0 to 255. */
export interface Gray {
  width: number;
  height: number;
  data: Float32Array;
}

/** Of RGBA pixels, by the weights of ITU-R BT.601. */
export function grayOf(pixels: { width: number; height: number; data: Uint8ClampedArray }): Gray {
  const { width, height, data } = pixels;
  const gray = new Float32Array(width * height);
  for (let at = 0, from = 0; at < gray.length; at++, from += 4) {
    gray[at] = 0.299 * (data[from] ?? 0) + 0.587 * (data[from + 1] ?? 0) + 0.114 * (data[from + 2] ?? 0);
  }
  return { width, height, data: gray };
}

/** Half as wide and high: the means of two by two pixels. */
export function halved({ width, height, data }: Gray): Gray {
  const [wide, tall] = [width >> 1, height >> 1];
  const half = new Float32Array(wide * tall);
  for (let y = 0; y < tall; y++) {
    for (let x = 0; x < wide; x++) {
      const at = 2 * y * width + 2 * x;
      half[y * wide + x] = ((data[at] ?? 0) + (data[at + 1] ?? 0) + (data[at + width] ?? 0) + (data[at + width + 1] ?? 0)) / 4;
    }
  }
  return { width: wide, height: tall, data: half };
}

/**
 * How sharp a picture is: the variance of its Laplacian (Pech-Pacheco et al., Diatom autofocusing in brightfield
 * microscopy, ICPR 2000). It depends on what is seen, so it is compared with that of frames just before.
 */
export function sharpnessOf({ width, height, data }: Gray): number {
  let [sum, squares] = [0, 0];
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x;
      const laplacian =
        4 * (data[at] ?? 0) - (data[at - 1] ?? 0) - (data[at + 1] ?? 0) - (data[at - width] ?? 0) - (data[at + width] ?? 0);
      sum += laplacian;
      squares += laplacian * laplacian;
    }
  }
  const count = (width - 2) * (height - 2);
  return squares / count - (sum / count) ** 2;
}

export type Exposure = "good" | "dark" | "bright";

const DARK_MEAN = 40;
const WHITE = 250;
const MOST_WHITE = 0.25;

/** Too dark on the whole, or white in too large a part. */
export function exposureOf({ data }: Gray): Exposure {
  let [sum, white] = [0, 0];
  for (const value of data) {
    sum += value;
    if (value >= WHITE) white++;
  }
  if (sum / data.length < DARK_MEAN) return "dark";
  return white / data.length > MOST_WHITE ? "bright" : "good";
}
