import {
  BufferAttribute,
  BufferGeometry,
  Group,
  LineBasicMaterial,
  LineSegments,
  Material,
  Mesh,
  MeshBasicMaterial,
  MeshStandardMaterial,
  Points as PointCloud,
  PointsMaterial,
  Texture,
  type Object3D,
} from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { PLYLoader } from "three/addons/loaders/PLYLoader.js";

import { linearOfSrgb } from "./colors";
import type { Cameras, Points } from "./formats";
import type { Point } from "./measures";

/** The surface of a GLB file, or of a PLY file with colours at its vertices. */
export async function surfaceOf(buffer: ArrayBuffer, isGlb: boolean): Promise<Object3D> {
  if (isGlb) return (await new GLTFLoader().parseAsync(buffer, "")).scene;
  const geometry = new PLYLoader().parse(buffer);
  geometry.computeVertexNormals();
  return new Mesh(geometry, new MeshBasicMaterial({ vertexColors: true }));
}

/** Points; their colours are light already, where they are `linear`. */
export function cloudOf({ positions, colors }: Points, linear = false): Object3D {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(positions, 3));
  geometry.setAttribute("color", new BufferAttribute(linear ? colors : colors.map(linearOfSrgb), 3, true));
  return new PointCloud(geometry, new PointsMaterial({ size: 2, sizeAttenuation: false, vertexColors: true }));
}

/** A pyramid for every photograph, of `depth` in units of the model, open towards what it sees. */
export function frustumsOf({ cameras, images }: Cameras, depth: number): Object3D {
  const known = new Map(cameras.map((camera) => [camera.camera_id, camera]));
  const ends: number[] = [];
  for (const { camera_id: id, cam_from_world: rows, center_world: center } of images) {
    const camera = known.get(id);
    if (!camera) continue;
    const reach = depth / (camera.params[0] ?? 1); // the first parameter of every model is a focal length
    const [half, tall] = [(camera.width_px / 2) * reach, (camera.height_px / 2) * reach];
    const corners = [[-half, -tall], [half, -tall], [half, tall], [-half, tall]].map(([x = 0, y = 0]) =>
      [0, 1, 2].map((axis) => (center[axis] ?? 0) + dotColumn(rows, axis, [x, y, depth])),
    );
    corners.forEach((corner, index) => ends.push(...center, ...corner, ...corner, ...(corners[(index + 1) % 4] ?? [])));
  }
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(Float32Array.from(ends), 3));
  return new LineSegments(geometry, new LineBasicMaterial({ color: 0x4c8dff }));
}

/** Picked points and the line through them, seen through the surface. */
export function pinsOf(points: readonly Point[]): Object3D {
  const group = new Group();
  const dots = new BufferGeometry();
  dots.setAttribute("position", new BufferAttribute(Float32Array.from(points.flat()), 3));
  const lines = new BufferGeometry();
  const ends = points.slice(1).flatMap((point, index) => [...(points[index] ?? point), ...point]);
  lines.setAttribute("position", new BufferAttribute(Float32Array.from(ends), 3));
  const look = { color: 0xe8590c, depthTest: false, transparent: true };
  group.add(new PointCloud(dots, new PointsMaterial({ ...look, size: 10, sizeAttenuation: false })));
  if (points.length > 1) group.add(new LineSegments(lines, new LineBasicMaterial(look)));
  group.renderOrder = 1;
  return group;
}

function dotColumn(rows: number[][], column: number, vector: number[]): number {
  return vector.reduce((sum, value, row) => sum + value * (rows[row]?.[column] ?? 0), 0);
}

/** The same surface without its colours: shaded, or as its edges. */
export function restyled(surface: Object3D, style: "plain" | "wireframe"): Object3D {
  const copy = surface.clone();
  const material = materialOf(style);
  copy.traverse((part) => {
    if (part instanceof Mesh) part.material = material;
  });
  return copy;
}

export function materialOf(style: "plain" | "wireframe"): Material {
  return style === "plain"
    ? new MeshStandardMaterial({ color: 0xb9c0ca, roughness: 0.85, metalness: 0, flatShading: true, side: 2 })
    : new MeshBasicMaterial({ color: 0x6a7c99, wireframe: true });
}

export function countFaces(surface: Object3D): number {
  let faces = 0;
  surface.traverse((part) => {
    if (part instanceof Mesh) {
      const geometry = part.geometry as BufferGeometry;
      faces += (geometry.index?.count ?? geometry.getAttribute("position").count) / 3;
    }
  });
  return faces;
}

/** Give back the memory of the graphics card. */
export function release(object: Object3D): void {
  object.traverse((part) => {
    if (!(part instanceof Mesh || part instanceof PointCloud || part instanceof LineSegments)) return;
    (part.geometry as BufferGeometry).dispose();
    ([part.material].flat() as Material[]).forEach(releaseMaterial);
  });
}

export function releaseMaterial(material: Material): void {
  for (const value of Object.values(material)) {
    if (value instanceof Texture) {
      value.dispose();
      if (value.image instanceof ImageBitmap) value.image.close();
    }
  }
  material.dispose();
}
