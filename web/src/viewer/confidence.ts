const SAMPLES = 20_000;
const INNER = 0.02; // of the values at either end share the colour of the end

/** Viridis at nine places, which the colour-blind tell apart too (https://bids.github.io/colormap). */
export const SCALE = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 74, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [109, 205, 89],
  [253, 231, 37],
] as const;

/** Colours of points by what is known of them: dark for the least certain, bright for the most. */
export function confidenceColors(confidence: Float32Array): Uint8Array {
  const step = Math.max(1, Math.floor(confidence.length / SAMPLES));
  const sorted = confidence.filter((_, index) => index % step === 0).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const [low, high] = [at(INNER), at(1 - INNER)];
  const colors = new Uint8Array(3 * confidence.length);
  confidence.forEach((value, index) => colors.set(colorAt(high > low ? (value - low) / (high - low) : 1), 3 * index));
  return colors;
}

function colorAt(share: number): number[] {
  const place = Math.min(1, Math.max(0, share)) * (SCALE.length - 1);
  const index = Math.min(SCALE.length - 2, Math.floor(place));
  const [from = SCALE[0], to = SCALE[0]] = [SCALE[index], SCALE[index + 1]];
  return from.map((value, axis) => Math.round(value + (place - index) * ((to[axis] ?? value) - value)));
}
