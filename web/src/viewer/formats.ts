/** Points with colours, as the graphics card takes them. */
export interface Points {
  positions: Float32Array;
  colors: Uint8Array;
  /** Of every point, where the file has it. */
  confidence?: Float32Array;
}

/** `cameras.json` of a result, as far as the viewer needs it. */
export interface Cameras {
  frame: string;
  cameras: { camera_id: number; model: string; width_px: number; height_px: number; params: number[] }[];
  images: { name: string; camera_id: number; cam_from_world: number[][]; center_world: number[] }[];
}

const BYTES: Record<string, number> = { char: 1, uchar: 1, short: 2, ushort: 2, int: 4, uint: 4, float: 4, double: 8 };

/** The vertices of a binary PLY file with float positions and uchar colours, which is what the service writes. */
export function pointsOfPly(buffer: ArrayBuffer): Points {
  const { text, start } = plyHeader(buffer);
  const [vertices = ""] = text.split(/^element /m).filter((part) => part.startsWith("vertex "));
  const count = Number(vertices.split(/\s+/)[1]);
  const offsets = new Map<string, number>();
  let stride = 0;
  for (const [, type = "", name = ""] of vertices.matchAll(/^property (\w+) (\w+)$/gm)) {
    offsets.set(name, stride);
    stride += BYTES[type] ?? 0;
  }
  const view = new DataView(buffer, start);
  const at = (name: string) => offsets.get(name) ?? -1;
  const [x, red, certain] = [at("x"), at("red"), at("confidence")];
  const positions = new Float32Array(3 * count);
  const colors = new Uint8Array(3 * count).fill(160);
  const confidence = certain >= 0 ? new Float32Array(count) : undefined;
  for (let index = 0; index < count; index++) {
    for (let axis = 0; axis < 3; axis++) {
      positions[3 * index + axis] = view.getFloat32(index * stride + x + 4 * axis, true);
      if (red >= 0) colors[3 * index + axis] = view.getUint8(index * stride + red + axis);
    }
    if (confidence) confidence[index] = view.getFloat32(index * stride + certain, true);
  }
  return { positions, colors, ...(confidence ? { confidence } : {}) };
}

function plyHeader(buffer: ArrayBuffer): { text: string; start: number } {
  const END = "end_header\n";
  const head = new TextDecoder("latin1").decode(new Uint8Array(buffer, 0, Math.min(buffer.byteLength, 4096)));
  const end = head.indexOf(END);
  if (!head.startsWith("ply\nformat binary_little_endian") || end < 0) throw new Error("no binary PLY file");
  return { text: head.slice(0, end), start: end + END.length };
}

/** COLMAP's `points3D.bin`: a count, then id, position, colour, error and track of every point. */
export function pointsOfColmap(buffer: ArrayBuffer): Points {
  const view = new DataView(buffer);
  const count = Number(view.getBigUint64(0, true));
  const positions = new Float32Array(3 * count);
  const colors = new Uint8Array(3 * count);
  let offset = 8;
  for (let index = 0; index < count; index++) {
    for (let axis = 0; axis < 3; axis++) {
      positions[3 * index + axis] = view.getFloat64(offset + 8 + 8 * axis, true);
      colors[3 * index + axis] = view.getUint8(offset + 32 + axis);
    }
    offset += 51 + 8 * Number(view.getBigUint64(offset + 43, true));
  }
  return { positions, colors };
}

/** The direction that is up in the frame of the cameras: z where it is known, else where the tops of the photographs are. */
export function upOf({ frame, images }: Cameras): [number, number, number] {
  if (["upright", "georeferenced", "metric"].includes(frame)) return [0, 0, 1];
  const sum: [number, number, number] = [0, 0, 0];
  for (const { cam_from_world: rows } of images) {
    for (let axis = 0; axis < 3; axis++) sum[axis] = (sum[axis] ?? 0) - (rows[1]?.[axis] ?? 0);
  }
  const length = Math.hypot(...sum);
  return length > 0 ? [sum[0] / length, sum[1] / length, sum[2] / length] : [0, -1, 0];
}

/** The direction in which a camera looks: the third row of its rotation from the world. */
export function forwardOf({ cam_from_world: rows }: Cameras["images"][number]): [number, number, number] {
  const [x = 0, y = 0, z = 1] = rows[2] ?? [];
  return [x, y, z];
}
