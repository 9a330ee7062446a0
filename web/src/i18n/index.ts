import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import { keep, kept } from "../app/storage";
import en from "./en.json";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const KEPT = "e2e3d-language";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en };
  }
}

/** Start with the language chosen before, else with the first of the browser that there is. */
export async function startLanguages(): Promise<void> {
  const wished = [kept(KEPT) ?? "", ...navigator.languages].map((tag) => tag.slice(0, 2));
  const language = wished.find((tag): tag is Language => tag in LANGUAGES) ?? "en";
  await i18next.use(initReactI18next).init({
    resources: { en: { translation: en } },
    lng: "en",
    fallbackLng: "en",
    interpolation: { escapeValue: false }, // React escapes
  });
  await show(language);
}

export async function choose(language: Language): Promise<void> {
  keep(KEPT, language);
  await show(language);
}

async function show(language: Language): Promise<void> {
  if (language !== "en" && !i18next.hasResourceBundle(language, "translation")) {
    const loaded = await import("./de.json");
    i18next.addResourceBundle(language, "translation", loaded.default);
  }
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}
