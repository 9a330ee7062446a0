import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Deletions, GRACE_MS } from "../src/undo/deletions";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a deletion is told after a while, unless it is taken back", async () => {
  const deletions = new Deletions();
  const told: string[] = [];
  const add = (id: string) => deletions.add({ id, name: id, commit: () => Promise.resolve(told.push(id)) });
  add("a");
  add("b");
  expect(deletions.state().waiting.map(({ id }) => id)).toEqual(["a", "b"]);
  deletions.takeBack("a");
  await vi.advanceTimersByTimeAsync(GRACE_MS);
  expect(told).toEqual(["b"]);
  expect(deletions.state()).toEqual({ waiting: [], failed: [] });
});

test("closing the page ends the wait, and what fails is kept with its error", async () => {
  const deletions = new Deletions();
  const commit = vi.fn(() => Promise.reject(new TypeError("no network")));
  deletions.add({ id: "a", name: "a", commit });
  await deletions.commitAll(true);
  expect(commit).toHaveBeenCalledExactlyOnceWith({ keepalive: true });
  expect(deletions.state().failed.map(({ error }) => error)).toEqual([new TypeError("no network")]);
  await vi.advanceTimersByTimeAsync(GRACE_MS);
  expect(commit).toHaveBeenCalledOnce();
});
