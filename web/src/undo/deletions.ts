/** Something that is to be deleted when nobody takes it back in time. */
export interface Deletion {
  id: string;
  name: string;
  /** Tells the service; with `keepalive` also while the page is being closed. */
  commit: (options: { keepalive: boolean }) => Promise<unknown>;
}

export interface DeletionState {
  /** Can still be taken back; lists leave them out. */
  waiting: readonly Deletion[];
  /** What the service would not delete, with its error. */
  failed: readonly { deletion: Deletion; error: unknown }[];
}

export const GRACE_MS = 20_000;

/** Deletions that wait for a while before the service hears of them; closing the page ends the wait. */
export class Deletions {
  #state: DeletionState = { waiting: [], failed: [] };
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): DeletionState => this.#state;

  add(deletion: Deletion): void {
    if (this.#timers.has(deletion.id)) return;
    this.#timers.set(deletion.id, setTimeout(() => void this.#commit(deletion, false), GRACE_MS));
    this.#become({ ...this.#state, waiting: [...this.#state.waiting, deletion] });
  }

  takeBack(id: string): void {
    this.#end(id);
  }

  dismiss(id: string): void {
    this.#become({ ...this.#state, failed: this.#state.failed.filter(({ deletion }) => deletion.id !== id) });
  }

  /** Wait no longer: the page closes, or somebody signs out. */
  async commitAll(keepalive: boolean): Promise<void> {
    await Promise.all(this.#state.waiting.map((deletion) => this.#commit(deletion, keepalive)));
  }

  async #commit(deletion: Deletion, keepalive: boolean): Promise<void> {
    clearTimeout(this.#timers.get(deletion.id));
    try {
      await deletion.commit({ keepalive });
    } catch (error) {
      this.#become({ ...this.#state, failed: [...this.#state.failed, { deletion, error }] });
    }
    this.#end(deletion.id);
  }

  #end(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#become({ ...this.#state, waiting: this.#state.waiting.filter((each) => each.id !== id) });
  }

  #become(state: DeletionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
