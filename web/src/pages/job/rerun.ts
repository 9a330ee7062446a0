import type { Schemas } from "../../api/client";
import { parsed, type Quality, QUALITIES } from "../set/settings";

type Changes = Schemas["RerunRequest"];

/** The settings of a job as its form shows them. */
export function typedOf(settings: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : String(value)]),
  );
}

export function qualityOf(name: string): Quality {
  return QUALITIES.find((each) => each === name) ?? "medium";
}

/** What is different from a job: settings that were emptied go back to their preset. */
export function changesOf(
  job: Pick<Schemas["JobDetail"], "quality" | "settings" | "name">,
  form: { quality: Quality; name: string; typed: Record<string, string> },
): Changes {
  const before = typedOf(job.settings);
  const now = Object.fromEntries(Object.entries(form.typed).filter(([, text]) => text.trim() !== ""));
  const given = parsed(Object.fromEntries(Object.entries(now).filter(([name, text]) => before[name] !== text)));
  const gone = Object.keys(before).filter((name) => !(name in now));
  const settings = { ...given, ...Object.fromEntries(gone.map((name) => [name, null])) };
  return {
    ...(form.quality === job.quality ? {} : { quality: form.quality }),
    ...(Object.keys(settings).length > 0 ? { settings } : {}),
    ...(form.name !== "" && form.name !== job.name ? { name: form.name } : {}),
  };
}
