import type { CopcFile } from "./copc";
import type { Points } from "./formats";

type Answer = { points: Points } | { error: string };

const WORKERS = Math.max(1, Math.min(3, navigator.hardwareConcurrency - 1));

/** Decompresses the points of nodes beside the page, on several workers. */
export class PointDecoder {
  readonly #workers: Worker[];
  readonly #waiting = new Map<number, { resolve: (points: Points) => void; reject: (error: Error) => void }>();
  #next = 0;

  constructor(private readonly file: CopcFile) {
    this.#workers = Array.from({ length: WORKERS }, () => {
      const worker = new Worker(new URL("./pointWorker.ts", import.meta.url), { type: "module" });
      worker.onmessage = ({ data: [id, answer] }: MessageEvent<[number, Answer]>) => {
        const asked = this.#waiting.get(id);
        this.#waiting.delete(id);
        if ("error" in answer) asked?.reject(new Error(answer.error));
        else asked?.resolve(answer.points);
      };
      return worker;
    });
  }

  decode(bytes: ArrayBuffer, count: number): Promise<Points> {
    const id = this.#next++;
    const { scale, offset, recordBytes, format } = this.file;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#workers[id % WORKERS]?.postMessage({ id, bytes, count, scale, offset, recordBytes, format }, [bytes]);
    });
  }

  dispose(): void {
    for (const worker of this.#workers) worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(new Error("the cloud is not wanted any more"));
    this.#waiting.clear();
  }
}
