import { Frustum, Group, Matrix4, Sphere, Vector2, Vector3, type PerspectiveCamera, type WebGLRenderer } from "three";

import { chosenNodes, readCopc, type Apparent, type CopcFile, type CopcNode } from "./copc";
import { cloudOf, release } from "./objects";
import { PointDecoder } from "./PointDecoder";
import type { ModelSource } from "./source";
import type { Streamed } from "./streamed";

const BUDGET_POINTS = 3_000_000;
const KEPT_POINTS = 5_000_000;
const DENSEST_PX = 2.5; // the size that a point is drawn at, and a little
const AT_ONCE = 6;

/** The points of a COPC file of a model; resolves when the coarsest can be drawn. */
export async function cloudStreamOf(path: string, source: ModelSource, stop: AbortSignal, changed: () => void): Promise<Streamed> {
  const read = async (begin: number, end: number) => {
    const answer = await source.request(path, { headers: { Range: `bytes=${begin}-${end - 1}` }, signal: stop });
    if (answer.status !== 206) throw new Error(`no part of the cloud: ${answer.status}`);
    return answer.arrayBuffer();
  };
  const file = await readCopc(read);
  const stream = new CloudStream(file, read, changed);
  try {
    await stream.load(file.root);
  } catch (error) {
    stream.dispose();
    throw error;
  }
  return stream;
}

class CloudStream implements Streamed {
  readonly object = new Group();
  readonly size;
  /** Loaded nodes, the last used last. */
  readonly #loaded = new Map<CopcNode, Group>();
  readonly #loading = new Set<CopcNode>();
  readonly #decoder: PointDecoder;
  #wanted: CopcNode[] = [];
  #ended = false;

  constructor(
    private readonly file: CopcFile,
    private readonly read: (begin: number, end: number) => Promise<ArrayBuffer>,
    private readonly changed: () => void,
  ) {
    this.size = { unit: "points" as const, count: file.points };
    this.#decoder = new PointDecoder(file);
  }

  update(camera: PerspectiveCamera, renderer: WebGLRenderer): void {
    this.#wanted = chosenNodes(this.file, apparentFrom(camera, renderer), DENSEST_PX, BUDGET_POINTS);
    const wanted = new Set(this.#wanted);
    for (const [node, part] of this.#loaded) part.visible = wanted.has(node);
    for (const node of this.#wanted) {
      const part = this.#loaded.get(node);
      if (!part) continue;
      this.#loaded.delete(node);
      this.#loaded.set(node, part);
    }
    this.#forget(wanted);
    this.#loadMore();
  }

  async load(node: CopcNode): Promise<void> {
    this.#loading.add(node);
    try {
      const bytes = await this.read(node.offset, node.offset + node.bytes);
      const points = await this.#decoder.decode(bytes, node.points);
      if (this.#ended) return;
      const part = new Group().add(cloudOf(points, true));
      this.object.add(part);
      this.#loaded.set(node, part);
    } finally {
      this.#loading.delete(node);
    }
    this.changed();
  }

  dispose(): void {
    this.#ended = true;
    this.#decoder.dispose();
    for (const part of this.#loaded.values()) release(part);
    this.#loaded.clear();
  }

  #loadMore(): void {
    for (const node of this.#wanted) {
      if (this.#loading.size >= AT_ONCE || this.#ended) return;
      if (this.#loaded.has(node) || this.#loading.has(node)) continue;
      this.load(node).then(
        () => this.#loadMore(),
        () => undefined, // it is wanted again at the next picture, unless all of it is given up
      );
    }
  }

  #forget(wanted: Set<CopcNode>): void {
    let points = 0;
    for (const node of this.#loaded.keys()) points += node.points;
    for (const [node, part] of this.#loaded) {
      if (points <= KEPT_POINTS) return;
      if (wanted.has(node)) continue;
      this.object.remove(part);
      release(part);
      this.#loaded.delete(node);
      points -= node.points;
    }
  }
}

function apparentFrom(camera: PerspectiveCamera, renderer: WebGLRenderer): Apparent {
  camera.updateMatrixWorld();
  const frustum = new Frustum().setFromProjectionMatrix(new Matrix4().multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse));
  const eye = new Vector3().setFromMatrixPosition(camera.matrixWorld);
  const tall = renderer.getDrawingBufferSize(new Vector2()).y;
  const pixelsAtOne = tall / 2 / Math.tan((camera.fov * Math.PI) / 360);
  const sphere = new Sphere();
  return ({ center, radius }, spacing) => {
    sphere.set(sphere.center.set(...center), radius);
    if (!frustum.intersectsSphere(sphere)) return null;
    return (spacing * pixelsAtOne) / Math.max(sphere.center.distanceTo(eye) - radius, 1e-9);
  };
}
