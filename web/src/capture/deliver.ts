import { api, take } from "../api/client";
import type { UploadQueue } from "../uploads/queue";
import { forgetCapture, forgetPhoto, keepCapture, keptCapture, keptCaptures, keptPhoto, photosOf } from "./photos";

const LONGEST_MS = 24 * 3600 * 1000; // of a capture that nobody has ended
const handed = new Set<string>(); // to the uploads of this tab, which could not keep them: they stay here as well

/**
 * Hand the photographs of a capture to the uploads; its set is made first, and its id returned once there is one. One tab
 * at a time does this.
 */
export async function deliver(captureId: string, uploads: UploadQueue): Promise<string | null> {
  return inTurn(captureId, async () => {
    const capture = await keptCapture(captureId);
    if (!capture) return null;
    const photos = await photosOf(captureId);
    const fresh = photos.filter((key) => !handed.has(key));
    if (fresh.length > 0 && capture.setId === null) {
      const made = await take(api.POST("/v1/image-sets", { body: { name: capture.name } }));
      capture.setId = made.id;
      await keepCapture(capture);
    }
    for (const key of fresh) {
      const photo = await keptPhoto(key);
      if (!photo || capture.setId === null) continue;
      handed.add(key);
      const file = new File([photo.content], photo.name, { type: photo.content.type });
      if (await uploads.add(capture.setId, [file])) await forgetPhoto(key);
    }
    const over = capture.ended || Date.now() - capture.begun_ms > LONGEST_MS;
    if (over && (await photosOf(captureId)).length === 0) await forgetCapture(captureId);
    return capture.setId;
  });
}

/** Nothing is added to a capture any more. */
export async function endCapture(captureId: string): Promise<void> {
  await inTurn(captureId, async () => {
    const capture = await keptCapture(captureId);
    if (capture) await keepCapture({ ...capture, ended: true });
  });
}

/** What was photographed without a network, or without being signed in. */
export async function deliverAll(uploads: UploadQueue): Promise<void> {
  for (const { id } of await keptCaptures()) await deliver(id, uploads);
}

async function inTurn<T>(captureId: string, work: () => Promise<T>): Promise<T> {
  return "locks" in navigator ? navigator.locks.request(`e2e3d-capture-${captureId}`, work) : work();
}
