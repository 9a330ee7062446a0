// Photographs with the fake camera that plays the video VIDEO, online and offline, up to a job; prints what was seen.
import { chromium } from "playwright-core";

import { openPage, signIn } from "./browser.mjs";
import { checking, run } from "./checks.mjs";

const { URL: url, VIDEO: video } = process.env;
const seen = { complaints: [], violations: {} };
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${video}`],
});

const count = async (page) => Number(await page.locator("[data-count]").getAttribute("data-count"));

await run(seen, browser, async () => {
  const page = await openPage(browser, seen.complaints, { permissions: ["camera"], serviceWorkers: "allow" });
  const check = checking(page, seen);
  await signIn(page, url);
  await page.evaluate(() => navigator.serviceWorker.ready); // it has kept what photographing needs
  await page.getByRole("link", { name: "Photograph with this device" }).click();
  await page.getByRole("button", { name: "Start the camera" }).waitFor();
  await check("capture-begin");
  await page.getByRole("button", { name: "Start the camera" }).click();
  await turnDevice(page);
  await counted(page, 4);
  seen.hints = await page.getByRole("status").allTextContents();
  await page.getByRole("img", { name: /Photographed in [1-9]/ }).waitFor();
  await check("capture-live");
  await page.getByRole("button", { name: "Take one now" }).click();
  await page.getByText(/· \d+ sent/).waitFor();

  await page.context().setOffline(true);
  await page.getByText("You are offline. The photographs are kept").waitFor();
  await counted(page, (await count(page)) + 2);
  await page.getByRole("button", { name: "Done" }).click();
  seen.taken = Number((await page.getByRole("heading", { level: 2 }).textContent()).match(/\d+/)[0]);
  await page.getByText("The photographs are kept on this device.").waitFor();
  await check("capture-ended");
  await page.reload(); // from what the service worker has kept
  await page.getByRole("button", { name: "Start the camera" }).waitFor();
  await page.context().setOffline(false);

  await page.goto(`${url}/sets`);
  await page.getByRole("link", { name: /^Photographs of/ }).click();
  await nothingKept(page);
  await page.getByText(/^\d+ photographs/).first().waitFor();
  await page.getByText("Preview", { exact: true }).click();
  await page.getByRole("button", { name: "Make the model" }).click();
  await page.waitForURL("**/jobs/*");
  await page.getByText("Next in the queue").waitFor();
  seen.complaints = seen.complaints.filter((text) => !text.includes("net::ERR_INTERNET_DISCONNECTED")); // which was meant
  const stranger = await openPage(browser, seen.complaints, { permissions: ["camera"] });
  await stranger.goto(`${url}/capture`); // nobody is signed in, and it works all the same
  await stranger.getByText("Nobody is signed in.").waitFor();
  await stranger.getByRole("button", { name: "Start the camera" }).click();
  await counted(stranger, 2);
  await stranger.getByRole("button", { name: "Done" }).click();
  seen.taken += Number((await stranger.getByRole("heading", { level: 2 }).textContent()).match(/\d+/)[0]);
  await stranger.getByRole("link", { name: "Sign in" }).click();
  await stranger.getByLabel("Email address").fill(process.env.EMAIL);
  await stranger.getByLabel("Password").fill(process.env.PASSWORD);
  await stranger.getByRole("button", { name: "Sign in" }).click();
  await stranger.goto(`${url}/sets`);
  await stranger.waitForFunction(() => document.querySelectorAll("main li a").length === 2);
  await nothingKept(stranger);
});

/** Waits until the browser has nothing left to send. */
async function nothingKept(page) {
  await page.waitForFunction(async () => {
    const kept = async (name, store) => {
      const open = indexedDB.open(name);
      const database = await new Promise((resolve) => (open.onsuccess = () => resolve(open.result)));
      const request = database.transaction(store).objectStore(store).count();
      const count = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      database.close();
      return count;
    };
    return (await kept("e2e3d-photos", "photos")) + (await kept("e2e3d-uploads", "files")) === 0;
  });
}

async function counted(page, least) {
  await page.waitForFunction((wanted) => Number(document.querySelector("[data-count]")?.dataset.count) >= wanted, least);
}

/** As the sensors of a phone would say, which turns to the right by 20 degrees a second. */
async function turnDevice(page) {
  await page.evaluate(() => {
    let alpha = 360;
    setInterval(() => {
      alpha = (alpha - 2 + 360) % 360;
      dispatchEvent(new DeviceOrientationEvent("deviceorientation", { alpha, beta: 80, gamma: 0 }));
    }, 100);
  });
}
