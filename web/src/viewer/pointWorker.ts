import createLazPerf from "laz-perf/lib/worker/laz-perf.js";
import wasmUrl from "laz-perf/lib/worker/laz-perf.wasm?url";

import { linearOfSrgb } from "./colors";

interface Task {
  id: number;
  bytes: ArrayBuffer;
  count: number;
  scale: [number, number, number];
  offset: [number, number, number];
  recordBytes: number;
  format: number;
}

const COLOR = 30; // where red, green and blue begin in a point of format 7
const ready = createLazPerf({ locateFile: () => wasmUrl });

onmessage = async ({ data }: MessageEvent<Task>) => {
  try {
    const points = await decoded(data);
    postMessage([data.id, { points }], { transfer: [points.positions.buffer, points.colors.buffer] });
  } catch (error) {
    postMessage([data.id, { error: String(error) }]);
  }
};

async function decoded({ bytes, count, scale, offset, recordBytes, format }: Task) {
  const laz = await ready;
  const input = laz._malloc(bytes.byteLength);
  const record = laz._malloc(recordBytes);
  const decoder = new laz.ChunkDecoder();
  const positions = new Float32Array(3 * count);
  const colors = new Uint8Array(3 * count);
  try {
    laz.HEAPU8.set(new Uint8Array(bytes), input);
    decoder.open(format, recordBytes, input);
    for (let index = 0; index < count; index++) {
      decoder.getPoint(record);
      const view = new DataView(laz.HEAPU8.buffer, record, recordBytes); // the memory may have grown
      for (let axis = 0; axis < 3; axis++) {
        positions[3 * index + axis] = view.getInt32(4 * axis, true) * (scale[axis] ?? 1) + (offset[axis] ?? 0);
        colors[3 * index + axis] = linearOfSrgb(view.getUint16(COLOR + 2 * axis, true) >> 8);
      }
    }
  } finally {
    laz._free(input);
    laz._free(record);
    decoder.delete();
  }
  return { positions, colors };
}
