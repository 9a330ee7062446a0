import type { Object3D, PerspectiveCamera, WebGLRenderer } from "three";

/** Something that loads what the view needs of it, and gives back what it needs no more. */
export interface Streamed {
  object: Object3D;
  /** Called before every picture. */
  update: (camera: PerspectiveCamera, renderer: WebGLRenderer) => void;
  dispose: () => void;
  /** How much of it there is in all, loaded or not. */
  size: { unit: "faces" | "points"; count: number } | null;
}
