// Signs in by the organisation's provider, and is told why not where it refuses; prints what was seen as JSON.
import { openBrowser, openPage } from "./browser.mjs";
import { checking, run } from "./checks.mjs";

const { URL: url } = process.env;
const seen = { complaints: [], violations: {} };
const browser = await openBrowser();

await run(seen, browser, async () => {
  const page = await openPage(browser, seen.complaints);
  const check = checking(page, seen);
  await page.goto(`${url}/jobs`);
  await page.getByRole("link", { name: "Sign in with Example Institute" }).waitFor();
  await check("sign-in-oidc");
  await page.getByRole("link", { name: "Sign in with Example Institute" }).click();
  await page.getByRole("heading", { name: "Models" }).waitFor(); // where one wanted to go
  await page.reload();
  await page.getByRole("heading", { name: "Models" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto(`${url}/v1/auth/oidc/callback?state=forged&code=forged`);
  await page.getByText("The sign-in took too long or was begun elsewhere.").waitFor();
  await check("sign-in-refused");
});
