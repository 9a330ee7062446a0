/** Where a camera looks: degrees of the compass from any beginning, and above the horizon. */
export interface Heading {
  yaw_deg: number;
  pitch_deg: number;
}

export const SECTORS = 24;

/**
 * Of the camera at the back of a device, from the angles of a `deviceorientation` event: rotations about z, x and y of
 * the device, one after another (W3C Device Orientation, section 4.1).
 */
export function headingOf(alpha: number, beta: number, gamma: number): Heading {
  const [a, b, g] = [alpha, beta, gamma].map((each) => (each * Math.PI) / 180) as [number, number, number];
  // the camera looks along -z of the device: minus the third column of Rz(alpha) Rx(beta) Ry(gamma)
  const east = -(Math.cos(a) * Math.sin(g) + Math.sin(a) * Math.sin(b) * Math.cos(g));
  const north = -(Math.sin(a) * Math.sin(g) - Math.cos(a) * Math.sin(b) * Math.cos(g));
  const up = -Math.cos(b) * Math.cos(g);
  const yaw_deg = (Math.atan2(east, north) * 180) / Math.PI;
  return { yaw_deg: (yaw_deg + 360) % 360, pitch_deg: (Math.asin(Math.min(1, Math.max(-1, up))) * 180) / Math.PI };
}

export const sectorOf = (yaw_deg: number): number => Math.floor((((yaw_deg % 360) + 360) % 360) / (360 / SECTORS));

/** How often each sector of the compass was photographed. */
export function counted(headings: readonly Heading[]): number[] {
  const counts = new Array<number>(SECTORS).fill(0);
  for (const { yaw_deg } of headings) {
    const sector = sectorOf(yaw_deg);
    counts[sector] = (counts[sector] ?? 0) + 1;
  }
  return counts;
}
