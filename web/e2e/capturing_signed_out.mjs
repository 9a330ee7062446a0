// Photographs with the fake camera before anybody has signed in; what was taken is sent afterwards.
import { openPage } from "./browser.mjs";
import { counted, nothingKept, openWithCamera, takenOf } from "./camera.mjs";
import { run } from "./checks.mjs";

const { URL: url } = process.env;
const seen = { complaints: [], violations: {} };
const browser = await openWithCamera();

await run(seen, browser, async () => {
  const page = await openPage(browser, seen.complaints, { permissions: ["camera"] });
  await page.goto(`${url}/capture`); // nobody is signed in, and it works all the same
  await page.getByText("Nobody is signed in.").waitFor();
  await page.getByRole("button", { name: "Start the camera" }).click();
  await counted(page, 2);
  await page.getByRole("button", { name: "Done" }).click();
  seen.taken = await takenOf(page);
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("Email address").fill(process.env.EMAIL);
  await page.getByLabel("Password").fill(process.env.PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Start the camera" }).waitFor(); // back where one was
  await page.goto(`${url}/sets`);
  await page.waitForFunction(() => document.querySelectorAll("main li a").length === 1);
  await nothingKept(page);
});
