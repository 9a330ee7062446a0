// Shares a model, looks at it as somebody who has the address only, also in a frame of another site, and withdraws it.
import assert from "node:assert/strict";
import { createServer } from "node:http";

import { look, openPage, violations } from "./browser.mjs";
import { pictures } from "./screenshots.mjs";

/** Returns how the visitor saw the model; what the visitor's console complains of goes to `complaints`. */
export async function shareAndWithdraw(browser, page, name, complaints) {
  await page.getByRole("button", { name: "Make an address" }).click();
  const address = await page.locator("a[href*='/shared/']").first().getAttribute("href");
  const item = page.locator("li").filter({ has: page.locator(`a[href="${address}"]`) });
  const visitor = await openPage(browser, complaints);
  await visitor.goto(address);
  await visitor.locator("[data-ready=textured]").waitFor();
  await visitor.getByRole("heading", { name }).waitFor();
  await visitor.waitForTimeout(1500);
  const seen = { ...(await look(visitor)), violations: await violations(visitor) };
  await pictures(visitor, "shared");
  assert.deepEqual(await visitor.context().cookies(), [], "a visitor is nobody");
  seen.picture = await pictureOf(visitor, name);
  seen.usdz = await intoTheRoom(browser, address, complaints);

  const site = createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end(`<link rel="icon" href="data:,"><iframe src="${address}" width="800" height="600" title="model"></iframe>`);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  await visitor.goto(`http://localhost:${site.address().port}`);
  await visitor.frameLocator("iframe").locator("[data-ready=textured]").waitFor();
  site.close();
  site.closeAllConnections();

  await item.getByRole("button", { name: "Withdraw" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Withdraw" }).click();
  await page.locator(`a[href="${address}"]`).waitFor({ state: "detached" });
  await visitor.context().close();
  const late = await openPage(browser, []); // the browser itself complains of the 404
  await late.goto(address);
  await late.getByText("This model is not shared, or no longer.").waitFor();
  await late.context().close();
  return seen;
}

/** What other sites find in the document: its name, and a picture of the model, whose size is returned. */
async function pictureOf(visitor, name) {
  const found = await visitor.evaluate(async () => {
    const content = (property) => document.querySelector(`meta[property="${property}"]`).content;
    const image = await createImageBitmap(await (await fetch(new URL(content("og:image")).pathname)).blob());
    return { title: content("og:title"), size: [image.width, image.height] };
  });
  assert.equal(found.title, name);
  return found.size;
}

/** On a phone that says it can (AR Quick Look): the model as it is handed over, in base64. */
async function intoTheRoom(browser, address, complaints) {
  const phone = await openPage(browser, complaints);
  await phone.addInitScript(() => {
    const known = DOMTokenList.prototype.supports;
    DOMTokenList.prototype.supports = function supports(token) {
      return token === "ar" || known.call(this, token);
    };
  });
  await phone.goto(address);
  const handed = phone.waitForEvent("download");
  await phone.getByRole("button", { name: "See it in your room" }).click();
  const parts = [];
  for await (const part of await (await handed).createReadStream()) parts.push(part);
  await phone.context().close();
  return Buffer.concat(parts).toString("base64");
}

/** Share with a password: it is asked for, a wrong one refused, and the right one shows the model. */
export async function shareWithPassword(browser, page) {
  await page.getByLabel("Password (if wanted)").fill("open sesame");
  await page.getByRole("button", { name: "Make an address" }).click();
  await page.getByText("with a password").waitFor();
  const address = await page.locator("a[href*='/shared/']").first().getAttribute("href");
  const visitor = await openPage(browser, []); // the browser itself complains of the 401
  await visitor.goto(address);
  const field = visitor.getByLabel("Password");
  await field.fill("wrong");
  await visitor.getByRole("button", { name: "Show the model" }).click();
  await visitor.getByText("The password is wrong.").waitFor();
  const found = await violations(visitor);
  await pictures(visitor, "shared-password");
  await field.fill("open sesame");
  await visitor.getByRole("button", { name: "Show the model" }).click();
  await visitor.locator("[data-ready=textured]").waitFor();
  assert.equal(await visitor.locator('meta[property^="og:"]').count(), 0, "nothing is said of it without the password");
  await visitor.context().close();
  return found;
}
