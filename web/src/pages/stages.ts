import type { TFunction } from "i18next";

import en from "../i18n/en.json";

type Stage = keyof typeof en.stage;

/** A stage or pass in words; passes such as "refinement 2" are called after their stage. */
export function stageName(t: TFunction, stage: string): string {
  const [first = ""] = stage.split(/[^a-z_]/);
  return first in en.stage ? t(`stage.${first as Stage}`) : stage;
}
