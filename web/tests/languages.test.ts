import { expect, test } from "vitest";

import de from "../src/i18n/de.json";
import en from "../src/i18n/en.json";
import { formatOf } from "../src/i18n/format";

function texts(tree: object, before = ""): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]: [string, string | object]) =>
    typeof value === "string" ? [[`${before}${key}`, value] as [string, string]] : texts(value, `${before}${key}.`),
  );
}

const places = (text: string) => [...text.matchAll(/\{\{(\w+)/g)].map(([, name]) => name).sort();

test("every text exists in both languages, with the same places to fill", () => {
  const [english, german] = [new Map(texts(en)), new Map(texts(de))];
  expect([...german.keys()].sort()).toEqual([...english.keys()].sort());
  for (const [key, text] of english) expect([key, places(german.get(key) ?? "")]).toEqual([key, places(text)]);
});

test("numbers, units and times are written as the language does", () => {
  const plain = (text: string) => text.replaceAll("\u00a0", " ");
  expect(plain(formatOf("de").bytes(1_540_000_000))).toBe("1,5 GB");
  expect(formatOf("en").bytes(999)).toBe("999 byte");
  expect(formatOf("en").duration(42)).toBe("42 sec");
  expect(plain(formatOf("de").duration(150))).toBe("3 Min.");
});
