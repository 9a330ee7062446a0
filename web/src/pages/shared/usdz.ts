import { Box3, Group, Mesh, MeshBasicMaterial, MeshStandardMaterial, Quaternion, Vector3, type Material, type Object3D } from "three";
import { USDZExporter } from "three/addons/exporters/USDZExporter.js";

import { release, surfaceOf } from "../../viewer/objects";

const TALLEST_M = 1; // of a model whose size nobody knows
const TEXTURE_PX = 2048; // what phones take
const Y = new Vector3(0, 1, 0);

/** A GLB file as USDZ, which phones of Apple show in a room: y up, in metres, standing on the ground. */
export async function usdzOf(glb: ArrayBuffer, up: [number, number, number], metric: boolean): Promise<Blob> {
  const model = await surfaceOf(glb, true);
  try {
    model.traverse((part) => {
      if (part instanceof Mesh) part.material = shaded(part.material as Material);
    });
    const content = await new USDZExporter().parseAsync(placed(model, up, metric), { maxTextureSize: TEXTURE_PX });
    return new Blob([content], { type: "model/vnd.usdz+zip" });
  } finally {
    release(model);
  }
}

/** The model turned upright with its middle over the origin, and its lowest point on the ground. */
export function placed(model: Object3D, up: [number, number, number], metric: boolean): Group {
  const turned = new Group().add(model);
  turned.quaternion.copy(new Quaternion().setFromUnitVectors(new Vector3(...up).normalize(), Y));
  const scene = new Group().add(turned);
  const size = new Box3().setFromObject(scene).getSize(new Vector3());
  if (!metric) turned.scale.setScalar(TALLEST_M / Math.max(size.x, size.y, size.z));
  const box = new Box3().setFromObject(scene);
  const middle = box.getCenter(new Vector3());
  turned.position.set(-middle.x, -box.min.y, -middle.z);
  scene.updateMatrixWorld(true);
  return scene;
}

/** The exporter takes no other kind of material. */
function shaded(material: Material): Material {
  if (!(material instanceof MeshBasicMaterial)) return material;
  return new MeshStandardMaterial({ map: material.map, color: material.color, roughness: 1, metalness: 0 });
}
