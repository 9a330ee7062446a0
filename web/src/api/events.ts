import { createParser } from "eventsource-parser";

import { chunks } from "./chunks";
import { problemOf } from "./problem";
import { session } from "./session";

export interface ServerEvent {
  id: string;
  type: string;
  data: Record<string, unknown>;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Follows a stream of Server-Sent Events until it ends or `signal` aborts; goes on after the last event when a connection
 * breaks. The token travels in a header, which EventSource of the browser cannot send.
 */
export async function follow(
  path: string,
  signal: AbortSignal,
  onEvent: (event: ServerEvent) => void,
  onConnection: (connected: boolean) => void = () => undefined,
): Promise<void> {
  let last = "";
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = { Authorization: `Bearer ${await session.token()}` };
      if (last) headers["Last-Event-ID"] = last;
      const answer = await fetch(path, { headers, signal });
      if (answer.status === 204) return;
      if (answer.status === 401 || answer.status === 404) throw problemOf(await answer.json(), answer.status);
      if (answer.ok && answer.body) {
        onConnection(true);
        pause = FIRST_PAUSE_MS;
        await read(answer.body, (event) => {
          last = event.id || last;
          onEvent(event);
        });
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof TypeError)) return;
    }
    if (signal.aborted) return;
    onConnection(false);
    await sleep(pause, signal);
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}

export async function read(body: ReadableStream<Uint8Array<ArrayBuffer>>, onEvent: (event: ServerEvent) => void): Promise<void> {
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      onEvent({ id: id ?? "", type: event ?? "message", data: JSON.parse(data) as Record<string, unknown> });
    },
  });
  const decoder = new TextDecoder();
  for await (const part of chunks(body)) parser.feed(decoder.decode(part, { stream: true }));
}

function sleep(duration: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, duration);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
