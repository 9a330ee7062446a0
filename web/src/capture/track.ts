import { shiftOf } from "./align";
import { halved, type Gray } from "./gray";
import { cornerness, MARGIN, Patch } from "./patch";

/** How a frame lies to the last photograph. */
export interface Motion {
  /** Of the patches of the photograph, the part that the frame shows, too. */
  overlap: number;
  /** Median motion of those, as a share of the longest side. */
  shift: number;
}

const COLUMNS = 9;
const ROWS = 7;
const LEAST_CORNERNESS = 40; // in squares of gray values; flat places cannot be followed
const FEWEST = 6;

/** Follows patches of a photograph through the frames after it, whatever the camera does in between. */
export class Tracker {
  readonly #coarse: Gray;
  readonly #patches: Patch[];

  constructor(photograph: Gray) {
    this.#coarse = halved(halved(photograph));
    this.#patches = patchesOf(photograph);
  }

  /** Null where too little can be followed to say anything. */
  motionTo(frame: Gray): Motion | null {
    if (this.#patches.length < FEWEST) return null;
    const whole = shiftOf(this.#coarse, halved(halved(frame)));
    const lengths: number[] = [];
    for (const patch of this.#patches) {
      const going = patch.found && patch.follow(frame, patch.dx, patch.dy);
      patch.found = going || patch.follow(frame, 4 * whole.x, 4 * whole.y);
      if (patch.found) lengths.push(Math.hypot(patch.dx, patch.dy));
    }
    lengths.sort((a, b) => a - b);
    const longest = Math.max(frame.width, frame.height);
    return { overlap: lengths.length / this.#patches.length, shift: (lengths[lengths.length >> 1] ?? longest) / longest };
  }
}

/** The best corner of every cell of a grid. */
function patchesOf(gray: Gray): Patch[] {
  const found: Patch[] = [];
  const [wide, tall] = [(gray.width - 2 * MARGIN) / COLUMNS, (gray.height - 2 * MARGIN) / ROWS];
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      let [best, most] = [{ x: 0, y: 0 }, LEAST_CORNERNESS];
      for (let y = Math.ceil(MARGIN + row * tall); y < MARGIN + (row + 1) * tall; y += 2) {
        for (let x = Math.ceil(MARGIN + column * wide); x < MARGIN + (column + 1) * wide; x += 2) {
          const corner = cornerness(gray, x, y);
          if (corner > most) [best, most] = [{ x, y }, corner];
        }
      }
      if (most > LEAST_CORNERNESS) found.push(new Patch(gray, best.x, best.y));
    }
  }
  return found;
}
