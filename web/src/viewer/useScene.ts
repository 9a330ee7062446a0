import { useEffect, useRef, useState, type RefObject } from "react";
import type { Object3D, Sphere } from "three";

import { download, type Schemas } from "../api/client";
import { sphereOf, viewpointOf } from "./bounds";
import { pointsOfColmap, pointsOfPly, upOf, type Cameras } from "./formats";
import { fileOf, type Mode, type Shown } from "./kinds";
import { cloudOf, countFaces, frustumsOf, restyled, surfaceOf } from "./objects";
import { SceneView } from "./SceneView";

export interface SceneState {
  view: SceneView | null;
  /** How much of the file has arrived; null when nothing is being loaded. */
  share: number | null;
  failed: boolean;
  /** The mode that is drawn. */
  ready: string | null;
  size: { unit: "faces" | "points"; count: number } | null;
  reset: () => void;
}

interface Look {
  sphere: Sphere;
  from: [number, number, number] | null;
}

/** Keeps a picture of a mode of a job's results; in an element of the page. */
export function useScene(
  place: RefObject<HTMLElement | null>,
  jobId: string,
  shown: Shown,
  mode: Mode | undefined,
  withCameras: boolean,
): SceneState {
  const [view, setView] = useState<SceneView | null>(null);
  const [state, setState] = useState<Omit<SceneState, "view" | "reset">>({ share: null, failed: false, ready: null, size: null });
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
      const known = cameras ? await camerasOf(jobId, cameras, stop.signal) : null;
      const content = await download(addressOf(jobId, file), stop.signal, (share) =>
        setState((before) => ({ ...before, share })),
      );
      const { object, size } = await built(await content.arrayBuffer(), file.path, mode);
      if (stop.signal.aborted) return;
      const sphere = sphereOf(object);
      view.put("model", object);
      view.put("cameras", known ? frustumsOf(known, sphere.radius / 8) : null);
      if (!look.current) {
        if (known) view.setUp(upOf(known));
        look.current = { sphere, from: known ? viewpointOf(known, sphere) : null };
        view.lookAt(sphere, look.current.from, false);
      }
      look.current = { ...look.current, sphere };
      setState({ share: null, failed: false, ready: mode, size });
    };
    load().catch(() => {
      if (!stop.signal.aborted) setState((before) => ({ ...before, share: null, failed: true }));
    });
    return () => stop.abort();
    // a result whose bytes are the same is the same file
  }, [view, jobId, mode, file?.sha256, cameras?.sha256]);

  useEffect(() => view?.show("cameras", withCameras), [view, withCameras, state.ready, state.size]);

  const reset = () => look.current && view?.lookAt(look.current.sphere, look.current.from, true);
  return { ...state, view, reset: () => void reset() };
}

async function built(buffer: ArrayBuffer, path: string, mode: Mode): Promise<{ object: Object3D; size: SceneState["size"] }> {
  if (mode === "cloud") {
    const points = path.endsWith(".ply") ? pointsOfPly(buffer) : pointsOfColmap(buffer);
    return { object: cloudOf(points), size: { unit: "points", count: points.positions.length / 3 } };
  }
  const surface = await surfaceOf(buffer, path.endsWith(".glb"));
  return { object: mode === "textured" ? surface : restyled(surface, mode), size: { unit: "faces", count: countFaces(surface) } };
}

async function camerasOf(jobId: string, file: Schemas["Result"], signal: AbortSignal): Promise<Cameras> {
  const content = await download(addressOf(jobId, file), signal);
  return JSON.parse(await content.text()) as Cameras;
}

function addressOf(jobId: string, file: Schemas["Result"]): string {
  return `/v1/jobs/${jobId}/results/${file.path.split("/").map(encodeURIComponent).join("/")}`;
}
