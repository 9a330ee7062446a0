/** What this browser keeps; where it keeps nothing, as in a frame of another site, everything is as at the first visit. */
export function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // not kept, then
  }
}
