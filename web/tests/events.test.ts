import { expect, test } from "vitest";

import { read, type ServerEvent } from "../src/api/events";

test("events are read whole although they arrive in pieces", async () => {
  const text = ': still here\n\nid: 7\nevent: job.progress\ndata: {"stage": "depth", "name": "Löwe"}\n\nid: 8\nevent: job.succeeded\ndata: {}\n\n';
  const bytes = new TextEncoder().encode(text);
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 5) controller.enqueue(bytes.slice(at, at + 5));
      controller.close();
    },
  });
  const found: ServerEvent[] = [];
  await read(body, (event) => found.push(event));
  expect(found).toEqual([
    { id: "7", type: "job.progress", data: { stage: "depth", name: "Löwe" } },
    { id: "8", type: "job.succeeded", data: {} },
  ]);
});
