import type { Frame } from "./chooser";
import { grayOf } from "./gray";

const LONGEST_PX = 160; // of the picture that is followed
const MIDDLE_PX = [320, 240] as const;
const QUALITY = 0.93;

/** The camera at the back, at its highest resolution up to 4K. */
export function openCamera(): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: { ideal: "environment" }, width: { ideal: 3840 }, height: { ideal: 2160 }, frameRate: { ideal: 30 } },
  });
}

/** Reads frames of a video that plays; null before there is a picture. */
export class FrameReader {
  readonly #small = contextOf();
  readonly #middle = contextOf();

  constructor(private readonly video: HTMLVideoElement) {}

  read(at_ms: number): Frame | null {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width === 0 || height === 0) return null;
    const scale = LONGEST_PX / Math.max(width, height);
    const [wide, tall] = [Math.round(width * scale), Math.round(height * scale)];
    const [left, top] = [Math.min(MIDDLE_PX[0], width), Math.min(MIDDLE_PX[1], height)];
    const small = pixels(this.#small, wide, tall, (context) => context.drawImage(this.video, 0, 0, wide, tall));
    const middle = pixels(this.#middle, left, top, (context) =>
      context.drawImage(this.video, (width - left) / 2, (height - top) / 2, left, top, 0, 0, left, top),
    );
    return { small: grayOf(small), middle: grayOf(middle), at_ms };
  }
}

/** What a video shows now, as a JPEG of its full size. */
export function photographOf(video: HTMLVideoElement): Promise<Blob> {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the photograph could not be encoded"))), "image/jpeg", QUALITY);
  });
}

function contextOf(): CanvasRenderingContext2D {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser has no canvas");
  return context;
}

function pixels(context: CanvasRenderingContext2D, width: number, height: number, draw: (context: CanvasRenderingContext2D) => void): ImageData {
  if (context.canvas.width !== width || context.canvas.height !== height) [context.canvas.width, context.canvas.height] = [width, height];
  draw(context);
  return context.getImageData(0, 0, width, height);
}
