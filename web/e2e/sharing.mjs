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
