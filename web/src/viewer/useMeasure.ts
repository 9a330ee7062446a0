import { useEffect, useState } from "react";

import { keep, kept } from "../app/storage";
import { pinsOf } from "./objects";
import { measured, scaleOf, type Measured, type Point } from "./measures";
import type { SceneView } from "./SceneView";

export interface Measuring {
  on: boolean;
  toggle: (on: boolean) => void;
  points: readonly Point[];
  /** In units of the model. */
  result: Measured | null;
  /** Metres per unit of the model; null while nobody knows. */
  scale: number | null;
  /** Put a point in the middle of the view, as a tap does elsewhere. */
  pickMiddle: () => void;
  undo: () => void;
  clear: () => void;
  /** Say how long the measured line is in metres. */
  setLength: (metres: number) => void;
}

/** Points that are picked on the surface of a model, and what they span; the scale is kept in this browser. */
export function useMeasure(view: SceneView | null, modelKey: string, metric: boolean, ready: string | null): Measuring {
  const [on, setOn] = useState(false);
  const [points, setPoints] = useState<readonly Point[]>([]);
  const [given, setGiven] = useState(() => keptScale(modelKey));
  const add = (at: { x: number; y: number } | null) => {
    const point = view?.pick(at);
    if (point) setPoints((before) => [...before, point]);
  };
  useEffect(() => {
    if (!view || !on) return;
    return view.onTap(add);
  }, [view, on]);
  useEffect(() => {
    view?.put("pins", on && points.length > 0 ? pinsOf(points) : null);
  }, [view, on, points, ready]);
  const result = measured(points);
  return {
    on,
    toggle: setOn,
    points,
    result,
    scale: given ?? (metric ? 1 : null),
    pickMiddle: () => add(null),
    undo: () => setPoints((before) => before.slice(0, -1)),
    clear: () => setPoints([]),
    setLength(metres) {
      const scale = result && scaleOf(result.length, metres);
      if (scale === null) return;
      keep(keyOf(modelKey), String(scale));
      setGiven(scale);
    },
  };
}

const keyOf = (modelKey: string): string => `e2e3d-scale-${modelKey}`;

function keptScale(modelKey: string): number | null {
  const scale = Number(kept(keyOf(modelKey)));
  return scale > 0 && Number.isFinite(scale) ? scale : null;
}
