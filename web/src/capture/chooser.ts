import { exposureOf, sharpnessOf, type Exposure, type Gray } from "./gray";
import { Tracker, type Motion } from "./track";

/** What whoever photographs is told. */
export type Hint = "begin" | "good" | "move" | "back" | "slower" | "dark" | "bright";

export interface Seen {
  hint: Hint;
  /** Whether this frame becomes a photograph. */
  take: boolean;
  motion: Motion | null;
}

/** What a camera shows at a moment: small as a whole, and its middle at full resolution, where blur is seen. */
export interface Frame {
  small: Gray;
  middle: Gray;
  at_ms: number;
}

const WANTED_SHIFT = 0.08; // as frames of a video are chosen (frames.spacing)
const WANTED_OVERLAP = 0.6;
const LEAST_OVERLAP = 0.3;
const STILL_MS = 2500;
const MEMORY_MS = 1500;
const SHARP = 0.7; // of the sharpest frame of the last moments
const BLURRED = 0.4;
const LEAST_SHARPNESS = 6;
const WAIT_MS = 600; // for a sharp frame, before one that is good enough is taken
const LEAST_PAUSE_MS = 350;
const UNKNOWN_PAUSE_MS = 1500; // between photographs of what has nothing to follow
const DARK_ENOUGH: Exposure = "dark";

/** Chooses frames by themselves: far enough from the last one, with enough in common, sharp, neither dark nor white. */
export class Chooser {
  #tracker: Tracker | null = null;
  #recent: { at_ms: number; sharpness: number }[] = [];
  #taken_ms = -Infinity;
  #due_ms: number | null = null;
  #moved_ms = 0;

  see(frame: Frame): Seen {
    const sharpness = sharpnessOf(frame.middle);
    this.#recent = [...this.#recent.filter(({ at_ms }) => frame.at_ms - at_ms < MEMORY_MS), { at_ms: frame.at_ms, sharpness }];
    const best = Math.max(...this.#recent.map((each) => each.sharpness));
    const exposure = exposureOf(frame.small);
    const motion = this.#tracker?.motionTo(frame.small) ?? null;
    const sharp = sharpness >= LEAST_SHARPNESS && sharpness >= SHARP * best;
    const blurred = sharpness < LEAST_SHARPNESS || sharpness < BLURRED * best;
    const lost = motion !== null && motion.overlap < LEAST_OVERLAP;
    const due = !lost && this.#isDue(motion, frame.at_ms);
    if (!due) this.#due_ms = null;
    else this.#due_ms ??= frame.at_ms;
    const patient = this.#due_ms !== null && frame.at_ms - this.#due_ms < WAIT_MS;
    const take = due && exposure !== DARK_ENOUGH && frame.at_ms - this.#taken_ms >= LEAST_PAUSE_MS && (sharp || (!patient && !blurred));
    if (motion === null || motion.shift > WANTED_SHIFT / 4) this.#moved_ms = frame.at_ms;
    const hint = this.#hint(exposure, lost, blurred, frame.at_ms);
    if (take) this.taken(frame);
    return { hint, take, motion };
  }

  /** A photograph was taken, by itself or by hand: what follows is compared with it. */
  taken(frame: Frame): void {
    this.#tracker = new Tracker(frame.small);
    this.#taken_ms = this.#moved_ms = frame.at_ms;
    this.#due_ms = null;
  }

  #isDue(motion: Motion | null, at_ms: number): boolean {
    if (this.#tracker === null) return true;
    if (motion === null) return at_ms - this.#taken_ms > UNKNOWN_PAUSE_MS;
    return motion.shift >= WANTED_SHIFT || motion.overlap < WANTED_OVERLAP;
  }

  #hint(exposure: Exposure, lost: boolean, blurred: boolean, at_ms: number): Hint {
    if (exposure !== "good") return exposure;
    if (this.#tracker === null) return "begin";
    if (lost) return "back";
    if (blurred) return "slower";
    return at_ms - this.#moved_ms > STILL_MS ? "move" : "good";
  }
}
