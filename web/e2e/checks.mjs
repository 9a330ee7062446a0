// What short browser tests check of every view: axe, no view wider than its window, pictures where they are wanted.
import { violations } from "./browser.mjs";
import { pictures } from "./screenshots.mjs";

/** Returns a function that checks what a page shows under a name; what is wrong goes to `seen.violations`. */
export function checking(page, seen) {
  return async (name) => {
    const found = await violations(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) found.push(`${wide} px wider than the window`);
    if (found.length > 0) seen.violations[name] = found;
    await pictures(page, name);
  };
}

/** Runs a test, and prints as JSON what it has seen, its error included. */
export async function run(seen, browser, test) {
  try {
    await test();
  } catch (error) {
    seen.error = String(error.stack);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
}
