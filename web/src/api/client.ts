import createClient from "openapi-fetch";

import type { components, paths } from "../generated/schema";
import { chunks } from "./chunks";
import { problemOf } from "./problem";
import { session } from "./session";

export type Schemas = components["schemas"];

/** The operations of the service, typed from its OpenAPI document. */
export const api = createClient<paths>({ baseUrl: location.origin });

api.use({
  async onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${await session.token()}`);
    return request;
  },
  onResponse({ response }) {
    if (response.status === 401) session.expire();
  },
});

/** The body of an answer; throws the problem of one that is none. */
export async function take<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok) throw problemOf(error, response.status);
  return data as T;
}

/** The answer to a request by whoever is signed in. */
export async function signed(path: string, options: RequestInit): Promise<Response> {
  return fetch(path, { ...options, headers: { Authorization: `Bearer ${await session.token()}`, ...options.headers } });
}

/** A file of the service, which the browser may keep on its disk, with how much of it has arrived. */
export async function download(
  path: string,
  signal: AbortSignal,
  progress: (share: number) => void = () => undefined,
  headers?: Record<string, string>, // those of whoever is signed in, when not given
): Promise<Blob> {
  headers ??= { Authorization: `Bearer ${await session.token()}` };
  const answer = await fetch(path, { headers, signal });
  if (!answer.ok || !answer.body) throw problemOf(await answer.json().catch(() => null), answer.status);
  const total = Number(answer.headers.get("Content-Length") ?? 0);
  const parts: BlobPart[] = [];
  let done = 0;
  for await (const part of chunks(answer.body)) {
    parts.push(part);
    done += part.byteLength;
    if (total > 0) progress(done / total);
  }
  return new Blob(parts);
}
