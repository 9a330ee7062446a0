import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { Notice } from "../../ui";

/** Whether the result is to be trusted, and what to do where it is not. */
export function Judgement({ job }: { job: Schemas["JobDetail"] }) {
  const { t } = useTranslation();
  if (job.error) {
    return (
      <Notice tone="bad" title={t("job.failedTitle")}>
        <p>{job.error.message}</p>
        <p>{job.error.action}</p>
      </Notice>
    );
  }
  if (job.judgement?.verdict !== "doubtful") return null;
  return (
    <Notice tone="doubt" title={t("job.doubtful")}>
      {job.judgement.reasons.map((reason) => (
        <p key={reason.code}>
          {reason.message} {reason.action}
        </p>
      ))}
    </Notice>
  );
}
