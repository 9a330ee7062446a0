// Runs a model again with another setting, compares both, and takes a deletion back.
import assert from "node:assert/strict";

import { look } from "./browser.mjs";

/** On the page of a finished job: open the form, change the texture, and look at what is used again. */
export async function rerun(page, check, patience_ms) {
  await page.getByRole("button", { name: "Run again" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Used again").waitFor();
  const reused = async () => Number(await dialog.locator("[data-reused]").getAttribute("data-reused"));
  const all = await reused();
  await dialog.getByRole("button", { name: "Settings" }).click();
  await dialog.getByRole("button", { name: "Texturing" }).click();
  await dialog.getByLabel("texture.atlas_size_px").fill("512");
  await page.waitForFunction((before) => Number(document.querySelector("[data-reused]")?.dataset.reused) < before, all);
  assert.equal(await reused(), all - 2, "texture and export are computed again");
  await dialog.getByLabel("Name", { exact: true }).fill("a smaller texture");
  await check("job-rerun");
  await dialog.getByRole("button", { name: "Run again" }).click();
  await page.getByRole("heading", { name: "a smaller texture" }).waitFor();
  await page.getByText("ready", { exact: true }).waitFor({ timeout: patience_ms });
  await page.locator("[data-ready=textured]").waitFor();
}

/** From the page of the second job: both beside each other, and the left one turned; returns how both looked. */
export async function compare(page, check) {
  await page.getByRole("link", { name: "Compare with another" }).click();
  await page.getByRole("heading", { name: "Compare models" }).waitFor();
  const sides = [0, 1].map((index) => page.locator("canvas").nth(index));
  for (const index of [0, 1]) await page.locator("[data-ready=textured]").nth(index).waitFor();
  await page.getByRole("row", { name: /texture.atlas_size_px/ }).waitFor();
  await page.waitForTimeout(1500);
  const before = await Promise.all(sides.map((side) => look(page, side)));
  const box = await sides[0].boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 + 120, box.y + box.height / 2 + 10, { steps: 6 });
  await page.mouse.up();
  await page.waitForTimeout(1500);
  const after = await Promise.all(sides.map((side) => look(page, side)));
  await check("compare");
  for (const index of [0, 1]) assert.notEqual(before[index].hash, after[index].hash, `side ${index} turns`);
  return after;
}

/** Delete the job that is shown, take that back, delete it again, and leave: the service hears of it then. */
export async function deleteAndUndo(page, check) {
  const path = new URL(page.url()).pathname;
  const link = page.locator(`a[href="${path}"]`);
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "Models" }).waitFor();
  await page.getByText("is deleted").waitFor();
  assert.equal(await link.count(), 0, "it is not listed");
  await page.getByRole("button", { name: "Undo" }).click();
  await link.click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByText("is deleted").waitFor();
  await check("jobs-deleted");
  await page.reload(); // a request of a page that closes is not told to whoever steers the browser
  await page.getByRole("heading", { name: "Models" }).waitFor();
  const gone = page.getByText("There is no such job");
  for (let looks = 0; looks < 20 && (await gone.count()) === 0; looks += 1) {
    await page.goto(new URL(path, page.url()).href);
    await gone.or(page.getByRole("button", { name: "Run again" })).first().waitFor();
  }
  assert.equal(await gone.count(), 1, "the service has deleted it");
}
