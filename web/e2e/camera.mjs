// A Chromium whose camera plays the video VIDEO, and what tests of photographing ask of the page.
import { chromium } from "playwright-core";

export async function openWithCamera() {
  const camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${process.env.VIDEO}`];
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", ...camera] });
}

/** How many photographs were taken, once that has ended. */
export async function takenOf(page) {
  return Number((await page.getByRole("heading", { level: 2 }).textContent()).match(/\d+/)[0]);
}

/** Waits until the browser has nothing left to send. */
export async function nothingKept(page) {
  await page.waitForFunction(async () => {
    const kept = async (name, store) => {
      const open = indexedDB.open(name);
      const database = await new Promise((resolve) => (open.onsuccess = () => resolve(open.result)));
      const request = database.transaction(store).objectStore(store).count();
      const count = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      database.close();
      return count;
    };
    return (await kept("e2e3d-photos", "photos")) + (await kept("e2e3d-uploads", "files")) === 0;
  });
}

export async function counted(page, least) {
  await page.waitForFunction((wanted) => Number(document.querySelector("[data-count]")?.dataset.count) >= wanted, least);
}
