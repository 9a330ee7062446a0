import { download, signed, type Schemas } from "../api/client";
import type { Cameras } from "./formats";

type Progress = (share: number) => void;

/** Where the viewer gets the files of a model from. */
export interface ModelSource {
  key: string;
  file: (path: string, signal: AbortSignal, progress?: Progress) => Promise<Blob>;
  /** The answer to a request for a file or a part of it. */
  request: (path: string, options: RequestInit) => Promise<Response>;
  /** The cameras, of which `file` is the newest; null while there are none. */
  cameras: (file: Schemas["Result"] | null, signal: AbortSignal) => Promise<Cameras | null>;
}

export function sourceOfJob(jobId: string): ModelSource {
  const file: ModelSource["file"] = (path, signal, progress) =>
    download(`/v1/jobs/${jobId}/results/${encoded(path)}`, signal, progress);
  return {
    key: jobId,
    file,
    request: (path, options) => signed(`/v1/jobs/${jobId}/results/${encoded(path)}`, options),
    cameras: async (there, signal) => (there ? (JSON.parse(await (await file(there.path, signal)).text()) as Cameras) : null),
  };
}

/** Of a model that is shared by an address; only directions are known of its cameras. */
export function sourceOfShare(token: string, headers: Record<string, string>, model: Schemas["SharedModel"]): ModelSource {
  const images = model.viewpoints.map(({ cam_from_world, center_world }) => ({
    name: "",
    camera_id: 0,
    cam_from_world: cam_from_world.map((row) => [...row]),
    center_world: [...center_world],
  }));
  return {
    key: token,
    file: (path, signal, progress) => download(`/v1/shared/${token}/results/${encoded(path)}`, signal, progress, headers),
    request: (path, options) =>
      fetch(`/v1/shared/${token}/results/${encoded(path)}`, { ...options, headers: { ...headers, ...options.headers } }),
    cameras: () => Promise.resolve(images.length > 0 ? { frame: model.frame ?? "", cameras: [], images } : null),
  };
}

const encoded = (path: string): string => path.split("/").map(encodeURIComponent).join("/");
