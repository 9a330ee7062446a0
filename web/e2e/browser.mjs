// What the browser tests share: a Chromium with WebGL, a page whose errors are collected, and the check for axe.
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";

export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
  });
}

/** A page of a fresh profile; whatever its console or its scripts complain of goes to `complaints`. */
export async function openPage(browser, complaints, options = {}) {
  const context = await browser.newContext({ locale: "en-GB", acceptDownloads: true, serviceWorkers: "block", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(Number(process.env.PATIENCE_MS ?? 60_000));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return page;
}

export async function signIn(page, url) {
  await page.goto(url);
  await page.getByLabel("Email address").fill(process.env.EMAIL);
  await page.getByLabel("Password").fill(process.env.PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Photographs", exact: true }).waitFor();
}

/** Violations of WCAG 2.2 AA on what a page shows now. */
export async function violations(page) {
  const { violations: found } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`);
}

/** How the canvas looks: how many of its pixels are drawn, how many colours they have, and a hash of all. */
export async function look(page, place = page.locator("canvas").first()) {
  return place.evaluate(async (canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = copy.getContext("2d");
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    const colours = new Set();
    let drawn = 0;
    let hash = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] === 0) continue;
      drawn += 1;
      const colour = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
      colours.add(colour);
      hash = (hash * 31 + colour + at) | 0;
    }
    return { share: drawn / (data.length / 4), colours: colours.size, hash };
  });
}
