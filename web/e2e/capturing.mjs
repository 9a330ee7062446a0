// Photographs with the fake camera that plays the video VIDEO, online and offline, up to a job; prints what was seen.
import { openPage, signIn } from "./browser.mjs";
import { counted, nothingKept, openWithCamera, takenOf } from "./camera.mjs";
import { checking, run } from "./checks.mjs";

const { URL: url } = process.env;
const seen = { complaints: [], violations: {} };
const browser = await openWithCamera();

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
  seen.taken = await takenOf(page);
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
});

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
