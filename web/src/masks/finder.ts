import type { Mask } from "./background";
import type { Task } from "./maskWorker";

const SIDE_PX = 200;
const SAMPLES = 24;

/** A mask as a canvas, in which the object is opaque. */
export type MaskCanvas = HTMLCanvasElement;

/** Finds the object in photographs, beside the page; `found` is given the masks as they come, null where there is none. */
export async function findObjects(
  photos: readonly string[],
  load: (photo: string) => Promise<Blob>,
  found: (photo: string, mask: MaskCanvas | null) => void,
  stop: AbortSignal,
): Promise<void> {
  const worker = new Worker(new URL("./maskWorker.ts", import.meta.url), { type: "module" });
  stop.addEventListener("abort", () => worker.terminate());
  try {
    const step = Math.max(1, Math.ceil(photos.length / SAMPLES));
    const samples = await Promise.all(photos.filter((_, index) => index % step === 0).map(async (photo) => pixelsOf(await load(photo))));
    await ask(worker, { samples }, stop);
    for (const photo of photos) {
      if (stop.aborted) return;
      const content = await load(photo);
      const pixels = await pixelsOf(content);
      const mask = (await ask(worker, { pixels }, stop)) as Mask;
      const object = mask.reduce((sum, each) => sum + each, 0) / mask.length;
      found(photo, object > 0.005 && object < 0.98 ? canvasOf(mask, pixels.width, pixels.height) : null);
    }
  } finally {
    worker.terminate();
  }
}

function ask(worker: Worker, task: Task, stop: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    stop.addEventListener("abort", () => reject(stop.reason as Error));
    worker.postMessage(task);
  });
}

async function pixelsOf(content: Blob): Promise<ImageData> {
  const image = await createImageBitmap(content);
  const scale = Math.min(1, SIDE_PX / Math.max(image.width, image.height));
  const [width, height] = [Math.round(image.width * scale), Math.round(image.height * scale)];
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (!context) throw new Error("this browser has no canvas");
  context.drawImage(image, 0, 0, width, height);
  image.close();
  return context.getImageData(0, 0, width, height);
}

function canvasOf(mask: Mask, width: number, height: number): MaskCanvas {
  const pixels = new ImageData(width, height);
  mask.forEach((inside, pixel) => pixels.data.fill(inside ? 255 : 0, 4 * pixel, 4 * pixel + 4));
  return drawn(width, height, (context) => context.putImageData(pixels, 0, 0));
}

const LONGEST_PX = 1280;

/** The mask of a photograph of some size as a PNG: white is the object. */
export function maskFile(mask: MaskCanvas, width: number, height: number, name: string): Promise<File> {
  const turned = width > height !== mask.width > mask.height; // the size of a photograph that lies on its side
  const [wide, tall] = turned ? [height, width] : [width, height];
  const scale = Math.min(1, LONGEST_PX / Math.max(wide, tall));
  const canvas = drawn(Math.round(wide * scale), Math.round(tall * scale), (context, across, down) => {
    context.drawImage(mask, 0, 0, across, down);
    const pixels = context.getImageData(0, 0, across, down);
    for (let at = 0; at < pixels.data.length; at += 4) {
      pixels.data.fill((pixels.data[at + 3] ?? 0) > 127 ? 255 : 0, at, at + 3);
      pixels.data[at + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
  });
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(new File([blob], name, { type: "image/png" })) : reject(new Error("the mask could not be encoded"))));
  });
}

function drawn(width: number, height: number, draw: (context: CanvasRenderingContext2D, width: number, height: number) => void): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  if (context) draw(context, width, height);
  return canvas;
}
