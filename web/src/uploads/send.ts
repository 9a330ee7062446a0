import { DetailedError, Upload } from "tus-js-client";

import { api, take, type Schemas } from "../api/client";
import { ApiProblem, problemOf } from "../api/problem";
import { session } from "../api/session";

const CHUNK_BYTES = 8 * 1024 * 1024;
const LOOK_AGAIN_MS = 1_000;

export interface Sending {
  done: Promise<string>;
  stop: () => void;
}

/** Sends a file by tus, from where an earlier try stopped; `done` gives the id of the upload. */
export function send(
  file: File,
  setId: string,
  url: string | null,
  onUrl: (url: string) => void,
  onProgress: (sent: number) => void,
): Sending {
  let stop = () => undefined as void;
  const done = new Promise<string>((resolve, reject) => {
    const upload: Upload = new Upload(file, {
      endpoint: `/v1/image-sets/${setId}/uploads`,
      uploadUrl: url,
      chunkSize: CHUNK_BYTES,
      retryDelays: null,
      metadata: { filename: file.name },
      storeFingerprintForResuming: false,
      async onBeforeRequest(request) {
        request.setHeader("Authorization", `Bearer ${await session.token()}`);
      },
      onUploadUrlAvailable: () => upload.url && onUrl(upload.url),
      onProgress: (sent) => onProgress(sent),
      onError: (error) => reject(problemOfTus(error)),
      onSuccess: () => resolve((upload.url ?? "").replace(/^.*\//, "")),
    });
    stop = () => {
      void upload.abort();
      reject(new DOMException("stopped", "AbortError"));
    };
    upload.start();
  });
  return { done, stop: () => stop() };
}

/** Waits until what arrived was looked at. */
export async function lookedAt(uploadId: string): Promise<Schemas["Upload"]> {
  for (;;) {
    const upload = await take(api.GET("/v1/uploads/{upload_id}", { params: { path: { upload_id: uploadId } } }));
    if (upload.state === "done" || upload.state === "failed") return upload;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Whether trying again can help: also after somebody has signed in again. */
export function passes(problem: ApiProblem): boolean {
  return problem.status === 0 || problem.status >= 500 || [401, 408, 409, 423, 429].includes(problem.status);
}

function problemOfTus(error: Error | DetailedError): ApiProblem {
  const answer = error instanceof DetailedError ? error.originalResponse : null;
  if (!answer) return error instanceof ApiProblem ? error : new ApiProblem(0, "offline", "", "");
  try {
    return problemOf(JSON.parse(answer.getBody()), answer.getStatus());
  } catch {
    return problemOf(null, answer.getStatus());
  }
}
