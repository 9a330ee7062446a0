import { BackSide, Matrix4, Mesh, Ray, Vector3, type BufferGeometry, type Object3D } from "three";
import { MeshBVH } from "three-mesh-bvh";

const trees = new WeakMap<BufferGeometry, MeshBVH>();

/** Where a ray of the scene first meets a surface below `object`, from either side; null where it meets none. */
export function firstHit(object: Object3D, ray: Ray): Vector3 | null {
  let best: Vector3 | null = null;
  object.updateWorldMatrix(true, true);
  object.traverse((part) => {
    if (!(part instanceof Mesh)) return;
    const local = ray.clone().applyMatrix4(new Matrix4().copy(part.matrixWorld).invert());
    const geometry = part.geometry as BufferGeometry;
    if (geometry.boundingSphere === null) geometry.computeBoundingSphere();
    if (geometry.boundingSphere && !local.intersectsSphere(geometry.boundingSphere)) return; // a tree costs time
    const tree = treeOf(geometry);
    for (const side of [0, BackSide] as const) {
      const hit = tree.raycastFirst(local, side)?.point.clone().applyMatrix4(part.matrixWorld);
      if (hit && (!best || hit.distanceTo(ray.origin) < best.distanceTo(ray.origin))) best = hit;
    }
  });
  return best;
}

/** Built when a surface is first picked; it leaves the geometry as it is. */
function treeOf(geometry: BufferGeometry): MeshBVH {
  const known = trees.get(geometry);
  if (known) return known;
  const made = new MeshBVH(geometry, { indirect: true });
  trees.set(geometry, made);
  return made;
}
