// Annotates the model of the job JOB, and looks at it as a visitor of the address SHARE; prints what was seen as JSON.
import assert from "node:assert/strict";

import { openBrowser, openPage, signIn } from "./browser.mjs";
import { checking, run } from "./checks.mjs";

const { URL: url, JOB: job, SHARE: share, TITLE: title, TEXT: text } = process.env;
const seen = { complaints: [], violations: {} };
const browser = await openBrowser();

await run(seen, browser, async () => {
  const page = await openPage(browser, seen.complaints);
  page.on("dialog", (dialog) => seen.complaints.push(`a dialog: ${dialog.message()}`)); // of a text that was run
  const check = checking(page, seen);
  await signIn(page, url);
  await page.goto(`${url}/jobs/${job}`);
  await page.locator("[data-ready=textured]").waitFor();
  await page.getByRole("button", { name: "Annotations", exact: true }).click();
  await page.getByText("Nothing is said of a place").waitFor();
  await write(page, title, text, () => page.keyboard.press("Enter")); // the place in the middle
  const box = await page.locator("canvas").boundingBox();
  await write(page, "Corner", "", () => page.mouse.click(box.x + box.width * 0.6, box.y + box.height * 0.5));
  const marks = page.getByRole("list").filter({ has: page.locator("[aria-pressed]") }).locator("button");
  assert.equal(await marks.count(), 2);
  seen.middle = await centreOf(marks.nth(0), box);
  seen.corner = await centreOf(marks.nth(1), box);

  await page.reload();
  await page.locator("[data-ready=textured]").waitFor();
  const items = page.getByRole("region", { name: "Annotations" }).getByRole("listitem");
  await items.nth(1).waitFor();
  await items.nth(0).getByRole("button").first().click();
  await items.nth(0).locator("p").waitFor();
  seen.text = await items.nth(0).locator("p").textContent();
  await check("annotations");
  await items.nth(0).getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Title").fill("Another title");
  await check("annotations-edit");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await items.filter({ hasText: "Another title" }).waitFor();
  await items.nth(1).getByRole("button").first().click();
  await items.nth(1).getByRole("button", { name: "Delete" }).click();
  await page.getByText("“Corner” is deleted.").waitFor();
  assert.equal(await items.count(), 1);
  await page.getByRole("button", { name: "Undo" }).click();
  await items.nth(1).waitFor();

  const visitor = await openPage(browser, seen.complaints);
  await visitor.goto(share);
  await visitor.locator("[data-ready=textured]").waitFor();
  const shown = visitor.getByRole("region", { name: "Annotations" });
  await shown.getByText("Another title").click();
  seen.shared = await shown.locator("p").textContent();
  seen.visitor_may = await shown.getByRole("button", { name: /Edit|Delete|Annotate/ }).count();
  await checking(visitor, seen)("annotations-shared");
});

async function write(page, title, text, place) {
  await page.getByRole("button", { name: "Annotate a place" }).click();
  await page.getByRole("application").focus();
  await place();
  await page.getByLabel("Title").fill(title);
  await page.getByLabel("Text").fill(text);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("button", { name: "Annotate a place" }).waitFor();
}

/** In shares of the canvas. */
async function centreOf(mark, canvas) {
  const box = await mark.boundingBox();
  return [(box.x + box.width / 2 - canvas.x) / canvas.width, (box.y + box.height / 2 - canvas.y) / canvas.height];
}
