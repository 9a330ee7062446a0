import { expect, test, vi } from "vitest";

import { atMostEvery } from "../src/app/atMostEvery";

test("a thousand calls become a few, and the last is not forgotten", () => {
  vi.useFakeTimers();
  const called: string[] = [];
  const call = atMostEvery(2000, (key) => called.push(key));
  for (let index = 0; index < 1000; index++) {
    call("a");
    vi.advanceTimersByTime(5);
  }
  call("b");
  vi.advanceTimersByTime(10_000);
  expect(called).toEqual(["a", "a", "a", "b", "a"]);
  vi.useRealTimers();
});
