import CameraControls from "camera-controls";
import {
  Box3,
  DirectionalLight,
  HemisphereLight,
  Matrix4,
  PerspectiveCamera,
  Plane,
  Quaternion,
  Ray,
  Raycaster,
  Scene,
  Sphere,
  Spherical,
  Timer,
  Vector2,
  Vector3,
  Vector4,
  WebGLRenderer,
  type Object3D,
} from "three";

import type { Point } from "./measures";
import { release } from "./objects";
import { firstHit } from "./picking";
import type { Streamed } from "./streamed";

CameraControls.install({
  THREE: { Vector2, Vector3, Vector4, Quaternion, Matrix4, Spherical, Box3, Sphere, Raycaster },
});

/** Where a view looks from and to, in the frame of the model. */
export interface Look {
  eye: [number, number, number];
  target: [number, number, number];
}

const TAP_PX = 6;
const NEAR_PX = 40;
const BEHIND = 0.01; // of the distance: a point picked on a surface is not behind it
const STEP_RAD = Math.PI / 16;
const MOVES: Record<string, (controls: CameraControls) => void> = {
  ArrowLeft: (controls) => void controls.rotate(-STEP_RAD, 0, true),
  ArrowRight: (controls) => void controls.rotate(STEP_RAD, 0, true),
  ArrowUp: (controls) => void controls.rotate(0, -STEP_RAD, true),
  ArrowDown: (controls) => void controls.rotate(0, STEP_RAD, true),
  "+": (controls) => void controls.dolly(controls.distance * 0.15, true),
  "-": (controls) => void controls.dolly(-controls.distance * 0.15, true),
};

/** A canvas in `place` on which objects of a scene are turned; it draws only when something has changed. */
export class SceneView {
  readonly #renderer: WebGLRenderer;
  readonly #scene = new Scene();
  readonly #camera = new PerspectiveCamera(45, 1, 0.01, 1000);
  readonly #controls: CameraControls;
  readonly #timer = new Timer();
  readonly #resizing: ResizeObserver;
  #objects = new Map<string, Object3D>();
  #streams = new Map<string, Streamed>();
  #listeners = new Set<() => void>();
  #dirty = true;
  #box: Box3 | null = null;
  #center = new Vector3();

  constructor(private readonly place: HTMLElement) {
    const canvas = document.createElement("canvas");
    place.append(canvas);
    this.#renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, preserveDrawingBuffer: true });
    this.#renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    const key = new DirectionalLight(0xffffff, 1.6);
    this.#camera.add(key);
    key.position.set(0.4, 0.6, 1);
    this.#scene.add(this.#camera, new HemisphereLight(0xffffff, 0x667080, 1.4));
    this.setUp([0, 0, 1]);
    this.#controls = new CameraControls(this.#camera, canvas);
    this.#controls.dollyToCursor = true;
    this.#controls.addEventListener("update", () => (this.#dirty = true));
    this.#resizing = new ResizeObserver(() => this.#resize());
    this.#resizing.observe(place);
    this.#renderer.setAnimationLoop((time) => this.#draw(time));
  }

  /** Which direction of the model is up; must be said before the first look. */
  setUp([x, y, z]: [number, number, number]): void {
    this.#camera.up.set(x, y, z);
    this.#controls?.updateCameraUp();
  }

  /** Show an object under a name in place of the one that had it; null removes it. */
  put(name: string, object: Object3D | null, stream: Streamed | null = null): void {
    const former = this.#objects.get(name);
    if (former) {
      this.#scene.remove(former);
      const loading = this.#streams.get(name);
      if (loading) loading.dispose();
      else release(former);
      this.#objects.delete(name);
      this.#streams.delete(name);
    }
    if (object && stream) this.#streams.set(name, stream);
    if (object) {
      this.#scene.add(object);
      this.#objects.set(name, object);
    }
    this.#dirty = true;
  }

  /** Draw again, since something of an object has changed. */
  changed(): void {
    this.#dirty = true;
  }

  show(name: string, visible: boolean): void {
    const object = this.#objects.get(name);
    if (object) object.visible = visible;
    this.#dirty = true;
  }

  /** Draw and pick nothing outside of a box of the model; null takes that back. */
  clip(box: Box3 | null): void {
    this.#box = box;
    this.#renderer.clippingPlanes = box ? planesOf(box) : [];
    this.#dirty = true;
  }

  /** Look at a sphere from the side, a little from above. */
  lookAt(sphere: Sphere, from: [number, number, number] | null, smoothly: boolean): void {
    const { up } = this.#camera;
    const side = new Vector3(0, -1, 0).addScaledVector(up, up.y).normalize();
    const direction = from ? new Vector3(...from).sub(sphere.center).normalize() : side.addScaledVector(up, 0.5).normalize();
    const tall = ((this.#camera.fov / 2) * Math.PI) / 180;
    const wide = Math.atan(Math.tan(tall) * this.#camera.aspect);
    const distance = sphere.radius / Math.sin(Math.min(tall, wide));
    const eye = direction.multiplyScalar(distance).add(sphere.center);
    this.#center.copy(sphere.center);
    this.#camera.near = distance / 500;
    this.#camera.far = distance * 20;
    this.#camera.updateProjectionMatrix();
    this.#controls.minDistance = sphere.radius / 50;
    this.#controls.maxDistance = distance * 6;
    void this.#controls.setLookAt(...eye.toArray(), ...sphere.center.toArray(), smoothly);
    this.#dirty = true;
  }

  /** Move as a key says; whether it says something. */
  move(key: string): boolean {
    MOVES[key]?.(this.#controls);
    return key in MOVES;
  }

  /** Where the surface is at a place of the canvas in CSS pixels, or in its middle; null where there is none. */
  pick(at: { x: number; y: number } | null): Point | null {
    const model = this.#objects.get("model");
    if (!model) return null;
    const { clientWidth: width, clientHeight: height } = this.place;
    const caster = new Raycaster();
    this.#camera.updateMatrixWorld();
    caster.setFromCamera(at ? new Vector2((2 * at.x) / width - 1, 1 - (2 * at.y) / height) : new Vector2(), this.#camera);
    const entry = this.#box && !this.#box.containsPoint(caster.ray.origin) ? caster.ray.intersectBox(this.#box, new Vector3()) : null;
    if (entry) caster.ray.origin.copy(entry);
    const hit = firstHit(model, caster.ray);
    return hit && (!this.#box || this.#box.containsPoint(hit)) ? hit.toArray() : null;
  }

  /** Calls `listener` with the place of every press that was no turn of the view; returns what ends that. */
  onTap(listener: (at: { x: number; y: number }) => void): () => void {
    const canvas = this.#renderer.domElement;
    let from: { x: number; y: number } | null = null;
    const down = (event: PointerEvent) => {
      from = event.isPrimary && event.button === 0 ? { x: event.offsetX, y: event.offsetY } : null;
    };
    const up = (event: PointerEvent) => {
      const at = { x: event.offsetX, y: event.offsetY };
      if (from && Math.hypot(at.x - from.x, at.y - from.y) < TAP_PX) listener(at);
      from = null;
    };
    canvas.addEventListener("pointerdown", down);
    canvas.addEventListener("pointerup", up);
    return () => {
      canvas.removeEventListener("pointerdown", down);
      canvas.removeEventListener("pointerup", up);
    };
  }

  /** Which of some points of the model is drawn nearest to a place of the canvas; null when none is near. */
  nearest(points: readonly (readonly number[])[], at: { x: number; y: number }): number | null {
    const { clientWidth: width, clientHeight: height } = this.place;
    const point = new Vector3();
    let [best, distance] = [-1, NEAR_PX];
    points.forEach(([x = 0, y = 0, z = 0], index) => {
      point.set(x, y, z).project(this.#camera);
      if (point.z > 1) return;
      const apart = Math.hypot(((point.x + 1) / 2) * width - at.x, ((1 - point.y) / 2) * height - at.y);
      if (apart < distance) [best, distance] = [index, apart];
    });
    return best < 0 ? null : best;
  }

  /** Where points of the model are drawn, in CSS pixels of the canvas; null of those that are out of sight. */
  placesOf(points: readonly Point[]): ({ x: number; y: number } | null)[] {
    const { clientWidth: width, clientHeight: height } = this.place;
    return points.map((each) => {
      const { x, y, z } = new Vector3(...each).project(this.#camera);
      const inside = Math.abs(x) <= 1 && Math.abs(y) <= 1 && z <= 1 && !(this.#box && !this.#box.containsPoint(new Vector3(...each)));
      return inside ? { x: ((x + 1) / 2) * width, y: ((1 - y) / 2) * height } : null;
    });
  }

  /** Whether the surface stands before a point of it. */
  hides(point: Point): boolean {
    const model = this.#objects.get("model");
    const eye = this.#camera.position;
    const ray = new Ray(eye.clone(), new Vector3(...point).sub(eye).normalize());
    const hit = model ? firstHit(model, ray) : null;
    return hit !== null && hit.distanceTo(eye) < (1 - BEHIND) * eye.distanceTo(new Vector3(...point));
  }

  /** Turn a point into the middle; from its own side of the model when the surface hides it. */
  turnTo(point: Point): void {
    const [target, center] = [new Vector3(...point), this.#controls.getTarget(new Vector3())];
    const offset = this.#controls.getPosition(new Vector3()).sub(center);
    if (this.hides(point)) {
      const outwards = target.clone().sub(this.#center);
      if (outwards.lengthSq() > 0) offset.copy(outwards.setLength(offset.length()));
    }
    void this.#controls.setLookAt(...target.clone().add(offset).toArray(), ...target.toArray(), true);
    this.#dirty = true;
  }

  /** Calls `listener` after everything that is drawn; returns what ends that. */
  onDraw(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stand at a point and look in a direction, at something so far away. */
  standAt(eye: readonly number[], direction: readonly number[], reach: number): void {
    const [from, to] = [new Vector3(...eye), new Vector3(...direction)];
    to.setLength(reach).add(from);
    void this.#controls.setLookAt(...from.toArray(), ...to.toArray(), true);
    this.#dirty = true;
  }

  look(): Look {
    const [eye, target] = [this.#controls.getPosition(new Vector3()), this.#controls.getTarget(new Vector3())];
    return { eye: eye.toArray(), target: target.toArray() };
  }

  /** Look as another view does, at once. */
  lookAs({ eye, target }: Look): void {
    void this.#controls.setLookAt(...eye, ...target, false);
    this.#controls.update(0);
    this.#dirty = true;
  }

  /** Calls `listener` with every look that somebody turns the view to; returns what ends that. */
  onLook(listener: (look: Look) => void): () => void {
    const tell = () => listener(this.look());
    this.#controls.addEventListener("update", tell);
    return () => this.#controls.removeEventListener("update", tell);
  }

  picture(): Promise<Blob | null> {
    this.#renderer.render(this.#scene, this.#camera);
    return new Promise((resolve) => this.#renderer.domElement.toBlob(resolve, "image/png"));
  }

  /** Give everything back, the memory of the graphics card included. */
  dispose(): void {
    this.#renderer.setAnimationLoop(null);
    this.#resizing.disconnect();
    this.#controls.dispose();
    for (const name of [...this.#objects.keys()]) this.put(name, null);
    this.#renderer.dispose();
    this.#renderer.forceContextLoss();
    this.#renderer.domElement.remove();
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (width === 0 || height === 0) return;
    this.#renderer.setSize(width, height);
    this.#camera.aspect = width / height;
    this.#camera.updateProjectionMatrix();
    this.#dirty = true;
  }

  #draw(time: number): void {
    this.#timer.update(time);
    const moved = this.#controls.update(this.#timer.getDelta());
    if (!moved && !this.#dirty) return;
    this.#dirty = false;
    for (const stream of this.#streams.values()) stream.update(this.#camera, this.#renderer);
    this.#renderer.render(this.#scene, this.#camera);
    for (const listener of this.#listeners) listener();
  }
}

/** The six sides of a box, with what is inside in front of each. */
function planesOf({ min, max }: Box3): Plane[] {
  const axes = [new Vector3(1, 0, 0), new Vector3(0, 1, 0), new Vector3(0, 0, 1)];
  return axes.flatMap((axis) => [new Plane(axis, -axis.dot(min)), new Plane(axis.clone().negate(), axis.dot(max))]);
}
