import type { Schemas } from "../api/client";

export type Mode = "textured" | "plain" | "wireframe" | "cloud" | "confidence";

export const MODES: Mode[] = ["textured", "plain", "wireframe", "cloud", "confidence"];

/** The files that the viewer shows, by their names in a job's results; null where there is none yet. */
export interface Shown {
  model: Schemas["Result"] | null;
  mesh: Schemas["Result"] | null;
  cloud: Schemas["Result"] | null;
  sparse: Schemas["Result"] | null;
  /** The same model and cloud, of which only what is seen is loaded. */
  tiles: Schemas["Result"] | null;
  streamedCloud: Schemas["Result"] | null;
  cameras: Schemas["Result"] | null;
}

export function shownOf(results: readonly Schemas["Result"][]): Shown {
  const named = (path: string) => results.find((result) => result.path === path) ?? null;
  return {
    model: named("model.glb"),
    mesh: named("mesh.ply"),
    cloud: named("dense.ply"),
    sparse: named("sparse/points3D.bin"),
    tiles: named("tiles/tileset.json"),
    streamedCloud: named("dense.copc.laz"),
    cameras: named("cameras.json"),
  };
}

/** What can be shown now, the best first. */
export function modesOf(shown: Shown): Mode[] {
  const surface = shown.tiles ?? shown.model ?? shown.mesh;
  const there: Record<Mode, boolean> = {
    textured: surface !== null,
    plain: surface !== null,
    wireframe: surface !== null,
    cloud: (shown.streamedCloud ?? shown.cloud ?? shown.sparse) !== null,
    confidence: shown.cloud !== null,
  };
  return MODES.filter((mode) => there[mode]);
}

/** The file behind a mode. */
export function fileOf(shown: Shown, mode: Mode): Schemas["Result"] | null {
  if (mode === "confidence") return shown.cloud;
  return mode === "cloud"
    ? (shown.streamedCloud ?? shown.cloud ?? shown.sparse)
    : (shown.tiles ?? shown.model ?? shown.mesh);
}
