import type { Schemas } from "../api/client";
import { asProblem, type ApiProblem } from "../api/problem";
import { forget, keep, kept } from "./kept";
import { lookedAt, passes, send, type Sending } from "./send";

export type UploadState = "waiting" | "sending" | "checking" | "done" | "failed";

/** A file on its way into an image set, as the page shows it. */
export interface UploadEntry {
  key: string;
  setId: string;
  name: string;
  bytes: number;
  sent: number;
  state: UploadState;
  problem: ApiProblem | null;
  outcome: Schemas["Upload"] | null;
}

const AT_ONCE = 3;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** All uploads of this tab: a few at once, repeated while the network is away, kept over a reload. */
export class UploadQueue {
  #entries: readonly UploadEntry[] = [];
  #files = new Map<string, { file: File; url: string | null }>();
  #sending = new Map<string, Sending>();
  #running = 0;
  #listeners = new Set<() => void>();

  /** @param arrived called with the set whose photographs have changed. */
  constructor(private readonly arrived: (setId: string) => void) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly entries = (): readonly UploadEntry[] => this.#entries;

  /** Go on with what an earlier page left, unless another tab is at it. */
  async resume(): Promise<void> {
    const known = new Set(this.#entries.map((entry) => entry.key));
    for (const [key, { setId, file, url }] of await kept()) {
      if (!known.has(key)) void alone(key, () => this.#admit(key, setId, file, url));
    }
  }

  /** Resolves before anything is sent; whether a reload goes on with all of them. */
  async add(setId: string, files: readonly File[]): Promise<boolean> {
    const all = await Promise.all(files.map((file) => this.#begin(setId, file)));
    return all.every(Boolean);
  }

  #begin(setId: string, file: File): Promise<boolean> {
    const key = newKey();
    return new Promise((resolve) => {
      void alone(key, async () => {
        resolve(await keep(key, { setId, file, url: null }));
        await this.#admit(key, setId, file, null);
      });
    });
  }

  /** Take a file out that has failed or is no longer wanted. */
  remove(key: string): void {
    this.#sending.get(key)?.stop();
    this.#files.delete(key);
    this.#entries = this.#entries.filter((entry) => entry.key !== key);
    void forget(key);
    this.#tell();
  }

  /** Forget everything, as before somebody else uses this browser. */
  async abandon(): Promise<void> {
    for (const entry of this.#entries) this.remove(entry.key);
    for (const [key] of await kept()) await forget(key);
  }

  clearDone(setId: string): void {
    this.#entries = this.#entries.filter((entry) => entry.setId !== setId || entry.state !== "done");
    this.#tell();
  }

  async #admit(key: string, setId: string, file: File, url: string | null): Promise<void> {
    this.#files.set(key, { file, url });
    const entry = { key, setId, name: file.name, bytes: file.size, sent: 0, problem: null, outcome: null };
    this.#entries = [...this.#entries, { ...entry, state: "waiting" }];
    this.#tell();
    await this.#turn();
    try {
      await this.#persist(key, setId);
    } finally {
      this.#running -= 1;
      this.#tell();
    }
  }

  async #turn(): Promise<void> {
    while (this.#running >= AT_ONCE) {
      await new Promise<void>((resolve) => {
        const stop = this.subscribe(() => {
          stop();
          resolve();
        });
      });
    }
    this.#running += 1;
  }

  async #persist(key: string, setId: string): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; this.#files.has(key); pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const problem = await this.#try(key, setId);
      if (problem === null) return;
      if (!passes(problem)) {
        this.#change(key, { state: "failed", problem });
        void forget(key);
        return;
      }
      this.#change(key, { state: "waiting", problem });
      await untilOnline(pause);
    }
  }

  async #try(key: string, setId: string): Promise<ApiProblem | null> {
    const held = this.#files.get(key);
    if (!held) return null;
    const { file } = held;
    this.#change(key, { state: "sending", problem: null });
    const onUrl = (url: string) => {
      this.#files.set(key, { file, url });
      void keep(key, { setId, file, url });
    };
    try {
      const sending = send(file, setId, held.url, onUrl, (sent) => this.#change(key, { sent }));
      this.#sending.set(key, sending);
      const id = await sending.done;
      this.#change(key, { state: "checking", sent: file.size });
      const outcome = await lookedAt(id);
      this.#change(key, { state: outcome.state === "failed" ? "failed" : "done", outcome });
      this.#files.delete(key);
      void forget(key);
      this.arrived(setId);
      return null;
    } catch (error) {
      return error instanceof DOMException ? null : asProblem(error);
    } finally {
      this.#sending.delete(key);
    }
  }

  #change(key: string, change: Partial<UploadEntry>): void {
    this.#entries = this.#entries.map((entry) => (entry.key === key ? { ...entry, ...change } : entry));
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Runs `work` unless another tab does the same; without locks (outside secure contexts) it simply runs. */
async function alone(key: string, work: () => Promise<void>): Promise<void> {
  if (!("locks" in navigator)) return work();
  await navigator.locks.request(`e2e3d-upload-${key}`, { ifAvailable: true }, async (lock) => {
    if (lock) await work();
  });
}

function untilOnline(pause: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(finish, pause);
    function finish() {
      clearTimeout(timer);
      removeEventListener("online", finish);
      resolve();
    }
    addEventListener("online", finish);
  });
}

function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
