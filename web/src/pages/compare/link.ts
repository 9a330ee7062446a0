import type { Cameras } from "../../viewer/formats";
import type { Look, SceneView } from "../../viewer/SceneView";
import { IDENTITY, inverseOf, moved, similarityOf, type Similarity } from "./align";

interface Side {
  view: SceneView;
  cameras: Cameras | null;
  stop: () => void;
}

/** Two views of which each follows the other: where one looks, the other does, in its own frame. */
export class LinkedViews {
  #sides: (Side | null)[] = [null, null];
  #toOther: [Similarity, Similarity] = [IDENTITY, IDENTITY];
  #following = false;

  /** Give a side its view, or take it away; the second one to come takes the look of the first. */
  set(index: 0 | 1, view: SceneView | null, cameras: Cameras | null): void {
    this.#sides[index]?.stop();
    this.#sides[index] = view && { view, cameras, stop: view.onLook((look) => this.#follow(index, look)) };
    const [a, b] = this.#sides;
    if (!a || !b) return;
    const first = a.cameras && b.cameras ? similarityOf(a.cameras, b.cameras) : IDENTITY;
    this.#toOther = [first, inverseOf(first)];
    if (a.cameras && b.cameras) this.#follow(0, a.view.look());
  }

  #follow(index: 0 | 1, look: Look): void {
    const other = this.#sides[1 - index];
    if (!other || this.#following) return;
    const similarity = this.#toOther[index];
    this.#following = true;
    other.view.lookAs({ eye: moved(similarity, look.eye), target: moved(similarity, look.target) });
    this.#following = false;
  }
}
