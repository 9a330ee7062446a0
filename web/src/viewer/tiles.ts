import { TilesRenderer } from "3d-tiles-renderer/three";
import { Matrix4, Mesh, PerspectiveCamera, Sphere, type Material, type Object3D } from "three";

import type { Mode } from "./kinds";
import { materialOf, releaseMaterial } from "./objects";
import type { ModelSource } from "./source";
import type { Streamed } from "./streamed";

const ERROR_PX = 8; // at which a texel covers at most one pixel: TEXEL_ERROR in e2e3d/outputs/tiling/tileset.py
const MEMORY_BYTES = 240e6;

interface Tileset {
  extras?: { faces?: number };
  root: { transform?: number[] };
}

/** The tiles of a 3D Tiles tileset of a model, in the model's own frame; resolves when the coarsest can be drawn. */
export function tilesOf(path: string, source: ModelSource, mode: Mode, stop: AbortSignal, changed: () => void): Promise<Streamed> {
  const tiles = new TilesRenderer(`${location.origin}/${path}`);
  tiles.errorTarget = ERROR_PX;
  Object.assign(tiles.lruCache, { minBytesSize: MEMORY_BYTES * 0.75, maxBytesSize: MEMORY_BYTES });
  tiles.registerPlugin({
    fetchData: (url: string, options: RequestInit) => source.request(new URL(url).pathname.slice(1), options),
  });
  const streamed: Streamed = {
    object: tiles.group,
    size: null,
    update(camera, renderer) {
      tiles.setCamera(camera);
      tiles.setResolutionFromRenderer(camera, renderer);
      tiles.update();
    },
    dispose: () => tiles.dispose(),
  };
  tiles.addEventListener("load-root-tileset", ({ tileset }) => {
    const { extras, root } = tileset as unknown as Tileset;
    if (extras?.faces) streamed.size = { unit: "faces", count: extras.faces };
    if (root.transform) {
      new Matrix4().fromArray(root.transform).invert().decompose(tiles.group.position, tiles.group.quaternion, tiles.group.scale);
    }
  });
  tiles.addEventListener("needs-update", changed);
  return new Promise((resolve, reject) => {
    const distant = new PerspectiveCamera();
    const give = (outcome: () => void) => {
      clearInterval(loading);
      tiles.deleteCamera(distant);
      stop.removeEventListener("abort", abort);
      outcome();
    };
    const fail = (error: unknown) => give(() => (tiles.dispose(), reject(error as Error)));
    const abort = () => fail(stop.reason);
    stop.addEventListener("abort", abort);
    tiles.addEventListener("load-error", ({ error }) => tiles.hasCamera(distant) && fail(error));
    tiles.addEventListener("load-model", ({ scene }) => {
      if (mode === "plain" || mode === "wireframe") restyle(scene, mode);
      changed();
    });
    tiles.addEventListener("tile-visibility-change", ({ visible }) => {
      if (visible && tiles.hasCamera(distant)) give(() => resolve(streamed));
      changed();
    });
    tiles.setCamera(distant);
    tiles.setResolution(distant, 1, 1); // for which the coarsest tile is fine enough
    const loading = setInterval(() => {
      seeAll(tiles, distant);
      tiles.update();
    }, 20);
  });
}

function seeAll(tiles: TilesRenderer, camera: PerspectiveCamera): void {
  const sphere = new Sphere();
  if (!tiles.getBoundingSphere(sphere)) return;
  tiles.group.updateMatrixWorld();
  sphere.applyMatrix4(tiles.group.matrixWorld);
  camera.far = sphere.radius * 8;
  camera.near = sphere.radius / 8;
  camera.position.copy(sphere.center).x += sphere.radius * 4;
  camera.lookAt(sphere.center);
  camera.updateProjectionMatrix();
  camera.updateMatrixWorld();
}

/** Without textures, as `restyled` makes it of a whole model. */
function restyle(scene: Object3D, style: "plain" | "wireframe"): void {
  scene.traverse((part) => {
    if (!(part instanceof Mesh)) return;
    releaseMaterial(part.material as Material);
    part.material = materialOf(style);
  });
}
