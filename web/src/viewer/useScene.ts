import { useEffect, useRef, useState, type RefObject } from "react";
import type { Object3D, Sphere } from "three";

import { confidenceColors } from "./confidence";
import { sphereOf, viewpointOf } from "./bounds";
import { pointsOfColmap, pointsOfPly, upOf, type Cameras } from "./formats";
import { fileOf, type Mode, type Shown } from "./kinds";
import { cloudOf, countFaces, frustumsOf, restyled, surfaceOf } from "./objects";
import { cloudStreamOf } from "./cloudStream";
import { SceneView } from "./SceneView";
import type { ModelSource } from "./source";
import type { Streamed } from "./streamed";
import { tilesOf } from "./tiles";

export interface SceneState {
  view: SceneView | null;
  /** How much of the file has arrived; null when nothing is being loaded. */
  share: number | null;
  failed: boolean;
  /** The mode that is drawn. */
  ready: string | null;
  size: { unit: "faces" | "points"; count: number } | null;
  cameras: Cameras | null;
  sphere: Sphere | null;
  reset: () => void;
}

interface Look {
  sphere: Sphere;
  from: [number, number, number] | null;
}

const NOTHING = { share: null, failed: false, ready: null, size: null, cameras: null, sphere: null };

/** Keeps a picture of a mode of a model; in an element of the page. */
export function useScene(
  place: RefObject<HTMLElement | null>,
  source: ModelSource,
  shown: Shown,
  mode: Mode | undefined,
  withCameras: boolean,
): SceneState {
  const [view, setView] = useState<SceneView | null>(null);
  const [state, setState] = useState<Omit<SceneState, "view" | "reset">>(NOTHING);
  const look = useRef<Look | null>(null);
  const file = mode ? fileOf(shown, mode) : null;
  const cameras = shown.cameras;

  useEffect(() => {
    if (!place.current) return;
    const made = new SceneView(place.current);
    setView(made);
    return () => {
      look.current = null;
      setView(null);
      made.dispose();
    };
  }, [place]);

  useEffect(() => {
    if (!view || !file || !mode) return;
    const stop = new AbortController();
    const load = async () => {
      setState((before) => ({ ...before, share: 0, failed: false }));
      const known = await source.cameras(cameras, stop.signal);
      const streamed = await streamOf(file.path, source, mode, stop.signal, () => view.changed());
      const progress = (share: number) => setState((before) => ({ ...before, share }));
      const { object, size } = streamed ?? (await loaded(file.path, source, mode, stop.signal, progress));
      if (stop.signal.aborted) return streamed?.dispose();
      const sphere = sphereOf(object);
      view.put("model", object, streamed);
      view.put("cameras", known ? frustumsOf(known, sphere.radius / 8) : null);
      if (!look.current) {
        if (known) view.setUp(upOf(known));
        look.current = { sphere, from: known ? viewpointOf(known, sphere) : null };
        view.lookAt(sphere, look.current.from, false);
      }
      look.current = { ...look.current, sphere };
      setState({ share: null, failed: false, ready: mode, size, cameras: known, sphere });
    };
    load().catch((error: unknown) => {
      if (stop.signal.aborted) return;
      console.error(error);
      setState((before) => ({ ...before, share: null, failed: true }));
    });
    return () => stop.abort();
    // a result whose bytes are the same is the same file
  }, [view, source.key, mode, file?.sha256, cameras?.sha256]);

  useEffect(() => view?.show("cameras", withCameras), [view, withCameras, state.ready, state.size]);

  const reset = () => look.current && view?.lookAt(look.current.sphere, look.current.from, true);
  return { ...state, view, reset: () => void reset() };
}

/** What is loaded as it is seen; null of files that are loaded whole. */
function streamOf(path: string, source: ModelSource, mode: Mode, stop: AbortSignal, changed: () => void): Promise<Streamed> | null {
  if (path.endsWith(".copc.laz")) return cloudStreamOf(path, source, stop, changed);
  return path.endsWith("tileset.json") ? tilesOf(path, source, mode, stop, changed) : null;
}

async function loaded(path: string, source: ModelSource, mode: Mode, stop: AbortSignal, progress: (share: number) => void) {
  const content = await source.file(path, stop, progress);
  return built(await content.arrayBuffer(), path, mode);
}

async function built(buffer: ArrayBuffer, path: string, mode: Mode): Promise<{ object: Object3D; size: SceneState["size"] }> {
  if (mode === "cloud" || mode === "confidence") {
    const points = path.endsWith(".ply") ? pointsOfPly(buffer) : pointsOfColmap(buffer);
    const colors = mode === "confidence" && points.confidence ? confidenceColors(points.confidence) : points.colors;
    return { object: cloudOf({ ...points, colors }), size: { unit: "points", count: points.positions.length / 3 } };
  }
  const surface = await surfaceOf(buffer, path.endsWith(".glb"));
  return { object: mode === "textured" ? surface : restyled(surface, mode), size: { unit: "faces", count: countFaces(surface) } };
}
