// Leaves the background out of the photographs of the set SET: found, corrected with a brush, kept; prints what was seen.
import { openBrowser, openPage, signIn } from "./browser.mjs";
import { checking, run } from "./checks.mjs";

const { URL: url, SET: set } = process.env;
const seen = { complaints: [], violations: {} };
const browser = await openBrowser();

await run(seen, browser, async () => {
  const page = await openPage(browser, seen.complaints);
  const check = checking(page, seen);
  await signIn(page, url);
  await page.goto(`${url}/sets/${set}`);
  await page.getByRole("button", { name: "Leave the background out" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: /^Correct/ }).nth(3).waitFor();
  await check("masks-found");
  await dialog.getByRole("button", { name: "Correct 0.jpg" }).click();
  const box = await dialog.getByRole("img", { name: "0.jpg" }).boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height * 0.3); // a stroke through the object
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height * 0.7, { steps: 6 });
  await page.mouse.up();
  await check("masks-edit");
  await dialog.getByRole("button", { name: "Done" }).click();
  await dialog.getByRole("button", { name: "Use these masks" }).click();
  await page.getByText("4 photographs have masks.").waitFor();
  await page.locator("li img").nth(7).waitFor();
  await check("set-masked");
});
