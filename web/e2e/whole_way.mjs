// From photographs to a model that turns, on the service at URL; prints what was seen as JSON, fails on anything wrong.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { account, administration } from "./accounts.mjs";
import { measure } from "./measuring.mjs";
import { look, openBrowser, openPage, signIn, violations } from "./browser.mjs";
import { compare, deleteAndUndo, rerun } from "./reworking.mjs";
import { pictures } from "./screenshots.mjs";
import { shareAndWithdraw, shareWithPassword } from "./sharing.mjs";

const { URL: url, PHOTOS: folder, JOB_S = "900" } = process.env;
const truth = JSON.parse(process.env.TRUTH);
const HOSTILE = "<img src=x onerror=alert(1)>\u202egpj.";
const LONG = `${HOSTILE}${"ä".repeat(108)}.jpg`; // 255 bytes
const sent = [];
const seen = { complaints: [], violations: {}, script_bytes: 0 };
const browser = await openBrowser();
const page = await openPage(browser, seen.complaints);

page.on("response", (answer) => {
  const request = answer.request();
  if (request.method() === "PATCH" && answer.status() === 204) sent.push(`${request.url()} ${request.headers()["upload-offset"]}`);
});

async function check(name) {
  const found = await violations(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) found.push(`${wide} px wider than the window`);
  if (found.length > 0) seen.violations[name] = found;
  await pictures(page, name);
}

async function countScripts() {
  const sizes = await page.evaluate(() =>
    performance.getEntriesByType("resource").filter((each) => each.name.endsWith(".js")).map((each) => each.encodedBodySize),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Press pyramids until one is met, whose photograph is then shown; returns its name. */
async function pressFrustum(page) {
  const box = await page.locator("canvas").boundingBox();
  const shown = page.getByLabel("Photograph", { exact: true });
  await page.getByRole("application").focus();
  for (let steps = 0; steps < 6; steps += 1) await page.keyboard.press("-"); // they stand around the model
  await page.waitForTimeout(1500);
  for (let row = 1; row < 10; row += 1) {
    for (let column = 1; column < 12; column += 1) {
      await page.mouse.click(box.x + (box.width * column) / 12, box.y + (box.height * row) / 10);
      if ((await shown.inputValue()) === "") continue;
      await page.locator("section[aria-label='Photographs of the model'] img").waitFor();
      await page.waitForTimeout(2500); // the flight to where it was taken
      return shown.locator("option:checked").textContent();
    }
  }
  return null;
}

async function turn() {
  const box = await page.locator("canvas").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 160, y + 20, { steps: 8 });
  await page.mouse.up();
  await page.waitForTimeout(1500);
}

try {
  await page.goto(url);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await check("sign-in");
  await signIn(page, url);
  await check("sets-empty");
  seen.script_bytes = await countScripts();

  page.on("dialog", (dialog) => seen.complaints.push(`a dialog: ${dialog.message()}`)); // of a name that was run
  const photographs = readdirSync(folder)
    .sort()
    .map((name, index) => ({ name: index === 1 ? LONG : name, mimeType: "image/jpeg", buffer: readFileSync(join(folder, name)) }));
  const choosing = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose photographs" }).click();
  await (await choosing).setFiles(photographs.slice(0, -1));
  await page.waitForURL("**/sets/*");
  await page.getByText(`${photographs.length - 1} photographs`).waitFor();

  await page.locator("li img").nth(photographs.length - 2).waitFor(); // thumbnails, while the rest is sent
  // a reload in the middle of an upload goes on by itself: the connection is cut, and comes back with the new page
  await page.route("**/v1/uploads/*", (route) => (route.request().method() === "PATCH" ? route.abort() : route.continue()));
  const more = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose photographs" }).click();
  await (await more).setFiles(photographs.slice(-1));
  await page.getByText("no connection, trying again").waitFor();
  await check("set-uploading");
  await page.unroute("**/v1/uploads/*");
  await page.reload();
  await page.getByText(`${photographs.length} photographs`).waitFor();
  seen.complaints = seen.complaints.filter((text) => !text.includes("net::ERR_FAILED")); // the cut, which was meant

  assert.equal(new Set(sent.map((each) => each.split(" ")[0])).size, photographs.length, "every file is sent by one upload");
  assert.equal(new Set(sent).size, sent.length, "no part of it twice");

  await page.getByText("of memory").first().waitFor();
  await check("set");
  await page.getByText("<img src=x onerror=alert(1)>gpj.").first().waitFor(); // the service takes out what turns text around
  await page.getByText("Preview", { exact: true }).click();
  await page.getByLabel("Name", { exact: true }).fill(HOSTILE);
  await page.getByRole("button", { name: "Settings" }).click();
  await check("set-settings");
  const asked_ms = Date.now();
  await page.getByRole("button", { name: "Make the model" }).click();
  await page.waitForURL("**/jobs/*");
  await page.getByText("Following live").waitFor();
  await check("job-waiting");

  await page.locator("[data-ready=cloud]").waitFor({ timeout: 1000 * JOB_S });
  for (let looks = 0; looks < 100 && !(seen.first?.share > 0); looks += 1) {
    await page.waitForTimeout(100);
    seen.first = await look(page);
  }
  seen.first_geometry_s = (Date.now() - asked_ms) / 1000;
  await check("job-running");
  await page.locator("[data-ready=textured]").waitFor({ timeout: 1000 * JOB_S });
  await page.getByText("ready", { exact: true }).waitFor({ timeout: 1000 * JOB_S });
  await page.waitForTimeout(1500);
  const before = await look(page);
  await turn();
  const after = await look(page);
  seen.textured = before;
  seen.turned = after;
  assert.notEqual(before.hash, after.hash, "the model turns");
  await check("job-ready");

  for (const mode of ["Plain", "Wireframe", "Cloud", "Confidence"]) {
    await page.getByRole("radio", { name: mode }).click();
    await page.locator(`[data-ready=${mode.toLowerCase()}]`).waitFor();
    await page.waitForTimeout(800);
    seen[mode.toLowerCase()] = await look(page);
  }
  await page.getByRole("button", { name: "Clip", exact: true }).click();
  await page.getByLabel("X from").fill("0.5");
  for (let looks = 0; looks < 100 && !(seen.clipped?.share < 0.9 * seen.confidence.share); looks += 1) {
    await page.waitForTimeout(100);
    seen.clipped = await look(page);
  }
  await check("job-clipped");
  await page.getByRole("button", { name: "Clip", exact: true }).click();
  await page.getByRole("button", { name: "Cameras", exact: true }).click();
  await page.waitForTimeout(800);
  seen.frustum = await pressFrustum(page);
  await check("job-cameras");
  const asked = page.waitForResponse("**/results/cameras.json");
  await page.reload();
  const cameras = await (await asked).json();
  await page.locator("[data-ready=textured]").waitFor();
  await page.getByRole("button", { name: "Cameras", exact: true }).click();
  seen.measured = await measure(page, cameras, truth);
  await check("job-measured");
  await page.getByRole("button", { name: "Measure", exact: true }).click();
  seen.shared = await shareAndWithdraw(browser, page, HOSTILE, seen.complaints);

  seen.violations_password = await shareWithPassword(browser, page);

  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download model.glb" }).click();
  seen.downloaded = (await saving).suggestedFilename();

  await page.getByRole("button", { name: "Whole report" }).click();
  await page.getByText("E2E3D reconstruction report").waitFor();
  await check("report");
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await rerun(page, check, 1000 * JOB_S);
  const second = page.url();
  seen.compared = await compare(page, check);
  await page.goto(second);
  await deleteAndUndo(page, check);
  seen.complaints = seen.complaints.filter((text) => !text.includes("status of 404")); // of the deleted job, which was asked for
  const elsewhere = await openPage(browser, []);
  await signIn(elsewhere, url);
  await account(page, check, elsewhere);
  await elsewhere.context().close();
  await administration(page, check);

  await page.getByRole("link", { name: "Models" }).click();
  await page.getByRole("heading", { name: "Models" }).waitFor();
  await check("jobs");
  await page.getByLabel("Language").selectOption("de");
  await page.getByRole("heading", { name: "Modelle" }).waitFor();
  await check("jobs-de");
  await page.getByRole("button", { name: "Abmelden" }).click();
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();
} catch (error) {
  seen.error = String(error.stack);
  if (process.env.PICTURES) await page.screenshot({ path: join(process.env.PICTURES, "failed.png"), fullPage: true });
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
