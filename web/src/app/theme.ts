import { keep, kept } from "./storage";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEPT = "e2e3d-theme";

export function theme(): Theme {
  const chosen = kept(KEPT);
  return THEMES.find((each) => each === chosen) ?? "auto";
}

export function chooseTheme(chosen: Theme): void {
  keep(KEPT, chosen);
  applyTheme();
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = theme();
}
