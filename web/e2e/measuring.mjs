// Measures between places whose distances are known: the tool is told one of them, and is to find another.
import assert from "node:assert/strict";

const TALL = Math.tan((45 / 2) * (Math.PI / 180)); // of the viewer's camera

/**
 * `truth` names a photograph, three places that it sees, in metres in the frame of its camera, and how far apart two
 * cameras are; returns the known and the measured length in metres.
 */
export async function measure(page, cameras, truth) {
  const image = cameras.images.find(({ name }) => name === truth.photograph);
  await page.getByRole("radio", { name: "Plain" }).click();
  await page.locator("[data-ready=plain]").waitFor();
  await page.getByLabel("Photograph", { exact: true }).selectOption(truth.photograph);
  await page.getByAltText(truth.photograph).waitFor();
  await page.waitForTimeout(2500); // the flight to where it was taken
  await page.getByRole("button", { name: "Measure", exact: true }).click();
  const metres = distance(...truth.pair.map((name) => cameras.images.find((each) => each.name === name).center_world));
  const places = truth.points.map((point) => inCanvas(image, point.map((value) => (value * metres) / truth.pair_m), cameras));
  const [first, second, third] = places;
  await tap(page, first);
  await tap(page, second);
  await page.getByLabel("This length is, in metres").fill(String(distance(truth.points[0], truth.points[1])));
  await page.getByRole("button", { name: "Set the scale" }).click();
  await page.getByRole("button", { name: "Clear" }).click();
  await tap(page, first);
  await tap(page, third);
  const found = Number(await page.locator("dl[data-length]").getAttribute("data-length"));
  return { known: distance(truth.points[0], truth.points[2]), found };

  function inCanvas({ cam_from_world: rows }, point) {
    const rotation = rows.map((row) => row.slice(0, 3));
    const direction = [0, 1, 2].map((axis) => point.reduce((sum, value, row) => sum + value * rotation[row][axis], 0));
    const forward = rotation[2];
    const right = unit(cross(forward, upOf(cameras)));
    const up = cross(right, forward);
    const depth = dot(direction, forward);
    return { x: dot(direction, right) / depth / TALL, y: dot(direction, up) / depth / TALL };
  }
}

/** Press the canvas at a place that is given in halves of its height from its middle. */
async function tap(page, { x, y }) {
  const box = await page.locator("canvas").boundingBox();
  assert.ok(Math.abs(x) < box.width / box.height && Math.abs(y) < 1, "the place is in sight");
  await page.mouse.click(box.x + box.width / 2 + (x * box.height) / 2, box.y + box.height / 2 - (y * box.height) / 2);
  await page.waitForTimeout(300);
}

/** As upOf of the viewer. */
function upOf({ frame, images }) {
  if (["upright", "georeferenced", "metric"].includes(frame)) return [0, 0, 1];
  return unit([0, 1, 2].map((axis) => -images.reduce((sum, { cam_from_world: rows }) => sum + rows[1][axis], 0)));
}

const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a) => a.map((value) => value / Math.hypot(...a));
const distance = (a, b) => Math.hypot(...a.map((value, index) => value - b[index]));
