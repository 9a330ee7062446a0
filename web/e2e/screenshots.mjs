// Pictures of a page in both themes and two widths, into the folder PICTURES where one is given.
import { join } from "node:path";

const WIDTHS = { phone: { width: 360, height: 740 }, desk: { width: 1280, height: 860 } };

export async function pictures(page, name) {
  const folder = process.env.PICTURES;
  if (!folder) return;
  const before = page.viewportSize();
  for (const [width, size] of Object.entries(WIDTHS)) {
    await page.setViewportSize(size);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(600);
      await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(before);
}
