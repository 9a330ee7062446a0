import type { Schemas } from "../../api/client";
import document from "../../generated/settings.json";
import { qualityOf } from "../job/rerun";

type Job = Pick<Schemas["JobView"], "quality" | "settings">;

export interface Difference {
  name: string;
  values: [string, string];
}

/** The settings in which two jobs differ, with what each had: its own, else that of its quality. */
export function differencesOf(a: Job, b: Job): Difference[] {
  return document.settings
    .map(({ name }): Difference => ({ name, values: [valueOf(a, name), valueOf(b, name)] }))
    .filter(({ values: [first, second] }) => first !== second);
}

function valueOf(job: Job, name: string): string {
  const presets: Record<string, unknown> = document.presets[qualityOf(job.quality)];
  const value = name in job.settings ? (job.settings as Record<string, unknown>)[name] : presets[name];
  return Array.isArray(value) ? value.join(", ") : String(value);
}
