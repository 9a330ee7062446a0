import { objectOf, stillOf } from "./background";
import { pictureOf } from "./colors";

/** Photographs from which what stands still is learned; then one photograph after another. */
export type Task = { samples: ImageData[] } | { pixels: ImageData };

let still: Float32Array | null = null;

onmessage = ({ data }: MessageEvent<Task>) => {
  if ("samples" in data) {
    still = stillOf(data.samples.map(pictureOf));
    postMessage(null);
    return;
  }
  const picture = pictureOf(data.pixels);
  const fits = still !== null && still.length === picture.data.length;
  const mask = objectOf(picture, fits ? still : null);
  postMessage(mask, { transfer: [mask.buffer] });
};
