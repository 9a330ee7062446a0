// A shared model with tiles and a streamed cloud: how soon something is seen, how it sharpens, and what memory it takes.
import { execFileSync } from "node:child_process";
import { openBrowser, openPage, look } from "./browser.mjs";

const complaints = [];
const browser = await openBrowser();
const requests = [];
const seen = {};
try {
  const page = await openPage(browser, complaints, { viewport: { width: 1280, height: 800 } });
  page.on("request", (request) => requests.push(request.url().replace(/.*\/results\//, "")));
  seen.textured = await show(page, "textured", () => page.goto(process.env.URL));
  seen.cloud = await show(page, "cloud", () => page.getByRole("radio", { name: "Cloud" }).click());
  seen.plain = await show(page, "plain", () => page.getByRole("radio", { name: "Plain" }).click());
  await page.getByRole("button", { name: "Measure", exact: true }).click();
  await page.waitForTimeout(1500); // the panel makes the canvas smaller
  const { width, height } = await page.locator("canvas").boundingBox();
  for (const share of [0.45, 0.5, 0.55]) {
    await page.locator("canvas").click({ position: { x: width * share, y: height / 2 } });
    await page.waitForTimeout(300);
  }
  seen.length = Number(await page.locator("dl[data-units]").getAttribute("data-units"));
} catch (error) {
  throw new Error(`${error} ${complaints.join(" | ")} ${requests.join(" ")}`);
} finally {
  await browser.close();
}
console.log(JSON.stringify({ ...seen, complaints }));

/** Milliseconds until a mode is drawn, how it looks then and when nothing more is loaded, and what has been asked for. */
async function show(page, mode, begin) {
  requests.length = 0;
  const start = Date.now();
  await begin();
  await page.locator(`[data-ready=${mode}]`).waitFor();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const first_ms = Date.now() - start;
  const first = await look(page);
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${mode}-first.png` });
  await quiet();
  const settled_ms = Date.now() - start;
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${mode}.png` });
  const heap_bytes = await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);
  const size = await page.locator(".numbers").last().textContent();
  return { first_ms, settled_ms, first, look: await look(page), files: [...new Set(requests)], heap_bytes, size, ...memory() };
}

/** Waits until nothing has been asked for during two seconds. */
async function quiet() {
  for (let count = -1; count !== requests.length; ) {
    count = requests.length;
    await new Promise((done) => setTimeout(done, 2000));
  }
}

/** Resident bytes of the browser's processes that draw the page (private and shared by its share), by kind. */
function memory() {
  const bytes = { renderer: 0, "gpu-process": 0 };
  const lines = execFileSync("ps", ["-eo", "pid,args", "-ww"], { encoding: "utf8" }).split("\n");
  for (const line of lines) {
    const [, pid, kind] = /^\s*(\d+) .*--type=(renderer|gpu-process)/.exec(line) ?? [];
    if (!pid || !line.includes(process.env.PROFILE_MARK ?? "chromium")) continue;
    try {
      const text = execFileSync("cat", [`/proc/${pid}/smaps_rollup`], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      bytes[kind] += 1024 * Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0);
    } catch {
      // it has ended
    }
  }
  return { renderer_bytes: bytes.renderer, gpu_bytes: bytes["gpu-process"] };
}
