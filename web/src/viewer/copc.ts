/** Where the points of a node lie in the file. */
export interface CopcNode {
  level: number;
  x: number;
  y: number;
  z: number;
  offset: number;
  bytes: number;
  points: number;
  children: CopcNode[];
}

/** What a COPC file says of itself: https://copc.io */
export interface CopcFile {
  points: number;
  scale: [number, number, number];
  offset: [number, number, number];
  recordBytes: number;
  format: number;
  /** The cube of the whole tree. */
  center: [number, number, number];
  halfSize: number;
  /** Of points of the root, in units of the model; halved with every level. */
  spacing: number;
  root: CopcNode;
}

export type ReadRange = (begin: number, end: number) => Promise<ArrayBuffer>;

const HEAD_BYTES = 589; // of the LAS header and the record that must follow it
const INFO = 429;
const ENTRY_BYTES = 32;

export async function readCopc(read: ReadRange): Promise<CopcFile> {
  const head = new DataView(await read(0, HEAD_BYTES));
  const text = (at: number, length: number) => String.fromCharCode(...new Uint8Array(head.buffer, at, length));
  if (text(0, 4) !== "LASF" || text(377, 4) !== "copc") throw new Error("no COPC file");
  const vector = (at: number): [number, number, number] => [0, 8, 16].map((step) => head.getFloat64(at + step, true)) as [number, number, number];
  const hierarchy = Number(head.getBigUint64(INFO + 40, true));
  const table = await read(hierarchy, hierarchy + Number(head.getBigUint64(INFO + 48, true)));
  return {
    points: Number(head.getBigUint64(247, true)),
    scale: vector(131),
    offset: vector(155),
    recordBytes: head.getUint16(105, true),
    format: head.getUint8(104) & 0x3f,
    center: vector(INFO),
    halfSize: head.getFloat64(INFO + 24, true),
    spacing: head.getFloat64(INFO + 32, true),
    root: treeOf(new DataView(table)),
  };
}

/** The tree of one page of the hierarchy, which is all that the service writes. */
function treeOf(table: DataView): CopcNode {
  const nodes = new Map<string, CopcNode>();
  for (let at = 0; at + ENTRY_BYTES <= table.byteLength; at += ENTRY_BYTES) {
    const [level = 0, x = 0, y = 0, z = 0] = [0, 4, 8, 12].map((step) => table.getInt32(at + step, true));
    const node = {
      level, x, y, z,
      offset: Number(table.getBigUint64(at + 16, true)),
      bytes: table.getInt32(at + 24, true),
      points: table.getInt32(at + 28, true),
      children: [],
    };
    if (node.points >= 0) nodes.set(`${level}-${x}-${y}-${z}`, node);
  }
  for (const node of nodes.values()) {
    nodes.get(`${node.level - 1}-${node.x >> 1}-${node.y >> 1}-${node.z >> 1}`)?.children.push(node);
  }
  const root = nodes.get("0-0-0-0");
  if (!root) throw new Error("a COPC file without points");
  return root;
}

/** Middle and half diagonal of the cube of a node. */
export function ballOf(file: CopcFile, { level, x, y, z }: CopcNode): { center: [number, number, number]; radius: number } {
  const side = (2 * file.halfSize) / 2 ** level;
  const at = [x, y, z].map((count, axis) => (file.center[axis] ?? 0) - file.halfSize + (count + 0.5) * side);
  return { center: at as [number, number, number], radius: (side * Math.sqrt(3)) / 2 };
}

/** How a node looks from somewhere: pixels between its points; null when it is out of sight. */
export type Apparent = (ball: { center: [number, number, number]; radius: number }, spacing: number) => number | null;

/** The nodes to draw, those with the widest gaps first, until points are dense enough or there are too many. */
export function chosenNodes(file: CopcFile, apparent: Apparent, densestPx: number, budget: number): CopcNode[] {
  const chosen: CopcNode[] = [];
  const waiting = [{ node: file.root, gap: Infinity }];
  let points = 0;
  while (waiting.length > 0) {
    const widest = waiting.reduce((best, each, index) => (each.gap > (waiting[best]?.gap ?? 0) ? index : best), 0);
    const [next] = waiting.splice(widest, 1);
    if (!next || (chosen.length > 0 && points + next.node.points > budget)) break;
    chosen.push(next.node);
    points += next.node.points;
    for (const child of next.node.children) {
      const gap = apparent(ballOf(file, child), file.spacing / 2 ** next.node.level);
      if (gap !== null && gap > densestPx) waiting.push({ node: child, gap });
    }
  }
  return chosen;
}
