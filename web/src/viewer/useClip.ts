import { useEffect, useState } from "react";
import { Box3, Vector3, type Sphere } from "three";

import type { SceneView } from "./SceneView";

type Span = readonly [number, number];

export interface Clipping {
  on: boolean;
  toggle: (on: boolean) => void;
  /** For each axis, where the box begins and ends: 0 and 1 are the ends of the model. */
  shares: readonly Span[];
  set: (axis: number, span: Span) => void;
  reset: () => void;
}

const ALL: readonly Span[] = [
  [0, 1],
  [0, 1],
  [0, 1],
];

/** A box around a part of the model; nothing outside of it is drawn, or picked. */
export function useClip(view: SceneView | null, sphere: Sphere | null): Clipping {
  const [on, toggle] = useState(false);
  const [shares, setShares] = useState(ALL);
  useEffect(() => {
    view?.clip(on && sphere && shares !== ALL ? boxOf(sphere, shares) : null);
  }, [view, on, sphere, shares]);
  return {
    on,
    toggle,
    shares,
    set: (axis, span) => setShares((before) => before.map((each, index) => (index === axis ? span : each))),
    reset: () => setShares(ALL),
  };
}

/** The part of the cube around a sphere that lies between shares of its sides. */
export function boxOf({ center, radius }: Sphere, shares: readonly Span[]): Box3 {
  const ends = [0, 1].map((end) => {
    const [x = 0, y = 0, z = 0] = shares.map((span) => (span[end] ?? 0) * 2 * radius - radius);
    return new Vector3(x, y, z).add(center);
  });
  return new Box3(ends[0], ends[1]);
}
