/** Calls `work` for a key at once, and then at most every `pause` ms, the last time after the last call. */
export function atMostEvery(pause: number, work: (key: string) => void): (key: string) => void {
  const waiting = new Map<string, boolean>(); // whether there was a call since the last one that was carried out
  const run = (key: string) => {
    waiting.set(key, false);
    work(key);
    setTimeout(() => {
      const again = waiting.get(key);
      waiting.delete(key);
      if (again) run(key);
    }, pause);
  };
  return (key) => {
    if (waiting.has(key)) waiting.set(key, true);
    else run(key);
  };
}
