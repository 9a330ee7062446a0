import document from "../../generated/settings.json";

export type Quality = keyof typeof document.presets;

type Plain = string | number | boolean;
type Value = Plain | Plain[];

export interface Setting {
  name: string;
  allowed: string | null;
  meaning: string;
}

export const QUALITIES = Object.keys(document.presets) as Quality[];

/** The settings of every stage, in the order of the stages. */
export const STAGES: [string, Setting[]][] = byStage(document.settings);

function byStage(settings: Setting[]): [string, Setting[]][] {
  const found = new Map<string, Setting[]>();
  for (const each of settings) found.set(stageOf(each.name), [...(found.get(stageOf(each.name)) ?? []), each]);
  return [...found];
}

function stageOf(name: string): string {
  return name.slice(0, name.indexOf("."));
}

export function presetValue(quality: Quality, name: string): string {
  const values: Record<string, unknown> = document.presets[quality];
  const value = values[name];
  return Array.isArray(value) ? value.join(", ") : String(value);
}

/** What was typed as the values that the service takes: numbers, true and false, lists of numbers, else text. */
export function parsed(typed: Record<string, string>): Record<string, Value> {
  const filled = Object.entries(typed).filter(([, text]) => text.trim() !== "");
  return Object.fromEntries(filled.map(([name, text]) => [name, valueOf(text.trim())]));
}

function valueOf(text: string): Value {
  if (text.includes(",")) return text.split(",").map((part) => plainValue(part.trim()));
  return plainValue(text);
}

function plainValue(text: string): Plain {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}
