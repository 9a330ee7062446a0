import { useTranslation } from "react-i18next";

import type { Schemas } from "../api/client";
import en from "../i18n/en.json";

type Code = keyof typeof en.finding;

/** What is wrong with a photograph: in the reader's language where its code is known, with the service's own words. */
export function FindingText({ finding }: { finding: Schemas["Finding"] }) {
  const { t, i18n } = useTranslation();
  const known = finding.code in en.finding;
  const short = known ? t(`finding.${finding.code as Code}`) : null;
  const words = i18n.language === "en" || !known;
  return (
    <span>
      {short && <strong>{short}. </strong>}
      {words && finding.message}{" "}
    </span>
  );
}
