import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { Badge, type Tone } from "../../ui";

type Job = Schemas["JobView"];

const TONES: Record<Job["state"], Tone> = {
  queued: "plain",
  running: "plain",
  succeeded: "good",
  failed: "bad",
  cancelled: "plain",
};

export function StateBadge({ job }: { job: Pick<Job, "state" | "judgement"> }) {
  const { t } = useTranslation();
  const doubtful = job.state === "succeeded" && job.judgement?.verdict === "doubtful";
  return <Badge tone={doubtful ? "doubt" : TONES[job.state]}>{t(`state.${job.state}`)}</Badge>;
}
