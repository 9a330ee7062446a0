const LINEAR = Uint8Array.from({ length: 256 }, (_, value) => {
  const share = value / 255;
  return Math.round(255 * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
});

/** A part of a colour as light, which is what vertices have; both from 0 to 255. */
export const linearOfSrgb = (value: number): number => LINEAR[value] ?? 0;
